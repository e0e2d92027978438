# SPDX-License-Identifier: BSD-3-Clause
"""Guests that break the rules of rings and buffers. Each test plays one against a switch on
which two other ports exchange verified frames all the time: the culprit gets a broken queue with
a name, nobody else notices."""

import struct
import time

import pytest

from fakeguest import (F_INDIRECT, FEATURES, INDIRECT, NEXT, WRITE, frame, lib, mac,
                       wait_until)

E, F = mac(0xe), mac(0xf)
HDR = bytes(12)


def test_a_range_that_is_not_mapped(arena):
    e = arena.evil()
    e.post(e.tx[0], [(1 << 40, 100, False)])
    arena.broken("rx", "unmapped")


@pytest.mark.parametrize("beyond", [1, 52, 4096, 1 << 31])
def test_a_range_that_is_only_partly_mapped(arena, beyond):
    e = arena.evil()
    end = e.region(1).gpa + e.region(1).size
    e.post(e.tx[0], [(end - 64, 64 + beyond, False)])
    arena.broken("rx", "unmapped", "oversize")


def test_a_range_that_begins_before_its_region(arena):
    e = arena.evil()
    e.post(e.tx[0], [(e.region(1).gpa - 32, 100, False)])
    arena.broken("rx", "unmapped")


@pytest.mark.parametrize("addr, length", [(2 ** 64 - 50, 100), (2 ** 64 - 1, 2 ** 32 - 1),
                                          (2 ** 64 - 4096, 8192)])
def test_a_range_that_wraps(arena, addr, length):
    e = arena.evil()
    e.post(e.tx[0], [(addr, length, False)])
    arena.broken("rx", "unmapped")


def test_a_range_that_crosses_into_the_next_region_is_read_from_both(arena):
    e = arena.evil(regions=((0, 8 << 20), (8 << 20, 8 << 20)))
    f = frame(F, E, 1000)
    for at_first in (1, 12, 40, 500):
        at = (8 << 20) - at_first
        e.write(at, (HDR + f)[:at_first])
        e.write(8 << 20, (HDR + f)[at_first:])
        e.post(e.tx[0], [(at, 1012, False)])
        assert arena.feeder.recv() == f


def test_a_receive_buffer_that_crosses_regions_is_written_in_both(arena):
    e = arena.evil(regions=((0, 8 << 20), (8 << 20, 8 << 20)), fill=False)
    e.canary_fill()
    f = frame(E, F, 1000)
    for at_first in (1, 12, 40, 500):
        at = (8 << 20) - at_first
        e.post(e.rx[0], [(at, 1012, True)])
        arena.feeder.send(f)
        assert wait_until(lambda: lib.fg_ring_pending(e.rx[0].ring))
        e.drain(e.rx[0])
        assert e.read(at, at_first) + e.read(8 << 20, 1012 - at_first) == \
            HDR[:10] + b"\1\0" + f


def test_a_range_with_a_hole_behind_its_first_region(arena):
    e = arena.evil(regions=((0, 8 << 20), ((8 << 20) + 4096, 8 << 20)))
    e.post(e.tx[0], [((8 << 20) - 100, 4096 + 300, False)])
    arena.broken("rx", "unmapped")


def test_a_chain_that_points_at_itself(arena):
    e = arena.evil()
    at = e.alloc(64)
    e.desc(e.tx[0], 5, at, 1, NEXT, 5)
    e.offer(e.tx[0], 5)
    arena.broken("rx", "chain_loop", "oversize")


def test_a_chain_that_runs_in_a_circle(arena):
    e = arena.evil()
    at = e.alloc(64)
    for i in range(256):
        e.desc(e.tx[0], i, at, 60, NEXT, (i + 1) % 256)
    e.offer(e.tx[0], 0)
    arena.broken("rx", "chain_loop")


def test_a_chain_as_long_as_the_ring_is_no_loop(arena):
    e = arena.evil()
    at = e.alloc(4096)
    f = frame(F, E, 500)
    e.write(at, HDR + f)
    for i in range(256):
        e.desc(e.tx[0], i, at + 2 * i, 2, NEXT, i + 1)
    e.desc(e.tx[0], 255, at + 510, 2)
    e.offer(e.tx[0], 0)
    assert arena.feeder.recv() == f


@pytest.mark.parametrize("following", [256, 1000, 65535])
def test_a_chain_that_leaves_the_table(arena, following):
    e = arena.evil()
    e.desc(e.tx[0], 0, e.alloc(64), 60, NEXT, following)
    e.offer(e.tx[0], 0)
    arena.broken("rx", "next_index")


@pytest.mark.parametrize("head", [256, 257, 65535])
def test_an_avail_entry_beyond_the_table(arena, head):
    e = arena.evil()
    e.offer(e.tx[0], head)
    arena.broken("rx", "head_index")


@pytest.mark.parametrize("ahead", [257, 1000, 32768, 65535])
def test_an_avail_index_further_ahead_than_the_ring_is_long(arena, ahead):
    e = arena.evil()
    e.send(frame(F, E))
    assert e.taken()
    lib.fg_ring_raw_avail_idx(e.tx[0].ring, e.tx[0].ring.avail_idx + ahead & 0xffff)
    arena.broken("rx", "avail_index")


