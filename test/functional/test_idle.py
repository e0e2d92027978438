# SPDX-License-Identifier: BSD-3-Clause
"""idle = adaptive: workers that sleep until a guest kicks. A wake-up that were lost would show as
a frame that waits for the longest sleep there is, a second."""

import os
import random
import time

import pytest

from fakeguest import (BROADCAST, F_EVENT_IDX, F_IN_ORDER, F_MRG_RXBUF, F_PACKED, F_PROTOCOL,
                       F_VERSION_1, FEATURES, NO_FD, SET_VRING_KICK, Guest, frame, lib, mac,
                       wait_until)

SMALL = ((0, 4 << 20), (4 << 30, 8 << 20))
BASE = F_VERSION_1 | F_PROTOCOL | F_MRG_RXBUF
FORMS = {"split": BASE, "split, event index": BASE | F_EVENT_IDX,
         "split, in order": BASE | F_EVENT_IDX | F_IN_ORDER, "packed": BASE | F_PACKED,
         "packed, event index": BASE | F_PACKED | F_EVENT_IDX,
         "packed, in order": BASE | F_PACKED | F_IN_ORDER}
LATE_S = 0.5


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def worker(sw):
    return sw.table("/vhost_switch/workers")[0]


def asleep(sw):
    """Has the worker gone to sleep for as long as it can?"""
    before = worker(sw)["loops"]
    time.sleep(0.02)
    return worker(sw)["loops"] - before < 3


@pytest.fixture
def pair(switch):
    sw = switch(["a", "b"], idle="adaptive")

    def boot(features=FEATURES, **options):
        a, b = (sw.guest(p, features=features, regions=SMALL, **options) for p in "ab")
        a.greet(b, mac(0), mac(1))
        assert wait_until(lambda: asleep(sw))
        return sw, a, b

    return boot


def carries(a, b, seq=0, timeout=LATE_S):
    want = frame(mac(1), mac(0), seq=seq)
    a.send(want)
    assert b.recv(timeout) == want


@pytest.mark.parametrize("n", [0, 2, 16])
def test_a_switch_without_traffic_takes_no_cpu(switch, n):
    names = [f"p{i}" for i in range(max(n, 2))]
    sw = switch(names, idle="adaptive", memory=None)
    for name in names[:n]:
        sw.guest(name, regions=SMALL)
    assert wait_until(lambda: asleep(sw))
    used, start = cpu_seconds(sw.proc.pid), time.monotonic()
    time.sleep(2)
    share = (cpu_seconds(sw.proc.pid) - used) / (time.monotonic() - start)
    assert share < 0.02
    assert worker(sw)["idle_percent"] == 100
    assert worker(sw)["sleeps"] > 0


@pytest.mark.parametrize("form", FORMS)
def test_frames_wake_a_worker_thousands_of_times(pair, form):
    sw, a, b = pair(FORMS[form])
    rng = random.Random(form)
    woken = worker(sw)["wakeups"]
    # Gaps around what it takes to fall asleep, where the race is, and longer ones.
    for i in range(2000):
        time.sleep(rng.choice((0, rng.uniform(0, 250e-6), rng.uniform(0, 2e-3))))
        carries(a, b, seq=i)
    assert worker(sw)["wakeups"] - woken > 500
    a.assert_orderly()
    b.assert_orderly()


@pytest.mark.parametrize("form", FORMS)
def test_a_guest_kicks_only_while_the_worker_sleeps(pair, form):
    sw, a, b = pair(FORMS[form])
    ring = a.tx[0].ring
    before = ring.n_kicks
    carries(a, b)
    assert ring.n_kicks == before + 1
    # While it is awake it looks by itself.
    s = sw.stream(a, b, mac(0), mac(1), size_max=1500, size_step=13, window=60)
    before = ring.n_kicks
    s.run(20000, 30)
    assert ring.n_kicks - before < 20000 / 10
