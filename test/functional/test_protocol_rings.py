# SPDX-License-Identifier: BSD-3-Clause
"""Messages about rings: start, stop, resume, enable, addresses, notification fds."""

import os
import struct

import pytest

from fakeguest import (BROADCAST, GET_VRING_BASE, NO_FD, RESET_OWNER, SET_VRING_ADDR,
                       SET_VRING_BASE, SET_VRING_CALL, SET_VRING_ENABLE, SET_VRING_ERR,
                       SET_VRING_KICK, SET_VRING_NUM, HungUp, Refused, frame, lib, wait_until)
from protocol import A, B, memfd, pair, state, talk


def test_a_disabled_ring_drops_what_the_guest_sends(switch):
    sw, a, b = pair(switch)
    talk(a, b)
    a.enable(a.tx[0], False)
    for i in range(10):
        a.send(frame(B, A, 60 + 100 * i))
    assert a.taken()
    assert b.recv(0.05) is None
    assert sw.drops("a") == {"rx_disabled": 10}
    a.enable(a.tx[0])
    talk(a, b)


def test_a_disabled_ring_receives_nothing(switch):
    sw, a, b = pair(switch)
    talk(a, b)
    a.enable(a.rx[0], False)
    b.send(frame(A, B))
    b.send(frame(BROADCAST, B))
    assert b.taken()
    assert a.recv(0.05) is None
    assert sw.drops("a") == {"tx_disabled": 2}
    a.enable(a.rx[0])
    talk(a, b)


def test_rings_start_disabled_with_protocol_features(switch):
    sw = switch(["a", "b"])
    a, b = sw.guest("a", enable=False), sw.guest("b")
    a.send(frame(B, A))
    assert a.taken()
    assert sw.drops("a") == {"rx_disabled": 1}
    for q in a.queues():
        a.enable(q)
    talk(a, b)


def test_enabling_before_the_ring_starts_is_remembered(switch):
    sw = switch(["a", "b"])
    b = sw.guest("b")
    a = sw.guest("a", boot=False)
    a.negotiate()
    a.share_memory()
    a.make_queues()
    for q in a.queues():
        a.enable(q)
    a.start(enable=False)
    talk(a, b)


def test_get_vring_base_stops_that_ring_only(switch):
    sw, a, b = pair(switch)
    talk(a, b)
    base = a.stop_queue(a.tx[0])
    assert base == a.tx[0].ring.avail_idx
    a.send(frame(B, A, seq=5))
    b.send(frame(A, B, seq=6))
    assert a.recv() == frame(A, B, seq=6)
    assert b.recv(0.05) is None
    assert sw.queue("a", "rx")["state"] == "stopped"
    a.start_queue(a.tx[0])
    assert b.recv() == frame(B, A, seq=5)
    talk(a, b)


def some_steps(s, n=50, steps=3):
    """Send about n frames and leave some of them in flight."""
    s.c.limit = s.c.sent + n
    for _ in range(steps):
        lib.fg_stream_step(s.s)


def test_a_transmit_ring_stops_and_resumes_exactly_under_traffic(switch):
    sw, a, b = pair(switch)
    talk(a, b)
    s = sw.stream(a, b, A, B, size_max=1500, size_step=37, window=100)
    for _ in range(100):
        some_steps(s)
        a.stop_queue(a.tx[0])
        # The index it stopped at is what it has completed, and nothing happens after it.
        assert a.tx[0].ring.base == lib.fg_ring_raw_used_idx(a.tx[0].ring)
        some_steps(s, 10, 1)
        assert a.tx[0].ring.base == lib.fg_ring_raw_used_idx(a.tx[0].ring)
        a.start_queue(a.tx[0])
    s.run(300)
    assert sw.drops("a") == sw.drops("b") == {}


def test_a_receive_ring_stops_and_resumes_exactly_under_traffic(switch):
    sw, a, b = pair(switch)
    talk(a, b)
    s = sw.stream(a, b, A, B, size_max=1500, size_step=37, window=100)
    k = s.c.check
    for _ in range(100):
        some_steps(s)
        b.stop_queue(b.rx[0])
        assert b.rx[0].ring.base == lib.fg_ring_raw_used_idx(b.rx[0].ring)
        some_steps(s, 10, 1)
        assert a.taken()
        b.start_queue(b.rx[0], fill=False)
        # What came while it stood was lost by name; the stream need not wait for it.
        s.c.lost = sw.drops("b").get("not_ready", 0)
    some_steps(s, 300, 100)
    assert wait_until(lambda: lib.fg_stream_step(s.s) is not None and
                      k.received + sw.drops("b")["not_ready"] == s.c.sent)
    assert (k.duplicate, k.corrupt, k.reordered) == (0, 0, 0)
    a.assert_orderly()
    b.assert_orderly()