def test_an_indirect_table_inside_an_indirect_table(arena):
    e = arena.evil()
    at = e.alloc(128)
    inner = e.table((at, 72, 0, 0))
    outer = e.table((at, 12, NEXT, 1), (inner, 16, INDIRECT, 0))
    e.desc(e.tx[0], 0, outer, 32, INDIRECT)
    e.offer(e.tx[0], 0)
    arena.broken("rx", "indirect_nested")


def test_an_indirect_descriptor_that_continues(arena):
    e = arena.evil()
    at = e.alloc(128)
    e.desc(e.tx[0], 0, e.table((at, 72, 0, 0)), 16, INDIRECT | NEXT, 1)
    e.desc(e.tx[0], 1, at, 72)
    e.offer(e.tx[0], 0)
    arena.broken("rx", "indirect_chained")


def test_an_indirect_table_behind_a_direct_descriptor_is_read(arena):
    e = arena.evil()
    f = frame(F, E, 200)
    at = e.alloc(256)
    e.write(at, HDR + f)
    e.desc(e.tx[0], 0, at, 12, NEXT, 1)
    e.desc(e.tx[0], 1, e.table((at + 12, 100, NEXT, 1), (at + 112, 100, 0, 0)), 32, INDIRECT)
    e.offer(e.tx[0], 0)
    assert arena.feeder.recv() == f


@pytest.mark.parametrize("length", [0, 1, 15, 17, 16 * 65536, 2 ** 32 - 16, 2 ** 32 - 1])
def test_an_indirect_table_of_an_impossible_size(arena, length):
    e = arena.evil()
    e.desc(e.tx[0], 0, e.table((e.alloc(128), 72, 0, 0)), length, INDIRECT)
    e.offer(e.tx[0], 0)
    arena.broken("rx", "indirect_size", "unmapped")


def test_an_indirect_table_that_is_only_partly_mapped(arena):
    e = arena.evil()
    end = e.region(1).gpa + e.region(1).size
    e.write(end - 16, struct.pack("=QIHH", e.alloc(64), 60, NEXT, 1))
    e.desc(e.tx[0], 0, end - 16, 32, INDIRECT)
    e.offer(e.tx[0], 0)
    arena.broken("rx", "unmapped")


def test_an_indirect_table_fragmented_over_two_regions_is_read_or_refused(arena):
    e = arena.evil(regions=((0, 8 << 20), (8 << 20, 8 << 20)))
    f = frame(F, E, 200)
    at = e.alloc(256)
    e.write(at, HDR + f)
    entries = struct.pack("=QIHH", at, 100, NEXT, 1) + struct.pack("=QIHH", at + 100, 112, 0, 0)
    e.write((8 << 20) - 24, entries[:24])
    e.write(8 << 20, entries[24:])
    e.desc(e.tx[0], 0, (8 << 20) - 24, 32, INDIRECT)
    e.offer(e.tx[0], 0)
    got = arena.feeder.recv(0.3)
    assert got == f or arena.state("rx") == "broken: unmapped"


@pytest.mark.parametrize("entries", [[(0, 60, NEXT, 0)], [(0, 60, NEXT, 1), (0, 60, NEXT, 0)]])
def test_a_loop_in_an_indirect_table(arena, entries):
    e = arena.evil()
    at = e.alloc(128)
    e.desc(e.tx[0], 0, e.table(*[(at, *x[1:]) for x in entries]), 16 * len(entries), INDIRECT)
    e.offer(e.tx[0], 0)
    arena.broken("rx", "chain_loop")


def test_a_next_beyond_an_indirect_table(arena):
    e = arena.evil()
    e.desc(e.tx[0], 0, e.table((e.alloc(128), 60, NEXT, 7)), 16, INDIRECT)
    e.offer(e.tx[0], 0)
    arena.broken("rx", "next_index")


def test_an_indirect_descriptor_without_the_feature(arena):
    e = arena.evil(features=FEATURES & ~F_INDIRECT)
    e.desc(e.tx[0], 0, e.table((e.alloc(128), 72, 0, 0)), 16, INDIRECT)
    e.offer(e.tx[0], 0)
    arena.broken("rx", "indirect_refused")


def test_a_transmit_buffer_that_the_device_should_write(arena):
    e = arena.evil()
    e.post(e.tx[0], [(e.alloc(128), 72, True)])
    arena.broken("rx", "direction")


def test_a_receive_buffer_that_the_device_may_not_write(arena):
    e = arena.evil(fill=False)
    e.post(e.rx[0], [(e.alloc(2048), 2048, False)])
    arena.feed(E)
    arena.broken("tx", "direction")


def test_a_header_split_over_descriptors_is_put_together(arena):
    e = arena.evil()
    f = frame(F, E, 300)
    for cuts in ([1] * 12 + [300], [5, 307], [11, 1, 300], [10, 302], [13, 299], [12, 300],
                 [1] * 11 + [301]):
        for indirect in (False, True):
            e.send_cuts(f, cuts, indirect=indirect)
            assert arena.feeder.recv() == f


