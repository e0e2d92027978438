# SPDX-License-Identifier: BSD-3-Clause
"""Guests that change descriptors, headers and frames while the switch reads them (double fetch),
and random rings."""

import random
import struct
import threading
import time

import pytest

from fakeguest import (BROADCAST, F_MRG_RXBUF, FEATURES, INDIRECT, NEXT, WRITE, frame, lib, mac,
                       wait_until)

E = mac(0xe)
HDR = bytes(12)


def flipping(e, gpa, a, b, ms=400):
    at = lib.fg_ptr(e.g, gpa, len(a))
    t = threading.Thread(target=lib.fg_flip, args=(at, a, b, len(a), ms))
    t.start()
    return t


def offer_while(e, t, head):
    """Offer one descriptor again and again while thread t changes what it says."""
    r = e.tx[0].ring
    while t.is_alive():
        e.drain(e.tx[0])
        for _ in range(64):
            lib.fg_ring_raw_avail(r, head)
        lib.fg_ring_publish(r)
        wait_until(lambda: lib.fg_ring_raw_used_idx(r) == r.avail_idx, 0.05, 0.0005)
    t.join()


def short_or_long(arena, e, sizes):
    for f in arena.feeder.recv_all(0.02):
        assert len(f) in sizes
        assert f[6:12] == E


@pytest.mark.parametrize("a, b", [(72, 2 ** 32 - 1), (72, 0), (1012, 13), (312, 70000)])
def test_double_fetch_of_a_descriptors_length(arena, a, b):
    e = arena.evil()
    at = e.alloc(2048)
    e.write(at, HDR + frame(BROADCAST, E, 1500))
    e.desc(e.tx[0], 0, at, a)
    t = flipping(e, e.tx[0].ring.desc_gpa + 8, struct.pack("=I", a), struct.pack("=I", b))
    offer_while(e, t, 0)
    short_or_long(arena, e, {a - 12, b - 12})


def test_double_fetch_of_a_descriptors_address(arena):
    e = arena.evil()
    at = e.alloc(2048)
    e.write(at, HDR + frame(BROADCAST, E, 1500))
    e.desc(e.tx[0], 0, at, 1012)
    t = flipping(e, e.tx[0].ring.desc_gpa, struct.pack("=Q", at), struct.pack("=Q", 2 ** 64 - 64))
    offer_while(e, t, 0)
    short_or_long(arena, e, {1000})


def test_double_fetch_of_a_descriptors_flags_and_next(arena):
    e = arena.evil()
    at = e.alloc(2048)
    e.write(at, HDR + frame(BROADCAST, E, 1500))
    e.desc(e.tx[0], 0, at, 1012)
    t = flipping(e, e.tx[0].ring.desc_gpa + 12, struct.pack("=HH", 0, 0),
                 struct.pack("=HH", NEXT, 65535))
    offer_while(e, t, 0)
    short_or_long(arena, e, {1000})


def test_double_fetch_of_an_indirect_tables_entry(arena):
    e = arena.evil()
    at = e.alloc(2048)
    e.write(at, HDR + frame(BROADCAST, E, 1500))
    tab = e.table((at, 1012, 0, 0))
    e.desc(e.tx[0], 0, tab, 16, INDIRECT)
    t = flipping(e, tab + 8, struct.pack("=I", 1012), struct.pack("=I", 2 ** 32 - 1))
    offer_while(e, t, 0)
    short_or_long(arena, e, {1000})


def test_double_fetch_of_the_header_and_its_offsets(arena):
    e = arena.evil()
    at = e.alloc(2048)
    e.write(at, HDR + frame(BROADCAST, E, 1500))
    e.desc(e.tx[0], 0, at, 1012)
    t = flipping(e, at, bytes(8), struct.pack("=BBHHH", 1, 1, 65535, 1, 65535))
    offer_while(e, t, 0)
    short_or_long(arena, e, {1000})
    assert "broken" not in arena.state("rx")


def test_a_source_address_that_changes_behind_the_check_gains_nothing(arena):
    e = arena.evil()
    at = e.alloc(2048, align=64)
    f = frame(BROADCAST, E, 1500)
    # Header and frame lie so that the first half of the source address is 8-byte aligned.
    at += (8 - (12 + 6) % 8) % 8
    e.write(at, HDR + f)
    e.desc(e.tx[0], 0, at, 1512)
    good, bad = f[6:14], b"\xff" + f[7:14]
    t = flipping(e, at + 18, good, bad, 800)
    offer_while(e, t, 0)
    seen = arena.feeder.recv_all(0.02)
    # The switch looked at it once: what it let pass is what it forwards.
    assert seen and all(x[6] == good[0] for x in seen)
    assert arena.sw.drops("evil").get("src_invalid", 0) > 0
    assert all(m[0] & 1 == 0 for m in arena.sw.fdb())


@pytest.mark.parametrize("mrg", [True, False])
@pytest.mark.parametrize("seed", range(6))
def test_random_descriptors_harm_only_their_own_port(arena, seed, mrg):
    rnd = random.Random(seed)
    e = arena.evil(features=FEATURES if mrg else FEATURES & ~F_MRG_RXBUF, fill=False)
    spots = [e.region(0).gpa + 8, e.region(1).gpa + 4096, e.region(1).gpa + (16 << 20) - 100,
             e.tx[0].ring.desc_gpa, e.rx[0].ring.avail_gpa, 0, 1 << 40, 2 ** 64 - 100,
             e.region(0).gpa + (8 << 20) - 8]
    lengths = [0, 1, 12, 13, 16, 32, 60, 72, 100, 1000, 1514, 4096, 65535, 70000, 2 ** 32 - 1]
    for _ in range(60):
        for q in e.queues():
            for i in range(256):
                e.desc(q, i, rnd.choice(spots) + rnd.randrange(64), rnd.choice(lengths),
                       rnd.choice([0, 1, 2, 3, 4, 5, 7, WRITE * (q.rx is True)]),
                       rnd.choice([0, i + 1, rnd.randrange(256), 65535]) & 0xffff)
            e.offer(q, *[rnd.randrange(256) for _ in range(40)])
        arena.feed(E, rnd.choice([60, 300, 1500]), 5)
        time.sleep(0.001)
        for q in e.queues():
            if "broken" in arena.state("tx" if q.rx else "rx"):
                e.stop_queue(q)
                lib.fg_ring_reset(q.ring)
                q.ring.base = 0
                e.start_queue(q, fill=False)