def test_a_ring_restarts_empty_after_a_driver_reset(switch):
    sw, a, b = pair(switch)
    for i in range(5):
        talk(a, b)
        for q in a.queues():
            a.stop_queue(q)
        for q in (*a.rx, *a.tx):
            q.ring.base = 0
        # A new driver: new rings of another size, from index 0.
        a.make_queues(ring=128 if i % 2 else 512, slots=128)
        a.start()


def test_a_stopped_ring_may_change_its_size_and_base(switch):
    sw, a, b = pair(switch)
    talk(a, b)
    r = a.tx[0].ring
    with pytest.raises(Refused):
        a.vring(SET_VRING_NUM, 1, 128)
    with pytest.raises(Refused):
        a.vring(SET_VRING_BASE, 1, 3)
    talk(a, b)
    assert r.size == 256


@pytest.mark.parametrize("num", [0, 3, 255, 32769, 65536, 1 << 31])
def test_a_ring_size_that_cannot_be_is_refused(switch, num):
    sw = switch(["a"])
    a = sw.guest("a", boot=False)
    a.negotiate()
    with pytest.raises(Refused):
        a.vring(SET_VRING_NUM, 0, num)


def test_a_base_beyond_16_bits_is_refused(switch):
    sw = switch(["a"])
    a = sw.guest("a", boot=False)
    a.negotiate()
    with pytest.raises(Refused):
        a.vring(SET_VRING_BASE, 0, 65536)


@pytest.mark.parametrize("index", [2, 255, 256, 1 << 16, 2 ** 32 - 1])
def test_a_ring_index_beyond_the_ports_queues_is_refused(switch, index):
    sw = switch(["a"])
    a = sw.guest("a", boot=False)
    a.negotiate()
    a.share_memory()
    for request in (SET_VRING_NUM, SET_VRING_BASE, SET_VRING_ENABLE):
        with pytest.raises(Refused):
            a.vring(request, index, 0 if request == SET_VRING_BASE else 1)
    with pytest.raises(Refused):
        a.request(SET_VRING_ADDR, struct.pack("=IIQQQQ", index, 0, 0, 0, 0, 0))
    fd = os.eventfd(0)
    for request in (SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR):
        with pytest.raises((Refused, HungUp)):
            a.vring_fd(request, index & 0xff, [fd]) if index < 256 else \
                a.vring_fd(request, index & 0xff | 2, [fd])
    os.close(fd)


def test_get_vring_base_of_a_ring_that_is_not_there_ends_the_session(switch):
    sw = switch(["a"])
    a = sw.guest("a", boot=False)
    a.negotiate()
    # Its answer cannot carry an error.
    with pytest.raises(HungUp):
        a.message(GET_VRING_BASE, state(7, 0))
        a.answer(GET_VRING_BASE)


def test_get_vring_base_of_a_ring_that_never_ran_answers_its_base(switch):
    sw = switch(["a"])
    a = sw.guest("a", boot=False)
    a.negotiate()
    a.vring(SET_VRING_BASE, 1, 77)
    a.message(GET_VRING_BASE, state(1, 0))
    assert a.answer(GET_VRING_BASE) == state(1, 77)


@pytest.mark.parametrize("part", ["desc", "avail", "used"])
def test_a_ring_that_is_not_in_guest_memory_never_runs(switch, part):
    sw, a, b = pair(switch)
    a.stop_queue(a.tx[0])
    r = a.tx[0].ring
    at = {name: lib.fg_uva(a.g, getattr(r, f"{name}_gpa")) for name in ("desc", "avail", "used")}
    last = a.region(1).uva + a.region(1).size
    for wrong in (8, 2 ** 64 - 16, (last - 32) & ~15):
        at[part] = wrong
        try:
            a.request(SET_VRING_ADDR, struct.pack("=IIQQQQ", 1, 0, at["desc"], at["used"],
                                                  at["avail"], 0))
            a.vring_fd(SET_VRING_KICK, 1, [r.kick])
        except Refused:
            pass
        a.send(frame(B, A))
        assert b.recv(0.05) is None
        assert sw.queue("a", "rx")["state"] != "running"
        a.stop_queue(a.tx[0])
    a.start_queue(a.tx[0])
    assert b.recv() == frame(B, A)


