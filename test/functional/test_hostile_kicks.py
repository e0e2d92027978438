# SPDX-License-Identifier: BSD-3-Clause
"""Front-ends that make mischief with what workers sleep on. Two others, whose worker sleeps
between their frames, must not notice."""

import os
import struct
import threading
import time

import pytest

from fakeguest import (FEATURES, SET_VRING_CALL, SET_VRING_ERR, SET_VRING_KICK, Guest, frame, mac,
                       wait_until)

SMALL = ((0, 4 << 20), (4 << 30, 8 << 20))
LATE_S = 0.5
EVIL_RX, EVIL_TX = 0, 1


def asleep(sw):
    before = sw.table("/vhost_switch/workers")[0]
    time.sleep(0.02)
    after = sw.table("/vhost_switch/workers")[0]
    return after["asleep"] and after["loops"] - before["loops"] < 3


@pytest.fixture
def three(switch):
    sw = switch(["a", "b", "evil"], idle="adaptive")
    a, b, evil = (sw.guest(n, features=FEATURES, regions=SMALL) for n in ("a", "b", "evil"))
    a.greet(b, mac(0), mac(1))
    evil.recv_all()
    return sw, a, b, evil


def carries(a, b, seq):
    """Both ways; each frame has to wake the worker, if it sleeps."""
    for src, dst, x, y in ((a, b, 0, 1), (b, a, 1, 0)):
        want = frame(mac(y), mac(x), seq=seq)
        src.send(want)
        assert dst.recv(LATE_S) == want, f"frame {seq} from {x} to {y} came late"


class Mischief(threading.Thread):
    """Does something again and again, until the block is left."""

    def __init__(self, what):
        super().__init__(daemon=True)
        self.what, self.n, self.over, self.error = what, 0, False, None

    def run(self):
        try:
            while not self.over:
                self.what(self.n)
                self.n += 1
        except Exception as e:  # pylint: disable=broad-except
            self.error = e

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over = True
        self.join(30)
        assert not self.is_alive()
        assert self.error is None, self.error


def set_fd(g, request, index, fd):
    g.message(request, struct.pack("=Q", index), (fd,))


def test_kick_fds_that_change_all_the_time(three):
    sw, a, b, evil = three
    n_fds = sw.n_fds()
    fds = [os.eventfd(i % 2, os.EFD_NONBLOCK) for i in range(3)]

    def change(n):
        set_fd(evil, SET_VRING_KICK, EVIL_TX, fds[n % 3])
        os.eventfd_write(fds[(n + 1) % 3], 1)

    with Mischief(change) as m:
        for i in range(150):
            carries(a, b, i)
            time.sleep(0.003 * (i % 3))
    assert m.n > 150
    for fd in fds:
        os.close(fd)
    assert wait_until(lambda: asleep(sw))
    assert wait_until(lambda: sw.n_fds() <= n_fds), sw.fds()
    carries(a, b, 150)


def test_rings_that_stop_and_start_all_the_time(three):
    sw, a, b, evil = three
    q = evil.tx[0]

    def toggle(n):
        evil.stop_queue(q)
        os.eventfd_write(q.ring.kick, 1)
        evil.start_queue(q, enable=("before", True)[n % 2])
        os.eventfd_write(q.ring.kick, 1)

    with Mischief(toggle) as m:
        for i in range(150):
            carries(a, b, i)
            time.sleep(0.003 * (i % 3))
    assert m.n > 10
    assert wait_until(lambda: asleep(sw))
    carries(a, b, 150)


def test_sessions_that_end_all_the_time_with_a_kick_fd_that_lives_on(three):
    """The open file stays, and is signalled: nobody may be woken for the port by it."""
    sw, a, b, evil = three
    evil.disconnect()
    kept = os.eventfd(0, os.EFD_NONBLOCK)

    def come_and_go(_):
        with Guest(sw.path("evil"), regions=SMALL) as g:
            set_fd(g, SET_VRING_KICK, EVIL_TX, kept)
            os.eventfd_write(kept, 1)
        os.eventfd_write(kept, 1)

    with Mischief(come_and_go) as m:
        for i in range(150):
            carries(a, b, i)
            time.sleep(0.003 * (i % 3))
    assert m.n > 3
    assert wait_until(lambda: not sw.port("evil")["up"])
    assert wait_until(lambda: asleep(sw))
    before = sw.table("/vhost_switch/workers")[0]["wakeups"]
    for _ in range(100):
        os.eventfd_write(kept, 1)
        time.sleep(0.001)
    assert sw.table("/vhost_switch/workers")[0]["wakeups"] - before < 20
    os.close(kept)


def test_one_eventfd_is_the_kick_fd_of_two_ports(three):
    sw, a, b, evil = three
    shared = os.dup(a.tx[0].ring.kick)
    for i in range(30):
        set_fd(evil, SET_VRING_KICK, EVIL_TX, shared)
        carries(a, b, 3 * i)
        assert wait_until(lambda: asleep(sw))
        carries(a, b, 3 * i + 1)
        # It goes from one port, and has to stay at the other.
        own = os.eventfd(0, os.EFD_NONBLOCK)
        set_fd(evil, SET_VRING_KICK, EVIL_TX, own)
        os.close(own)
        assert wait_until(lambda: asleep(sw))
        carries(a, b, 3 * i + 2)
    os.close(shared)


def test_a_ring_whose_notifications_kick_it(three):
    """The worker signals what wakes it: that must end."""
    sw, a, b, evil = three
    one = os.eventfd(0, os.EFD_NONBLOCK)
    for index in (EVIL_RX, EVIL_TX):
        for request in (SET_VRING_CALL, SET_VRING_ERR, SET_VRING_KICK):
            set_fd(evil, request, index, one)
    os.dup2(one, evil.tx[0].ring.kick)
    for i in range(100):
        evil.send(frame(mac(0), mac(7), seq=i))
        assert a.recv(2 * LATE_S) == frame(mac(0), mac(7), seq=i)
        a.send(frame(mac(7), mac(0), seq=i))
        carries(a, b, i)
    assert wait_until(lambda: asleep(sw))
    os.close(one)
