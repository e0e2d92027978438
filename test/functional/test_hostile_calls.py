# SPDX-License-Identifier: BSD-3-Clause
"""A front-end whose call eventfds take long to signal: thousands wait for them, and the kernel
walks through all of them. The worker that serves others, too, must not do that for long."""

import os
import select
import time

import pytest

from fakeguest import F_EVENT_IDX, F_PACKED, FEATURES, SET_VRING_CALL, frame, mac, wait_until
from test_hostile_kicks import Mischief, set_fd

EVIL_RX, EVIL_TX = 0, 1
RUN_S = 3


class SlowEventfd:
    """50,000 epoll entries wait for it; under each of its numbers it is another file to epoll."""

    def __init__(self):
        self.fd = os.eventfd(0, os.EFD_NONBLOCK)
        numbers = [os.dup(self.fd) for _ in range(500)]
        self.epolls = [select.epoll() for _ in range(100)]
        for ep in self.epolls:
            for n in numbers:
                ep.register(n, select.EPOLLIN | select.EPOLLET)
        for n in numbers:
            os.close(n)

    def quicken(self):
        for ep in self.epolls:
            ep.close()

    def signalled(self):
        try:
            return os.eventfd_read(self.fd) > 0
        except BlockingIOError:
            return False


@pytest.fixture
def slow():
    s = SlowEventfd()
    yield s
    s.quicken()
    os.close(s.fd)


def worker_times(sw):
    """What the worker did: CPU seconds of its own, and in the kernel."""
    tasks = f"/proc/{sw.proc.pid}/task"
    for tid in os.listdir(tasks):
        with open(f"{tasks}/{tid}/stat") as f:
            name, fields = f.read().rsplit(")", 1)
        if "worker" in name:
            utime, stime = fields.split()[11:13]
            tick = os.sysconf("SC_CLK_TCK")
            return int(utime) / tick, int(stime) / tick
    raise AssertionError("no worker")


@pytest.mark.parametrize("rings", [0, F_PACKED])
def test_eventfds_that_take_long_to_signal(switch, slow, rings):
    sw = switch(["a", "b", "evil"], idle="poll")
    a, b = sw.guest("a"), sw.guest("b")
    # Without event index it wants a signal for each burst.
    evil = sw.guest("evil", features=FEATURES & ~F_EVENT_IDX | rings)
    a.greet(b, mac(0), mac(1))
    for index in (EVIL_RX, EVIL_TX):
        set_fd(evil, SET_VRING_CALL, index, slow.fd)

    def send(n):
        # To itself: taken, and of no further use.
        evil.send(frame(mac(8), mac(8), seq=n))

    with Mischief(send) as m:
        assert wait_until(lambda: sw.port("evil")["notifications"] == "late")
        user, system = worker_times(sw)
        end, n = time.monotonic() + RUN_S, m.n
        seq = 0
        # As much as was sent, the worker would have signalled.
        while time.monotonic() < end or m.n < n + 500:
            a.send(frame(mac(1), mac(0), seq=seq))
            assert b.recv() == frame(mac(1), mac(0), seq=seq)
            seq += 1
        user2, system2 = worker_times(sw)
        # The guest is told still.
        slow.signalled()
        assert wait_until(slow.signalled)
    share = (system2 - system) / (user2 + system2 - user - system)
    assert share < 0.2, f"{share:.0%} of the worker's time went to the kernel"
    status = sw.port("evil")
    assert status["notifications_late"] == 1
    assert "port evil: to signal its front-end took long" in sw.log
    evil.assert_orderly()

    # It is signalled by workers again when that is quick.
    slow.quicken()
    assert wait_until(lambda: sw.port("evil")["notifications"] == "direct")
    slow.signalled()
    evil.send(frame(mac(8), mac(8)))
    assert wait_until(slow.signalled)