@pytest.mark.parametrize("part, off", [("desc", 8), ("avail", 1), ("used", 2)])
def test_a_ring_with_misaligned_parts_is_refused(switch, part, off):
    sw, a, b = pair(switch)
    a.stop_queue(a.tx[0])
    r = a.tx[0].ring
    at = {name: lib.fg_uva(a.g, getattr(r, f"{name}_gpa")) for name in ("desc", "avail", "used")}
    at[part] += off
    with pytest.raises(Refused):
        a.request(SET_VRING_ADDR, struct.pack("=IIQQQQ", 1, 0, at["desc"], at["used"],
                                              at["avail"], 0))
        a.vring_fd(SET_VRING_KICK, 1, [r.kick])


def test_kick_call_and_err_without_fd_are_for_guests_that_poll(switch):
    sw = switch(["a", "b"])
    b = sw.guest("b")
    a = sw.guest("a", boot=False)
    a.negotiate()
    a.share_memory()
    a.make_queues()
    for q in a.queues():
        r = q.ring
        if q.rx:
            lib.fg_net_fill(q)
        a.vring(SET_VRING_NUM, r.index, r.size)
        a.vring(SET_VRING_BASE, r.index, 0)
        a.ok(lib.fg_ring_addr(r))
        for request in (SET_VRING_ERR, SET_VRING_CALL, SET_VRING_KICK):
            a.vring_fd(request, r.index, flags=NO_FD)
        a.enable(q)
    talk(a, b)


def test_an_fd_with_the_no_fd_bit_and_none_without_it_are_refused(switch):
    sw, a, b = pair(switch)
    fd = os.eventfd(0)
    for request in (SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR):
        with pytest.raises(Refused):
            a.vring_fd(request, 1, [fd], flags=NO_FD)
        with pytest.raises(Refused):
            a.vring_fd(request, 1, [])
        with pytest.raises(Refused):
            a.vring_fd(request, 1, [fd, fd])
    os.close(fd)
    talk(a, b)


def test_a_notification_fd_that_is_no_eventfd_is_refused(switch):
    sw, a, b = pair(switch)
    r, w = os.pipe()
    tty = os.open("/dev/null", os.O_RDWR)
    fd = memfd()
    for request in (SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR):
        for wrong in (r, w, tty, fd):
            with pytest.raises(Refused):
                a.vring_fd(request, 1, [wrong])
    for x in (r, w, tty, fd):
        os.close(x)
    talk(a, b)


def test_a_call_fd_that_nobody_reads_never_blocks_the_switch(switch):
    sw, a, b = pair(switch)
    # A blocking eventfd one below its limit: a write would block for ever.
    fd = os.eventfd(0, 0)
    os.eventfd_write(fd, 2 ** 64 - 2)
    a.vring_fd(SET_VRING_CALL, 0, [fd])
    a.vring_fd(SET_VRING_CALL, 1, [fd])
    for i in range(100):
        lib.fg_ring_want_call(a.rx[0].ring, True)
        lib.fg_ring_want_call(a.tx[0].ring, True)
        talk(a, b)
    os.close(fd)


def test_the_call_fd_may_change_while_the_ring_runs(switch):
    sw, a, b = pair(switch)
    talk(a, b)
    r = a.rx[0].ring
    while lib.fg_ring_wait(r, 0):
        pass
    fd = os.eventfd(0, os.EFD_NONBLOCK)
    a.vring_fd(SET_VRING_CALL, 0, [fd])
    lib.fg_ring_want_call(r, True)
    b.send(frame(A, B))
    assert a.recv() == frame(A, B)
    assert wait_until(lambda: readable(fd))
    assert not lib.fg_ring_wait(r, 0)
    os.close(fd)


def readable(fd):
    try:
        return os.eventfd_read(fd) > 0
    except BlockingIOError:
        return False


def test_a_broken_ring_signals_its_err_fd(switch):
    sw, a, b = pair(switch)
    fd = os.eventfd(0, os.EFD_NONBLOCK)
    a.vring_fd(SET_VRING_ERR, 1, [fd])
    lib.fg_ring_raw_avail_idx(a.tx[0].ring, a.tx[0].ring.avail_idx + 1000)
    assert wait_until(lambda: readable(fd))
    assert "broken" in sw.queue("a", "rx")["state"]
    os.close(fd)


def test_reset_owner_stops_all_rings_and_leaves_memory_alone(switch):
    sw, a, b = pair(switch)
    talk(a, b)
    a.request(RESET_OWNER)
    a.send(frame(B, A))
    b.send(frame(A, B))
    assert a.recv(0.05) is None and b.recv(0.05) is None
    assert {q["state"] for q in sw.queues("a")} == {"stopped"}
