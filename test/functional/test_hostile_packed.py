# SPDX-License-Identifier: BSD-3-Clause
"""Guests that break the rules of packed rings. As in test_hostile.py: the culprit gets a broken
queue with a name, nobody else notices."""

import random
import struct
import time

import pytest

from fakeguest import (F_IN_ORDER, F_INDIRECT, F_MRG_RXBUF, F_PACKED, FEATURES, INDIRECT, NEXT,
                       WRITE, frame, lib, mac, wait_until)
from test_hostile_races import flipping, short_or_long

E, F = mac(0xe), mac(0xf)
HDR = bytes(12)
AVAIL, USED = 1 << 7, 1 << 15
PACKED = FEATURES | F_PACKED
SIZE = 256


def culprit(arena, features=PACKED, **options):
    e = arena.evil(features=features, **options)
    assert all(q.ring.packed for q in e.queues())
    return e


def lay(e, q, i, addr, length, flags=0, buffer_id=0):
    """A descriptor as it is; AVAIL and USED are the caller's."""
    e.write(q.ring.desc_gpa + 16 * i,
            struct.pack("=QIHH", addr & (1 << 64) - 1, length, buffer_id, flags))


def offer(e, q, *descs):
    """Descriptors (addr, length, flags[, id]) in the first lap from position 0 on, the first one
    last."""
    for i, d in reversed(list(enumerate(descs))):
        addr, length, flags, *buffer_id = d
        lay(e, q, i, addr, length, flags | AVAIL, *buffer_id)


def used(e, q, i=0):
    """(id, length) of a descriptor that came back in the first lap."""
    def back():
        _, length, buffer_id, flags = struct.unpack("=QIHH", e.read(q.ring.desc_gpa + 16 * i, 16))
        return flags & AVAIL and flags & USED and (buffer_id, length)
    got = wait_until(back)
    assert got, "it did not come back"
    return got


def test_a_range_that_is_not_mapped(arena):
    e = culprit(arena)
    offer(e, e.tx[0], (1 << 40, 100, 0))
    arena.broken("rx", "unmapped")


@pytest.mark.parametrize("addr, length", [(2 ** 64 - 50, 100), (2 ** 64 - 1, 2 ** 32 - 1)])
def test_a_range_that_wraps(arena, addr, length):
    e = culprit(arena)
    offer(e, e.tx[0], (addr, length, 0))
    arena.broken("rx", "unmapped")


def test_a_chain_that_never_ends(arena):
    e = culprit(arena)
    at = e.alloc(64)
    offer(e, e.tx[0], *[(at, 60, NEXT)] * SIZE)
    arena.broken("rx", "chain_loop")


def test_a_chain_as_long_as_the_ring_is_no_loop(arena):
    e = culprit(arena)
    f = frame(F, E, 500)
    at = e.alloc(4096)
    e.write(at, HDR + f)
    offer(e, e.tx[0], *[(at + 2 * i, 2, NEXT) for i in range(SIZE - 1)], (at + 510, 2, 0, 7))
    assert arena.feeder.recv() == f
    assert used(e, e.tx[0]) == (7, 0)


def test_half_a_chain_is_not_waited_for(arena):
    """Its rest, which stays unwritten, is empty memory."""
    e = culprit(arena)
    at = e.alloc(128)
    e.write(at, HDR + frame(F, E, 60))
    offer(e, e.tx[0], (at, 72, NEXT, 5))
    assert wait_until(lambda: "broken" in arena.state("rx") or arena.feeder.recv(0))
    arena.sw.assert_alive()


def test_a_chain_with_a_part_of_another_lap(arena):
    e = culprit(arena)
    at = e.alloc(128)
    f = frame(F, E, 60)
    e.write(at, HDR + f)
    q = e.tx[0]
    # Only the first descriptor of a chain says that it is available (2.8.6).
    lay(e, q, 1, at + 30, 42, AVAIL | USED, 3)
    lay(e, q, 0, at, 30, AVAIL | NEXT, 9)
    assert wait_until(lambda: "broken" in arena.state("rx") or arena.feeder.recv(0) == f)
    arena.sw.assert_alive()


@pytest.mark.parametrize("buffer_id", [0, 1, 255, 256, 32768, 65535])
def test_a_buffer_id_is_the_guests_own_business(arena, buffer_id):
    """It indexes nothing here."""
    e = culprit(arena)
    f = frame(F, E, 700)
    at = e.alloc(1024)
    e.write(at, HDR + f)
    offer(e, e.tx[0], *[(at, 712, 0, buffer_id)] * 3)
    for i in range(3):
        assert arena.feeder.recv() == f
        assert used(e, e.tx[0], i) == (buffer_id, 0)


@pytest.mark.parametrize("flags", [0, AVAIL | USED, USED])
def test_a_wrap_that_is_a_lie_offers_nothing(arena, flags):
    e = culprit(arena)
    f = frame(F, E, 60)
    at = e.alloc(128)
    e.write(at, HDR + f)
    q = e.tx[0]
    for i in range(SIZE):
        lay(e, q, i, at, 72, flags, i)
    lib.fg_ring_kick(q.ring)
    arena.sw.finish_pass(5)
    assert arena.feeder.recv(0) is None
    lay(e, q, 0, at, 72, AVAIL, 1)
    assert arena.feeder.recv() == f
    arena.sw.assert_alive()


