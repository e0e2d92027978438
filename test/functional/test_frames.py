# SPDX-License-Identifier: BSD-3-Clause
"""Frames of every size, in every shape, arrive as they were sent."""

import struct

import pytest

from fakeguest import (BROADCAST, F_EVENT_IDX, F_INDIRECT, F_MQ, F_MRG_RXBUF, F_PROTOCOL,
                       F_VERSION_1, FEATURES, OWN, SHARED, SPLIT, frame, lib, mac, wait_until)

A, B, C = mac(1), mac(2), mac(3)
LAST_SIZE = 1518
LONGEST = 65593
N_SIZES = LAST_SIZE - 60 + 1


def pair(switch, a=None, b=None, **options):
    """Two guests that know of each other."""
    sw = switch(["a", "b"], **options)
    ga = sw.guest("a", **(a or {}))
    gb = sw.guest("b", **((a if b is None else b) or {}))
    introduce(ga, gb)
    return sw, ga, gb


def introduce(ga, gb):
    ga.send(frame(B, A))
    assert gb.recv() == frame(B, A)
    gb.send(frame(A, B))
    assert ga.recv() == frame(A, B)


MODES = {
    "mergeable": FEATURES,
    "not_mergeable": FEATURES & ~F_MRG_RXBUF,
    "legacy_mergeable": FEATURES & ~F_VERSION_1,
    "legacy": FEATURES & ~F_VERSION_1 & ~F_MRG_RXBUF,
    "no_ring_features": FEATURES & ~F_EVENT_IDX & ~F_MRG_RXBUF,
    "bare": F_VERSION_1,
}


@pytest.mark.parametrize("mode", MODES)
def test_every_size_from_60_to_1518_arrives_in_one_two_and_many_descriptors(switch, mode):
    sw, a, b = pair(switch, {"features": MODES[mode]})
    for indirect in (0, 1) if MODES[mode] & F_INDIRECT else (0,):
        for header in (SHARED, OWN, SPLIT):
            s = sw.stream(a, b, A, B, size_max=LAST_SIZE, header=header, indirect=indirect)
            for n_desc in (1, 2, 17):
                s.c.desc_min = s.c.desc_max = n_desc
                s.run(N_SIZES)
    assert sw.drops("a") == sw.drops("b") == {}


@pytest.mark.parametrize("rx_cuts, rx_indirect", [(1, False), (2, False), (7, False), (7, True)])
def test_receive_buffers_may_be_cut_too(switch, rx_cuts, rx_indirect):
    options = {"features": FEATURES & ~F_MRG_RXBUF, "rx_cuts": rx_cuts,
               "rx_indirect": rx_indirect}
    sw, a, b = pair(switch, options)
    s = sw.stream(a, b, A, B, size_max=LAST_SIZE, header=-1, indirect=-1, window=30)
    s.run(N_SIZES)


