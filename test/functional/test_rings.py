# SPDX-License-Identifier: BSD-3-Clause
"""Every form of ring: split and packed, of every size, with everything that can be negotiated
about them."""

import itertools

import pytest

from fakeguest import (F_EVENT_IDX, F_IN_ORDER, F_INDIRECT, F_MRG_RXBUF, F_PACKED, F_RING_RESET,
                       FEATURES, SET_VRING_NUM, Refused, frame, lib, mac, wait_until)

A, B = mac(1), mac(2)
PORTS = {"a": {"queues": 2}, "b": {"queues": 2}, "reset": {"ring-reset": "yes"}}
OPTIONS_OF_RINGS = {"packed": F_PACKED, "mergeable": F_MRG_RXBUF, "indirect": F_INDIRECT,
                    "event_idx": F_EVENT_IDX, "in_order": F_IN_ORDER}
PLAIN = FEATURES & ~(F_MRG_RXBUF | F_INDIRECT | F_EVENT_IDX)
FORMS = {" ".join(names) or "plain": PLAIN | sum(OPTIONS_OF_RINGS[n] for n in names)
         for k in range(6) for names in itertools.combinations(OPTIONS_OF_RINGS, k)}
LAP = 1 << 15


def couple(sw, a=None, b=None, **options):
    ga, gb = sw.guest("a", **{**options, **(a or {})}), sw.guest("b", **{**options, **(b or {})})
    ga.greet(gb, A, B)
    gb.greet(ga, B, A)
    sw.mark()
    return ga, gb


@pytest.mark.parametrize("form", FORMS)
def test_frames_pass_both_ways_through_every_form_of_ring(sw, form):
    features = FORMS[form]
    a, b = couple(sw, features=features, rx_cuts=1 if features & F_MRG_RXBUF else 3,
                  rx_indirect=bool(features & F_INDIRECT),
                  rx_slot=640 if features & F_MRG_RXBUF else None)
    assert a.head.features == features
    streams = [sw.stream(x, y, mx, my, size_max=1518, size_step=37, desc_max=5, header=-1,
                         indirect=-1 if features & F_INDIRECT else 0, window=40)
               for x, y, mx, my in ((a, b, A, B), (b, a, B, A))]
    for s in streams:
        s.start()
    for s in streams:
        s.moving(800)
    for s in streams:
        s.stop()
    assert sw.new_drops("a") == sw.new_drops("b") == {}


@pytest.mark.parametrize("in_order", [0, F_IN_ORDER])
@pytest.mark.parametrize("form, ring", [
    *[("split", n) for n in (2, 4, 16, 1024, 32768)],
    *[("packed", n) for n in (2, 3, 4, 17, 255, 256, 1000, 4095, 32767, 32768)]])
