# SPDX-License-Identifier: BSD-3-Clause
"""Messages about memory: tables, regions that come and go, also under traffic."""

import os
import struct

import pytest

from fakeguest import (ADD_MEM_REG, GET_MAX_MEM_SLOTS, REM_MEM_REG, SET_MEM_TABLE, HungUp, Refused,
                       frame, lib, wait_until)
from fglib import BUILD_DIR
from protocol import A, B, u64, memfd, pair, region, talk


def test_a_table_of_eight_regions_carries_frames(switch):
    sw = switch(["a", "b"])
    regions = [(i << 32, 4 << 20) for i in range(8)]
    a = sw.guest("a", regions=regions, slot_region=7, ring_region=3)
    b = sw.guest("b")
    talk(a, b)
    assert sw.port("a")["memory_slots"] == 8


@pytest.mark.parametrize("n", [1, 8])
def test_a_table_with_fewer_or_more_fds_than_regions_is_refused(switch, n):
    sw = switch(["a"])
    fd = memfd()
    for n_fds in (0, n - 1, n + 1):
        if n_fds == n:
            continue
        a = sw.guest("a", boot=False)
        a.negotiate()
        table = struct.pack("=II", n, 0) + b"".join(
            region(i << 30, 1 << 20, (i + 1) << 40) for i in range(n))
        with pytest.raises((Refused, HungUp)):
            a.request(SET_MEM_TABLE, table, [fd] * n_fds)
        a.close()
    os.close(fd)


@pytest.mark.parametrize("what, regions", {
    "size_0": [(0, 0, 1 << 40)],
    "gpa_wraps": [(2 ** 64 - 4096, 8192, 1 << 40)],
    "uva_wraps": [(0, 8192, 2 ** 64 - 4096)],
    "file_too_short": [(0, 2 << 20, 1 << 40)],
    "offset_beyond_file": [(0, 4096, 1 << 40, 1 << 21)],
    "offset_and_size_wrap": [(0, 8192, 1 << 40, 2 ** 64 - 4096)],
    "offset_not_of_a_page": [(0, 4096, 1 << 40, 2 ** 63)],
    "gpa_overlaps": [(0, 65536, 1 << 40), (32768, 65536, 2 << 40)],
    "uva_overlaps": [(0, 65536, 1 << 40), (1 << 30, 65536, (1 << 40) + 4096)],
    "the_same_twice": [(0, 65536, 1 << 40)] * 2,
}.items())
def test_an_impossible_memory_table_is_refused_and_the_old_one_stays(switch, what, regions):
    sw, a, b = pair(switch)
    talk(a, b)
    fd = memfd()
    with pytest.raises(Refused):
        a.request(SET_MEM_TABLE,
                  struct.pack("=II", len(regions), 0) + b"".join(region(*r) for r in regions),
                  [fd] * len(regions))
    for r in regions[:1]:
        if len(regions) == 1:
            with pytest.raises(Refused):
                a.request(ADD_MEM_REG, u64(0) + region(*r), [fd])
    os.close(fd)
    assert sw.port("a")["session_error"] != ""
    talk(a, b)


def test_memory_that_is_no_memory_file_is_refused(switch):
    sw = switch(["a"])
    r, w = os.pipe()
    # Beside the objects: the folder for temporary files may be a tmpfs.
    disk = os.open(BUILD_DIR, os.O_RDWR | os.O_TMPFILE)
    os.ftruncate(disk, 1 << 20)
    null = os.open("/dev/zero", os.O_RDWR)
    for fd in (r, disk, null):
        a = sw.guest("a", boot=False)
        a.negotiate()
        with pytest.raises(Refused):
            a.request(ADD_MEM_REG, u64(0) + region(0, 1 << 20, 1 << 40), [fd])
        a.close()
    for fd in (r, w, disk, null):
        os.close(fd)


def test_256_memory_slots_are_usable(switch):
    sw, a, b = pair(switch)
    first = a.n_regions
    for i in range(256 - first):
        n = a.ok(lib.fg_mem_add(a.g, (16 << 30) + (i << 21), 1 << 20, 0, 0))
        a.ok(lib.fg_add_mem_reg(a.g, n))
    assert sw.port("a")["memory_slots"] == 256
    talk(a, b)
    # Frames that lie in the last of them.
    at = a.alloc(4096, a.n_regions - 1)
    a.write(at, bytes(12) + frame(B, A, 700))
    a.post(a.tx[0], [(at, 712, False)])
    assert b.recv() == frame(B, A, 700)
    for i in range(first, 256):
        a.ok(lib.fg_rem_mem_reg(a.g, i))
    assert sw.port("a")["memory_slots"] == first
    talk(a, b)