@pytest.mark.parametrize("cuts", [[1], [11], [5, 6], [1] * 11])
def test_a_chain_shorter_than_the_header(arena, cuts):
    e = arena.evil()
    at = e.alloc(64)
    e.post(e.tx[0], [(at, n, False) for n in cuts])
    arena.broken("rx", "short_header")


def test_descriptors_of_no_length_do_no_harm(arena):
    e = arena.evil()
    f = frame(F, E, 300)
    at = e.alloc(512)
    e.write(at, HDR + f)
    e.post(e.tx[0], [(at, 0, False), (at, 12, False), (at, 0, False), (at + 12, 300, False),
                     (1 << 50, 0, False)])
    got = arena.feeder.recv(0.3)
    assert got == f or "broken" in arena.state("rx")


def test_a_receive_buffer_too_short_for_the_header(arena):
    e = arena.evil(fill=False)
    e.canary_fill()
    e.post(e.rx[0], [(e.alloc(64), 4, True)])
    arena.feed(E)
    arena.broken("tx", "short_header", "too_big")


def test_receive_buffers_that_are_not_mapped(arena):
    e = arena.evil(fill=False)
    end = e.region(1).gpa + e.region(1).size
    e.canary_fill()
    e.post(e.rx[0], [(end - 64, 2048, True)])
    arena.feed(E, 1000)
    arena.broken("tx", "unmapped")


def test_a_loop_of_receive_buffers(arena):
    e = arena.evil(fill=False)
    e.canary_fill()
    e.desc(e.rx[0], 0, e.alloc(64), 20, WRITE | NEXT, 0)
    e.offer(e.rx[0], 0)
    arena.feed(E, 1500)
    arena.broken("tx", "chain_loop", "unmapped", "too_big")


def test_an_avail_index_of_the_receive_ring_that_jumps(arena):
    e = arena.evil(fill=False)
    lib.fg_ring_raw_avail_idx(e.rx[0].ring, 5000)
    arena.feed(E)
    arena.broken("tx", "avail_index")


def test_what_is_pushed_stays_within_the_receive_buffers(arena):
    e = arena.evil(slot=176)
    e.canary_fill()
    for size in range(60, 1500, 7):
        arena.feed(E, size)
        assert e.recv() is not None
    e.canary_check()


@pytest.mark.parametrize("flags, gso, what", [
    (1, 0, (34, 16)), (1, 0, (65535, 65535)), (1, 0, (60, 0)), (1, 0, (0, 65534)),
    (0, 1, (0, 0)), (0, 4, (0, 0)), (0, 3, (0, 0)), (1, 0x81, (34, 16)), (0, 0xff, (0, 0))])
def test_checksum_and_segmentation_that_were_not_negotiated(arena, flags, gso, what):
    e = arena.evil()
    f = frame(F, E, 300)
    hdr = struct.pack("=BBHHHHH", flags, gso, 65535, 1, *what, 0)
    before = arena.sw.drops("evil").get("bad_offload", 0)
    e.send_cuts(f, [312], hdr=hdr)
    assert e.taken()
    assert arena.sw.drops("evil")["bad_offload"] == before + 1
    e.send(f)
    assert arena.feeder.recv() == f


def test_a_used_ring_that_the_guest_rewrites(arena):
    e = arena.evil()
    r = e.tx[0].ring
    e.send(frame(F, E))
    assert e.taken()
    for value in (0, 77, 40000, 65535):
        e.write(r.used_gpa + 2, struct.pack("=H", value))
        e.send(frame(F, E, seq=value), publish=True) if r.n_free else None
        time.sleep(0.01)
    arena.sw.assert_alive()


def test_rings_that_lie_on_top_of_each_other(arena):
    e = arena.evil(start=False)
    r, rx = e.tx[0].ring, e.rx[0].ring
    for q in (e.tx[0], e.rx[0]):
        q.ring.used_gpa = q.ring.desc_gpa
        lib.fg_ring_relocate(q.ring)
    r.desc_gpa = rx.desc_gpa
    lib.fg_ring_relocate(r)
    e.start()
    for i in range(200):
        lib.fg_ring_raw_avail(r, i % 256)
        lib.fg_ring_publish(r)
    arena.feed(E, 1500, 50)
    arena.sw.assert_alive()


def test_receive_buffers_that_lie_on_the_rings_themselves(arena):
    e = arena.evil(fill=False)
    for q in e.queues():
        for gpa in (q.ring.desc_gpa, q.ring.avail_gpa, q.ring.used_gpa):
            e.post(e.rx[0], [(gpa, 1600, True)])
    arena.feed(E, 1500, 50)
    e.send(frame(F, E), publish=True)
    arena.sw.assert_alive()


def test_transmit_buffers_that_lie_on_the_rings_themselves(arena):
    e = arena.evil()
    r = e.tx[0].ring
    for gpa in (r.desc_gpa, r.avail_gpa, r.used_gpa) * 10:
        e.post(e.tx[0], [(gpa, 600, False)])
    arena.sw.assert_alive()