def test_rings_of_every_size_wrap_and_go_on(sw, form, ring, in_order):
    features = FEATURES | in_order | (F_PACKED if form == "packed" else 0)
    slots = min(ring, 512)
    a, b = couple(sw, features=features, ring=ring, slots=slots)
    s = sw.stream(a, b, A, B, size_max=300, size_step=61, window=min(slots, 64) // 2 or 1)
    s.run(max(300, min(3 * ring, 70000)), 40)
    assert sw.new_drops("a") == sw.new_drops("b") == {}


@pytest.mark.parametrize("in_order", [0, F_IN_ORDER])
@pytest.mark.parametrize("form, ring", [("split", 8), ("packed", 7), ("packed", 8), ("packed", 255)])
def test_chains_wrap_around_the_end_of_a_ring(sw, form, ring, in_order):
    features = FEATURES & ~F_MRG_RXBUF | in_order | (F_PACKED if form == "packed" else 0)
    a, b = couple(sw, features=features, ring=ring, rx_cuts=3)
    s = sw.stream(a, b, A, B, size_min=60, size_max=1500, size_step=101, desc_max=4, header=-1,
                  window=2 if ring < 255 else 60)
    s.run(600)


@pytest.mark.parametrize("form", ["split", "packed", "packed in_order", "split in_order"])
def test_as_many_frames_as_the_ring_has_descriptors_are_taken_at_once(sw, form):
    features = FEATURES | (F_PACKED if "packed" in form else 0) | \
        (F_IN_ORDER if "in_order" in form else 0)
    a, b = couple(sw, features=features, ring=64)
    for size in (60, 1400):
        for i in range(64):
            a.send(frame(B, A, size, seq=i), publish=False)
        assert a.tx[0].ring.n_free == 0
        lib.fg_ring_publish(a.tx[0].ring)
        for i in range(64):
            assert b.recv() == frame(B, A, size, seq=i)
        assert a.taken()
    a.assert_orderly()
    b.assert_orderly()


@pytest.mark.parametrize("size", [0, 32769, 65535, 65536])
def test_a_packed_ring_of_an_impossible_size_is_refused(sw, size):
    a = sw.guest("a", boot=False)
    a.negotiate(FEATURES | F_PACKED)
    with pytest.raises(Refused):
        a.vring(SET_VRING_NUM, 0, size)


NOTIFYING = {"split flags": 0, "split event_idx": F_EVENT_IDX, "packed flags": F_PACKED,
             "packed event_idx": F_PACKED | F_EVENT_IDX,
             "packed in_order event_idx": F_PACKED | F_EVENT_IDX | F_IN_ORDER,
             "split in_order": F_IN_ORDER}


@pytest.mark.parametrize("form", NOTIFYING)
def test_a_guest_is_notified_when_and_only_when_it_asks(sw, form):
    a, b = couple(sw, features=PLAIN | F_MRG_RXBUF | NOTIFYING[form], ring=32)
    rx, tx = b.rx[0].ring, a.tx[0].ring
    for i in range(80):
        want = i % 3 != 2
        for ring in (rx, tx):
            while lib.fg_ring_wait(ring, 0):
                pass
            lib.fg_ring_want_call(ring, want)
        a.send(frame(B, A, 60 + 9 * i, seq=i))
        if want:
            assert lib.fg_ring_wait(rx, 5000), f"no notification for frame {i}"
            assert lib.fg_ring_wait(tx, 5000), f"no notification for the completion {i}"
        assert b.recv() == frame(B, A, 60 + 9 * i, seq=i)
        assert a.taken()
        if not want:
            assert not lib.fg_ring_wait(rx, 0) and not lib.fg_ring_wait(tx, 0)


@pytest.mark.parametrize("form", NOTIFYING)
def test_nobody_kicks_a_ring_that_is_polled(sw, form):
    a, b = couple(sw, features=PLAIN | F_MRG_RXBUF | NOTIFYING[form], ring=100 if "packed" in form
                  else 128, slots=100)
    before = a.tx[0].ring.n_kicks, b.rx[0].ring.n_kicks
    sw.stream(a, b, A, B, window=50).run(3000)
    assert b.rx[0].ring.n_kicks == before[1]
    assert a.tx[0].ring.n_kicks == before[0] or sw.options["idle"] == "adaptive"


def some_steps(s, n=50, steps=3):
    s.c.limit = s.c.sent + n
    for _ in range(steps):
        lib.fg_stream_step(s.s)


def position(ring):
    return ring.used_pos | (LAP if ring.used_wrap else 0)


@pytest.mark.parametrize("ring", [256, 255])
@pytest.mark.parametrize("in_order", [0, F_IN_ORDER])
def test_a_packed_transmit_ring_stops_and_resumes_exactly_under_traffic(sw, in_order, ring):
    a, b = couple(sw, features=FEATURES | F_PACKED | in_order, ring=ring)
    s = sw.stream(a, b, A, B, size_max=1500, size_step=37, desc_max=3, window=100)
    for _ in range(60):
        some_steps(s)
        base = a.stop_queue(a.tx[0])
        lib.fg_net_reap(a.tx[0])
        # Nothing is half way: what it took it has completed, and nothing happens after it.
        assert base & 0xffff == base >> 16 == position(a.tx[0].ring)
        some_steps(s, 10, 1)
        assert base & 0xffff == position(a.tx[0].ring)
        a.start_queue(a.tx[0])
    s.run(300)
    assert sw.new_drops("a") == sw.new_drops("b") == {}


def test_a_packed_receive_ring_stops_and_resumes_exactly_under_traffic(sw):
    a, b = couple(sw, features=FEATURES | F_PACKED, ring=200)
    s = sw.stream(a, b, A, B, size_max=1500, size_step=37, window=100)
    k = s.c.check
    for _ in range(60):
        some_steps(s)
        base = b.stop_queue(b.rx[0])
        assert base & 0xffff == base >> 16
        some_steps(s, 10, 1)
        assert a.taken()
        b.start_queue(b.rx[0], fill=False)
    some_steps(s, 300, 100)
    assert wait_until(lambda: lib.fg_stream_step(s.s) is not None and
                      k.received + sum(sw.new_drops("b").values()) == s.c.sent)
    assert set(sw.new_drops("b")) <= {"not_ready"}
    assert (k.duplicate, k.corrupt, k.reordered) == (0, 0, 0)
    b.assert_orderly()


@pytest.mark.parametrize("base", [LAP, LAP | LAP << 16])
def test_a_packed_ring_begins_with_either_form_of_its_first_base(sw, base):
    """virtio-user leaves the device's half at zero, QEMU does not."""
    a, b = sw.guest("a", features=FEATURES | F_PACKED, boot=False), sw.guest("b")
    a.negotiate(FEATURES | F_PACKED)
    a.share_memory()
    a.make_queues()
    for q in a.queues():
        q.ring.base = base
    a.start()
    a.greet(b, A, B)
    b.greet(a, B, A)


@pytest.mark.parametrize("base", [0, LAP | 300, 300])
def test_a_packed_ring_goes_on_at_the_base_it_is_told(sw, base):
    """As after a migration: the ring, its driver and the front-end agree on a position."""
    a, b = sw.guest("a", boot=False), sw.guest("b", features=FEATURES | F_PACKED)
    a.negotiate(FEATURES | F_PACKED)
    a.share_memory()
    a.make_queues(ring=500)
    for q in a.queues():
        r = q.ring
        r.pos = r.used_pos = base & ~LAP
        r.wrap = r.used_wrap = bool(base & LAP)
        # Earlier laps left their marks.
        for i in range(r.size):
            lap = (base & LAP != 0) == (i < r.pos)
            a.write(r.desc_gpa + 16 * i + 14, (0x8080 if lap else 0).to_bytes(2, "little"))
        r.base = base | base << 16
    a.start()
    a.greet(b, A, B)
    b.greet(a, B, A)
    sw.stream(a, b, A, B, window=60).run(2000)


def test_one_queue_is_reset_and_comes_back_with_another_size(sw):
    """RING_RESET as a front-end passes it on: GET_VRING_BASE, and a fresh ring."""
    for packed in (0, F_PACKED):
        a, b = couple(sw, features=FEATURES | packed)
        s = sw.stream(b, a, B, A, size_max=1500, size_step=11, window=60).start()
        for size in (128, 16, 64):
            a.stop_queue(a.tx[0])
            a.tx[0] = a.make_queue(False, 0, ring=size, slots=size)
            a.start_queue(a.tx[0])
            for seq in range(2 * size):
                a.send(frame(B, A, 300, seq=seq))
                assert b.recv() == frame(B, A, 300, seq=seq)
            s.moving(50)
        s.stop()
        sw.dismiss()


def test_ring_reset_is_offered_where_the_config_says_so(sw):
    with_it, without = sw.guest("reset", boot=False), sw.guest("a", boot=False)
    for g, offered in ((with_it, True), (without, False)):
        g.negotiate(FEATURES | F_RING_RESET)
        assert bool(g.head.features & F_RING_RESET) == offered