def test_more_slots_than_there_are_are_refused(switch):
    sw = switch(["a"])
    a = sw.guest("a", boot=False)
    a.negotiate()
    n = a.get(GET_MAX_MEM_SLOTS)
    fd = memfd(4096)
    for i in range(n):
        a.request(ADD_MEM_REG, u64(0) + region(i << 20, 4096, (1 << 40) + (i << 20)), [fd])
    with pytest.raises(Refused):
        a.request(ADD_MEM_REG, u64(0) + region(n << 20, 4096, (2 << 40)), [fd])
    assert sw.port("a")["memory_slots"] == n
    os.close(fd)


def test_removing_a_region_that_is_not_there_is_refused(switch):
    sw, a, b = pair(switch)
    r = a.region(0)
    for gpa, size, uva in ((r.gpa + 4096, r.size, r.uva), (r.gpa, r.size - 4096, r.uva),
                           (r.gpa, r.size, r.uva + 4096)):
        with pytest.raises(Refused):
            a.request(REM_MEM_REG, u64(0) + region(gpa, size, uva))
    talk(a, b)


def test_an_fd_that_comes_with_rem_mem_reg_is_closed(switch):
    sw, a, b = pair(switch)
    n = a.ok(lib.fg_mem_add(a.g, 64 << 30, 1 << 20, 0, 0))
    r = a.region(n)
    before = sw.n_fds()
    a.ok(lib.fg_add_mem_reg(a.g, n))
    a.request(REM_MEM_REG, u64(0) + region(r.gpa, r.size, r.uva, r.offset), [r.fd])
    assert wait_until(lambda: sw.n_fds() == before)


def test_regions_come_and_go_under_traffic(switch):
    sw, a, b = pair(switch)
    talk(a, b)
    s = sw.stream(a, b, A, B, size_max=1500, size_step=37, window=50)
    maps = sw.maps()
    # The stream and the messages share the guest, so they take turns; frames are in flight
    # at every change.
    for i in range(100):
        s.c.limit = s.c.sent + 40
        for _ in range(3):
            lib.fg_stream_step(s.s)
        if i % 2 == 0:
            n = a.ok(lib.fg_mem_add(a.g, (64 << 30) + (i << 21), 1 << 20, 0, 0))
            a.ok(lib.fg_add_mem_reg(a.g, n))
        else:
            a.ok(lib.fg_rem_mem_reg(a.g, n))
            lib.fg_mem_drop(a.g, n)
    s.run(500)
    assert wait_until(lambda: sw.maps() == maps)


def test_a_new_table_under_traffic_with_the_rings_at_new_addresses(switch):
    sw, a, b = pair(switch)
    talk(a, b)
    s = sw.stream(a, b, A, B, size_max=1500, size_step=37, window=50)
    back = sw.stream(b, a, B, A, size_max=1500, size_step=41, window=50)
    for i in range(40):
        # What comes for a while it has no rings is dropped: nothing may be under way to it.
        back.run(40)
        s.c.limit = s.c.sent + 40
        for _ in range(3):
            lib.fg_stream_step(s.s)
        # The same pages at other addresses of the front-end's, as after a remap.
        for n in range(2):
            a.region(n).uva += 1 << 36 if i % 2 == 0 else -(1 << 36)
        a.share_memory()
        for q in a.queues():
            a.ok(lib.fg_ring_addr(q.ring))
    s.run(500)
    back.run(500)


def test_memory_and_rings_move_to_new_files_while_stopped(switch):
    sw, a, b = pair(switch)
    s = sw.stream(a, b, A, B, size_max=1500, size_step=37)
    back = sw.stream(b, a, B, A, size_max=1500, size_step=41)
    for i in range(10):
        s.run(100)
        back.run(100)
        for q in a.queues():
            a.stop_queue(q)
        for n in range(2):
            old = a.region(n).gpa
            new = old + (8 << 30) if i % 2 == 0 else old - (8 << 30)
            a.ok(lib.fg_mem_move(a.g, n, new))
            for q in a.queues():
                lib.fg_queue_rebase(q, old, a.region(n).size, new)
        for q in a.queues():
            lib.fg_ring_relocate(q.ring)
        a.share_memory()
        a.start(fill=False)


def test_a_region_lost_under_a_ring_pauses_it_until_it_is_back(switch):
    sw, a, b = pair(switch)
    talk(a, b)
    a.ok(lib.fg_rem_mem_reg(a.g, 0))  # the rings lie there
    a.send(frame(B, A, seq=7))
    assert b.recv(0.1) is None
    assert sw.queue("a", "rx")["state"] != "running"
    a.ok(lib.fg_add_mem_reg(a.g, 0))
    assert b.recv() == frame(B, A, seq=7)
    talk(a, b)
