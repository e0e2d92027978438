# SPDX-License-Identifier: BSD-3-Clause
"""Guests that change descriptors, headers and frames while the switch reads them (double fetch),
and random rings."""

import contextlib
import random
import struct
import threading
import time

import pytest

from fakeguest import (F_MRG_RXBUF, FEATURES, INDIRECT, NEXT, PATIENCE, WRITE, frame, lib, mac,
                       wait_until)

E, F = mac(0xe), mac(0xf)
HDR = bytes(12)


@contextlib.contextmanager
def flipping(e, gpa, a, b, ms=400, until=None):
    """Another thread writes a and b in turn; meanwhile: is it still at it? It ends after ms; with
    `until`, when that is true, however long a busy machine needs for it."""
    at = lib.fg_ptr(e.g, gpa, len(a))
    over = threading.Event()
    end = time.monotonic() + (ms / 1000 if until is None else PATIENCE)

    def flip():
        while not over.is_set():
            lib.fg_flip(at, a, b, len(a), 20)

    def changing():
        return time.monotonic() < end and not (until and until())

    t = threading.Thread(target=flip)
    t.start()
    try:
        yield changing
    finally:
        over.set()
        t.join()


def offer_while(e, changing, head):
    """Offer one descriptor again and again while what it says changes."""
    r = e.tx[0].ring
    while changing():
        e.drain(e.tx[0])
        for _ in range(64):
            lib.fg_ring_raw_avail(r, head)
        lib.fg_ring_publish(r)
        wait_until(lambda: lib.fg_ring_raw_used_idx(r) == r.avail_idx, 0.05, 0.0005)


def short_or_long(arena, e, sizes):
    for f in arena.feeder.recv_all(0.02):
        assert len(f) in sizes
        assert f[6:12] == E


@pytest.mark.parametrize("a, b", [(72, 2 ** 32 - 1), (72, 0), (1012, 13), (312, 70000)])
def test_double_fetch_of_a_descriptors_length(arena, a, b):
    e = arena.evil()
    at = e.alloc(2048)
    e.write(at, HDR + frame(F, E, 1500))
    e.desc(e.tx[0], 0, at, a)
    with flipping(e, e.tx[0].ring.desc_gpa + 8, struct.pack("=I", a),
                  struct.pack("=I", b)) as changing:
        offer_while(e, changing, 0)
    short_or_long(arena, e, {a - 12, b - 12})


ADJACENT = ((0, 8 << 20), (8 << 20, 8 << 20))


def test_double_fetch_of_a_length_that_decides_how_far_a_range_was_checked(arena):
    # The short length ends with the first region, the long one goes on in the second, which
    # lies elsewhere in the switch: who checks one and uses the other reads foreign memory.
    e = arena.evil(regions=ADJACENT)
    f = frame(F, E, 1500)
    at = (8 << 20) - 72
    e.write(at, (HDR + f)[:72])
    e.write(8 << 20, (HDR + f)[72:])
    e.desc(e.tx[0], 0, at, 72)
    seen = set()
    r = e.tx[0].ring
    for ms, until in ((400, None), (0, lambda: seen == {f, f[:60]})):
        with flipping(e, e.tx[0].ring.desc_gpa + 8, struct.pack("=I", 72),
                      struct.pack("=I", 1512), ms, until) as changing:
            while changing():
                e.drain(e.tx[0])
                for _ in range(64):
                    lib.fg_ring_raw_avail(r, 0)
                lib.fg_ring_publish(r)
                wait_until(lambda: lib.fg_ring_raw_used_idx(r) == r.avail_idx, 0.05, 0.0005)
                seen |= set(arena.feeder.recv_all(0))
    assert seen == {f, f[:60]}


def test_double_fetch_of_a_receive_buffers_length(arena):
    e = arena.evil(regions=ADJACENT, features=FEATURES & ~F_MRG_RXBUF, fill=False)
    at = (8 << 20) - 72
    e.desc(e.rx[0], 0, at, 72, WRITE)
    r = e.rx[0].ring
    good = {HDR[:10] + b"\1\0" + frame(E, F, 1500, seq=k) for k in range(4)}
    e.offer(e.rx[0], 0)
    n = 0

    def both():
        return n > 20 and arena.sw.drops("evil").get("too_big", 0) > 20

    with flipping(e, e.rx[0].ring.desc_gpa + 8, struct.pack("=I", 72),
                  struct.pack("=I", 1512), until=both) as changing:
        while changing():
            arena.feed(E, 1500, 4)
            if lib.fg_ring_pending(r):
                # It was taken with the long length: header and frame lie in both regions.
                assert e.read(at, 72) + e.read(8 << 20, 1440) in good
                n += 1
                e.drain(e.rx[0])
                e.write(8 << 20, bytes(1440))
                e.offer(e.rx[0], 0)
    assert both()


def test_double_fetch_of_a_descriptors_address(arena):
    e = arena.evil()
    at = e.alloc(2048)
    e.write(at, HDR + frame(F, E, 1500))
    e.desc(e.tx[0], 0, at, 1012)
    with flipping(e, e.tx[0].ring.desc_gpa, struct.pack("=Q", at),
                  struct.pack("=Q", 2 ** 64 - 64)) as changing:
        offer_while(e, changing, 0)
    short_or_long(arena, e, {1000})


def test_double_fetch_of_a_descriptors_flags_and_next(arena):
    e = arena.evil()
    at = e.alloc(2048)
    e.write(at, HDR + frame(F, E, 1500))
    e.desc(e.tx[0], 0, at, 1012)
    with flipping(e, e.tx[0].ring.desc_gpa + 12, struct.pack("=HH", 0, 0),
                  struct.pack("=HH", NEXT, 65535)) as changing:
        offer_while(e, changing, 0)
    short_or_long(arena, e, {1000})


def test_double_fetch_of_an_indirect_tables_entry(arena):
    e = arena.evil()
    at = e.alloc(2048)
    e.write(at, HDR + frame(F, E, 1500))
    tab = e.table((at, 1012, 0, 0))
    e.desc(e.tx[0], 0, tab, 16, INDIRECT)
    with flipping(e, tab + 8, struct.pack("=I", 1012),
                  struct.pack("=I", 2 ** 32 - 1)) as changing:
        offer_while(e, changing, 0)
    short_or_long(arena, e, {1000})


def test_double_fetch_of_the_header_and_its_offsets(arena):
    e = arena.evil()
    at = e.alloc(2048)
    e.write(at, HDR + frame(F, E, 1500))
    e.desc(e.tx[0], 0, at, 1012)
    with flipping(e, at, bytes(8), struct.pack("=BBHHH", 1, 1, 65535, 1, 65535)) as changing:
        offer_while(e, changing, 0)
    short_or_long(arena, e, {1000})
    assert "broken" not in arena.state("rx")


def test_a_source_address_that_changes_behind_the_check_gains_nothing(arena):
    e = arena.evil()
    at = e.alloc(2048, align=64)
    f = frame(F, E, 1500)
    # Header and frame lie so that the first half of the source address is 8-byte aligned.
    at += (8 - (12 + 6) % 8) % 8
    e.write(at, HDR + f)
    e.desc(e.tx[0], 0, at, 1512)
    good, bad = f[6:14], b"\xff" + f[7:14]
    with flipping(e, at + 18, good, bad, 800) as changing:
        offer_while(e, changing, 0)
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