@pytest.mark.parametrize("slot", [92, 128, 640, 1536])
def test_a_frame_spreads_over_as_many_mergeable_buffers_as_it_needs(switch, slot):
    sw, a, b = pair(switch, {}, {"slot": slot})
    for size in (60, slot - 29, slot - 28, slot - 27, slot, 2 * slot, 1000, 1514, 1518):
        if size > LAST_SIZE or size < 60:
            continue
        b.canary_fill()
        a.send(frame(B, A, size))
        assert b.recv() == frame(B, A, size)
        room = slot - 16  # of each buffer, a gap behind it; the header takes 12
        assert b.rx[0].last_buffers == -(-(size + 12) // room)
        b.canary_check()
    s = sw.stream(a, b, A, B, size_max=LAST_SIZE, window=256 // (LAST_SIZE // (slot - 16) + 2))
    s.run(N_SIZES)


BIG = {"slot": 70000, "slots": 128, "regions": ((0, 8 << 20), (4 << 30, 24 << 20))}


@pytest.mark.parametrize("mrg", [True, False])
@pytest.mark.parametrize("size", [9000, 65535, LONGEST])
def test_long_frames_arrive(switch, size, mrg):
    features = FEATURES if mrg else FEATURES & ~F_MRG_RXBUF
    sw, a, b = pair(switch, {"features": features, **BIG, "rx_cuts": 1 if mrg else 2})
    for indirect in (0, 1):
        for n_desc in (1, 2, 17, 33, 100):
            s = sw.stream(a, b, A, B, size_min=size, size_max=size, header=-1,
                          indirect=indirect, desc_min=n_desc, desc_max=n_desc, window=16)
            s.run(48)
    assert sw.drops("a") == sw.drops("b") == {}


def test_a_long_frame_spreads_over_small_mergeable_buffers(switch):
    sw, a, b = pair(switch, BIG, {})
    s = sw.stream(a, b, A, B, size_min=60000, size_max=65535, size_step=501, window=4)
    s.run(200)
    assert 27 <= b.rx[0].last_buffers <= 29


def test_both_ways_at_once_with_all_shapes_mixed(switch):
    sw, a, b = pair(switch)
    s = [sw.stream(x, y, mx, my, size_max=LAST_SIZE, size_step=7, desc_max=9, header=-1,
                   indirect=-1, window=60) for x, y, mx, my in ((a, b, A, B), (b, a, B, A))]
    for x in s:
        x.start()
    for x in s:
        x.moving(20000, 20)
    for x in s:
        assert x.stop() >= 20000


def test_ring_indexes_wrap_at_65536(switch):
    sw, a, b = pair(switch, {"ring": 64})
    s = sw.stream(a, b, A, B, window=32)
    s.run(70000, 20)


@pytest.mark.parametrize("pairs", [2, 4])
def test_several_queue_pairs_carry_frames(switch, pairs):
    ports = {"a": {"queues": pairs}, "b": {"queues": pairs}}
    sw = switch(ports)
    a, b = sw.guest("a", pairs=pairs), sw.guest("b", pairs=pairs)
    introduce(a, b)
    # Order is kept within a queue only.
    for i in range(pairs):
        a.tx[0], a.tx[i] = a.tx[i], a.tx[0]
        a.send(frame(B, A, 300 + i))
        assert b.recv() == frame(B, A, 300 + i)
        a.tx[0], a.tx[i] = a.tx[i], a.tx[0]
    frames = [q["frames"] for q in sw.queues("a") if q["dir"] == "rx"]
    assert all(n > 0 for n in frames) and len(frames) == pairs
    assert a.get(17) == pairs  # GET_QUEUE_NUM


def test_one_pair_of_several_is_enough(switch):
    sw = switch({"a": {"queues": 4}, "b": {"queues": 4}})
    a, b = sw.guest("a", features=FEATURES & ~F_MQ), sw.guest("b")
    introduce(a, b)
    sw.stream(a, b, A, B).run(1000)


def test_without_protocol_features_rings_start_enabled(switch):
    sw, a, b = pair(switch, {"features": FEATURES & ~F_PROTOCOL})
    sw.stream(a, b, A, B).run(500)


@pytest.mark.parametrize("size", [14, 15, 33, 59])
def test_frames_below_60_bytes_are_carried_as_they_are(switch, size):
    sw, a, b = pair(switch)
    data = (B + A + struct.pack(">H", 0x88b5) + bytes(range(64)))[:size]
    a.send(data)
    assert b.recv() == data


def test_a_runt_is_dropped_by_name(switch):
    sw, a, b = pair(switch)
    a.send_cuts(B + A + b"\x08", [25])
    a.send_cuts(b"", [12])
    assert a.taken()
    assert b.recv(0.1) is None
    assert sw.drops("a") == {"runt": 2}


def test_a_frame_that_is_too_long_is_dropped_by_name(switch):
    sw, a, b = pair(switch, BIG)
    a.send(frame(B, A, LONGEST + 1))
    assert a.taken()
    assert b.recv(0.1) is None
    assert sw.drops("a") == {"oversize": 1}
    introduce(a, b)


def test_a_frame_larger_than_the_receivers_buffers_is_dropped_by_name(switch):
    sw, a, b = pair(switch, BIG, {"features": FEATURES & ~F_MRG_RXBUF})
    before = b.rx[0].ring.n_free
    a.send(frame(B, A, 9000))
    a.send(frame(B, A, 100))
    assert b.recv() == frame(B, A, 100)
    assert sw.drops("b") == {"too_big": 1}
    assert b.rx[0].ring.n_free == before
    introduce(a, b)


def test_frames_to_a_full_ring_are_dropped_by_name_and_counted(switch):
    sw, a, b = pair(switch, {}, {"slots": 8})
    assert not wait_until(lambda: lib.fg_net_fill(b.rx[0]), 0)
    for seq in range(20):
        a.send(frame(B, A, 60, seq=seq))
    assert a.taken()
    # All eight that had room, in order; the other twelve are accounted for.
    assert b.recv_all()[:8] == [frame(B, A, 60, seq=seq) for seq in range(8)]
    assert sw.drops("b") == {"ring_full": 12}
    introduce(a, b)


def test_every_frame_is_accounted_for(switch):
    sw, a, b = pair(switch)
    sw.stream(a, b, A, B, size_max=LAST_SIZE, size_step=11).run(5000)
    pa, pb = sw.port("a"), sw.port("b")
    assert pa["rx_frames"] == pb["tx_frames"] == 5001
    assert pa["rx_bytes"] == pb["tx_bytes"]
    assert pa["rx_copied"] + pa["rx_loaned"] == pa["rx_frames"]
    assert pa["rx_loaned"] > 0 and pa["rx_copied"] > 0


@pytest.mark.parametrize("event_idx", [True, False])
def test_the_guest_is_notified_when_it_asked_for_it(switch, event_idx):
    features = FEATURES if event_idx else FEATURES & ~F_EVENT_IDX
    sw, a, b = pair(switch, {"features": features})
    rx, tx = b.rx[0].ring, a.tx[0].ring
    for ring in (rx, tx):
        while lib.fg_ring_wait(ring, 0):
            pass
    for i in range(50):
        lib.fg_ring_want_call(rx, True)
        a.send(frame(B, A, seq=i))
        assert lib.fg_ring_wait(rx, 2000), f"no notification for frame {i}"
        assert b.recv() == frame(B, A, seq=i)
    assert a.taken()
    lib.fg_ring_want_call(tx, True)
    a.send(frame(B, A, 1000))
    assert lib.fg_ring_wait(tx, 2000)


@pytest.mark.parametrize("event_idx", [True, False])
def test_the_guest_is_left_alone_when_it_does_not_want_notifications(switch, event_idx):
    features = FEATURES if event_idx else FEATURES & ~F_EVENT_IDX
    sw, a, b = pair(switch, {"features": features})
    rx = b.rx[0].ring
    lib.fg_ring_want_call(rx, False)
    while lib.fg_ring_wait(rx, 0):
        pass
    for i in range(50):
        a.send(frame(B, A, seq=i))
    assert len(b.recv_all()) == 50
    assert not lib.fg_ring_wait(rx, 50)


def test_the_switch_does_not_ask_for_kicks_while_it_polls(switch):
    sw, a, b = pair(switch)
    before = a.tx[0].ring.n_kicks
    # Long enough for the event index to need a refresh, twice.
    sw.stream(a, b, A, B).run(40000, 10)
    assert a.tx[0].ring.n_kicks == before or sw.options["idle"] == "adaptive"


def test_completions_leave_in_avail_order_though_short_frames_finish_first(switch):
    sw, a, b = pair(switch)
    # Long frames are lent, short ones copied: they finish in another order than they came.
    s = sw.stream(a, b, A, B, size_min=60, size_max=1460, size_step=1400, window=128)
    s.run(20000, 10)
    assert a.tx[0].ring.n_out_of_order == 0


def test_nothing_outside_posted_buffers_is_written(switch):
    sw, a, b = pair(switch)
    for g in (a, b):
        g.canary_fill()
    s = sw.stream(a, b, A, B, size_max=LAST_SIZE, desc_max=5, header=-1, indirect=0)
    s.run(N_SIZES * 5)
    for g in (a, b):
        g.canary_check()


@pytest.mark.parametrize("cuts", [[], [12], [5, 9], [1] * 12 + [20]])
def test_a_frame_that_fills_its_buffers_to_the_last_byte_goes_no_further(switch, cuts):
    sw = switch(["a", "b"])
    a, b = sw.guest("a"), sw.guest("b", features=FEATURES & ~F_MRG_RXBUF, fill=False)
    for size in (60, 64, 127, 128, 129, 255, 256, 257, 300, 1024, 1518):
        pieces = [*cuts, 12 + size - sum(cuts)]
        at = [b.alloc(n, region=1, align=1) for n in pieces]
        b.canary_fill()
        b.post(b.rx[0], [(gpa, n, True) for gpa, n in zip(at, pieces)])
        a.send(frame(BROADCAST, A, size))
        assert wait_until(lambda: lib.fg_ring_pending(b.rx[0].ring))
        b.drain(b.rx[0])
        assert b"".join(b.read(*x) for x in zip(at, pieces))[12:] == frame(BROADCAST, A, size)
        b.canary_check()


def test_transmit_buffers_are_never_written(switch):
    sw, a, b = pair(switch)
    a.send(frame(B, A, 1200), publish=False)
    q = a.tx[0]
    before = a.read(q.slots_gpa, q.slot_size * q.n_slots)
    lib.fg_ring_publish(q.ring)
    assert b.recv() == frame(B, A, 1200)
    assert a.read(q.slots_gpa, q.slot_size * q.n_slots) == before