def test_more_laps_at_once_than_there_are(arena):
    """Completed descriptors are offered again, and again, before their turn."""
    e = culprit(arena)
    at = e.alloc(128)
    e.write(at, HDR + frame(F, E, 60))
    q = e.tx[0]
    for _ in range(30):
        for flags in (AVAIL, USED, AVAIL | USED, 0):
            for i in range(SIZE):
                lay(e, q, i, at, 72, flags, i)
    arena.sw.assert_alive()


def test_an_indirect_table_inside_an_indirect_table(arena):
    e = culprit(arena)
    at = e.alloc(128)
    inner = e.table((at, 72, 0, 0))
    outer = e.table((at, 12, 0, 0), (inner, 16, 0, INDIRECT))
    offer(e, e.tx[0], (outer, 32, INDIRECT))
    arena.broken("rx", "indirect_nested")


def test_an_indirect_descriptor_that_continues(arena):
    e = culprit(arena)
    at = e.alloc(128)
    offer(e, e.tx[0], (e.table((at, 72, 0, 0)), 16, INDIRECT | NEXT), (at, 72, 0))
    arena.broken("rx", "indirect_chained")


def test_next_in_an_indirect_table_means_nothing(arena):
    e = culprit(arena)
    f = frame(F, E, 200)
    at = e.alloc(256)
    e.write(at, HDR + f)
    table = e.table((at, 100, 0xffff, 0), (at + 100, 112, 0xffff, NEXT))
    offer(e, e.tx[0], (table, 32, INDIRECT, 4))
    assert wait_until(lambda: "broken" in arena.state("rx") or arena.feeder.recv(0) == f)


@pytest.mark.parametrize("length", [0, 1, 15, 17, 16 * 65536, 2 ** 32 - 16, 2 ** 32 - 1])
def test_an_indirect_table_of_an_impossible_size(arena, length):
    e = culprit(arena)
    offer(e, e.tx[0], (e.table((e.alloc(128), 72, 0, 0)), length, INDIRECT))
    arena.broken("rx", "indirect_size", "unmapped")


def test_an_indirect_table_that_is_only_partly_mapped(arena):
    e = culprit(arena)
    end = e.region(1).gpa + e.region(1).size
    e.write(end - 16, struct.pack("=QIHH", e.alloc(64), 60, 0, 0))
    offer(e, e.tx[0], (end - 16, 32, INDIRECT))
    arena.broken("rx", "unmapped")


def test_an_indirect_descriptor_without_the_feature(arena):
    e = culprit(arena, PACKED & ~F_INDIRECT)
    offer(e, e.tx[0], (e.table((e.alloc(128), 72, 0, 0)), 16, INDIRECT))
    arena.broken("rx", "indirect_refused")


def test_buffers_of_the_wrong_direction(arena):
    e = culprit(arena, fill=False)
    offer(e, e.tx[0], (e.alloc(128), 72, WRITE))
    arena.broken("rx", "direction")
    offer(e, e.rx[0], (e.alloc(2048), 2048, 0))
    arena.feed(E)
    arena.broken("tx", "direction")


@pytest.mark.parametrize("cuts", [[1], [11], [5, 6], [1] * 11])
def test_a_chain_shorter_than_the_header(arena, cuts):
    e = culprit(arena)
    at = e.alloc(64)
    e.post(e.tx[0], [(at, n, False) for n in cuts])
    arena.broken("rx", "short_header")


def test_receive_buffers_that_are_not_mapped(arena):
    e = culprit(arena, fill=False)
    e.canary_fill()
    end = e.region(1).gpa + e.region(1).size
    offer(e, e.rx[0], (end - 64, 2048, WRITE))
    arena.feed(E, 1000)
    arena.broken("tx", "unmapped")


def test_a_loop_of_receive_buffers(arena):
    e = culprit(arena, PACKED & ~F_MRG_RXBUF, fill=False)
    at = e.alloc(64)
    offer(e, e.rx[0], *[(at, 1, WRITE | NEXT)] * SIZE)
    arena.feed(E, 1500)
    arena.broken("tx", "chain_loop", "too_big")


EVENTS = [(0, 0), (0xffff, 0xffff), (0x7fff, 2), (0xffff, 2), (300, 2), (0, 3), (1 << 15, 2)]


@pytest.mark.parametrize("off_wrap, flags", EVENTS)
def test_rubbish_in_the_event_area_costs_at_most_notifications(arena, off_wrap, flags):
    e = culprit(arena)
    for q in e.queues():
        e.write(q.ring.avail_gpa, struct.pack("=HH", off_wrap, flags))
        e.write(q.ring.used_gpa, struct.pack("=HH", off_wrap, flags))
    for i in range(600):  # more than two laps
        e.send(frame(F, E, 60 + i, seq=i))
        assert arena.feeder.recv() == frame(F, E, 60 + i, seq=i)
        if i % 7 == 0:
            arena.feed(E, 60)
            assert e.recv() is not None
    e.assert_orderly()


def test_event_areas_that_change_all_the_time(arena):
    e = culprit(arena)
    at = e.tx[0].ring.avail_gpa
    with flipping(e, at, struct.pack("=HH", 1 << 15, 2), struct.pack("=HH", 0xffff, 1)) as going:
        i = 0
        while going():
            e.send(frame(F, E, 60, seq=i))
            assert arena.feeder.recv() == frame(F, E, 60, seq=i)
            i += 1


def offer_while(e, changing, addr, length, flags=0):
    """Offer one buffer again and again while what its descriptor says changes."""
    q = e.tx[0]
    r = q.ring
    while changing():
        for i in range(SIZE):
            lay(e, q, i, addr, length, flags | (AVAIL if r.wrap else USED), i)
        r.wrap = not r.wrap

        def taken():
            word, = struct.unpack("=H", e.read(r.desc_gpa + 16 * (SIZE - 1) + 14, 2))
            return bool(word & AVAIL) == bool(word & USED)
        wait_until(taken, 0.05, 0.0005)


@pytest.mark.parametrize("at, a, b", [
    (8, struct.pack("=I", 1012), struct.pack("=I", 2 ** 32 - 1)),
    (8, struct.pack("=I", 1012), struct.pack("=I", 0)),
    (0, None, struct.pack("=Q", 2 ** 64 - 64)),
    (14, struct.pack("=H", AVAIL), struct.pack("=H", AVAIL | NEXT)),
    (14, struct.pack("=H", AVAIL), struct.pack("=H", AVAIL | INDIRECT)),
    (14, struct.pack("=H", AVAIL), struct.pack("=H", USED))])
def test_double_fetch_of_a_packed_descriptor(arena, at, a, b):
    e = culprit(arena)
    buffer = e.alloc(2048)
    f = frame(F, E, 1500)
    e.write(buffer, HDR + f)
    place = e.tx[0].ring.desc_gpa + 16 * 5 + at
    with flipping(e, place, a or struct.pack("=Q", buffer), b) as changing:
        offer_while(e, changing, buffer, 1012)
    if at == 14 and b[0] & NEXT:  # then two buffers are one frame
        assert all(x[:1000] == f[:1000] for x in arena.feeder.recv_all(0.02))
    else:
        short_or_long(arena, e, {1000})


def test_double_fetch_of_an_entry_of_an_indirect_table(arena):
    e = culprit(arena)
    buffer = e.alloc(2048)
    e.write(buffer, HDR + frame(F, E, 1500))
    table = e.table((buffer, 1012, 0, 0))
    with flipping(e, table + 8, struct.pack("=I", 1012), struct.pack("=I", 2 ** 32 - 1)) as going:
        offer_while(e, going, table, 16, INDIRECT)
    short_or_long(arena, e, {1000})


@pytest.mark.parametrize("part", ["desc", "avail", "used"])
def test_buffers_that_lie_on_the_ring_itself(arena, part):
    e = culprit(arena, fill=False)
    for q in e.queues():
        at = getattr(q.ring, f"{part}_gpa")
        for _ in range(20):
            e.post(q, [(at & ~15, 600 if part == "desc" else 4, q.rx)])
    arena.feed(E, 500, 50)
    time.sleep(0.01)
    arena.sw.assert_alive()


@pytest.mark.parametrize("in_order", [0, F_IN_ORDER])
@pytest.mark.parametrize("seed", range(5))
def test_random_packed_rings_harm_only_their_own_port(arena, seed, in_order):
    rnd = random.Random(seed)
    e = culprit(arena, (PACKED if seed % 2 else PACKED & ~F_MRG_RXBUF) | in_order, fill=False,
                ring=(256, 100, 3)[seed % 3])
    spots = [e.region(0).gpa + 8, e.region(1).gpa + 4096, e.region(1).gpa + (16 << 20) - 100,
             e.tx[0].ring.desc_gpa, e.rx[0].ring.desc_gpa, e.rx[0].ring.used_gpa, 0, 1 << 40,
             2 ** 64 - 100]
    lengths = [0, 1, 12, 13, 16, 32, 60, 72, 100, 1000, 1514, 4096, 65535, 70000, 2 ** 32 - 1]
    for _ in range(40):
        for q in e.queues():
            for i in range(q.ring.size):
                lay(e, q, i, rnd.choice(spots) + rnd.randrange(64), rnd.choice(lengths),
                    rnd.choice([0, 1, 2, 3, 4, 5, 7, WRITE * (q.rx is True)]) |
                    rnd.choice([AVAIL, AVAIL, USED, USED, 0, AVAIL | USED]),
                    rnd.randrange(65536))
        arena.feed(E, rnd.choice([60, 300, 1500]), 5)
        time.sleep(0.001)
        for q in e.queues():
            if "broken" in arena.state("tx" if q.rx else "rx"):
                e.stop_queue(q)
                lib.fg_ring_reset(q.ring)
                e.start_queue(q, fill=False)
