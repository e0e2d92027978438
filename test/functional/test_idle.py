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
    before = worker(sw)
    time.sleep(0.02)
    return worker(sw)["asleep"] and worker(sw)["loops"] - before["loops"] < 3


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


def test_a_worker_that_never_sleeps_says_so(switch):
    sw = switch(["a"], idle="poll")
    sw.guest("a", regions=SMALL)
    assert wait_until(lambda: sw.queue("a", "rx")["worker"] == 0)
    assert sw.queue("a", "rx")["woken_by"] == "poll"
    assert worker(sw)["sleeps"] == worker(sw)["sleep_cycles"] == 0


def kick_with(g, fd, index=1):
    """From now on its ring has this kick fd, or none; the one before, which stays open here."""
    ring = g.tx[0].ring
    old, ring.kick = ring.kick, fd
    if fd < 0:
        g.vring_fd(SET_VRING_KICK, index, flags=NO_FD)
    else:
        g.vring_fd(SET_VRING_KICK, index, (fd,))
    return old


@pytest.mark.parametrize("form", FORMS)
def test_a_kick_fd_is_replaced_while_the_worker_sleeps_on_it(pair, form):
    sw, a, b = pair(FORMS[form])
    n_fds = sw.n_fds()
    for i in range(20):
        old = kick_with(a, os.eventfd(0, os.EFD_NONBLOCK))
        os.eventfd_write(old, 1)
        os.close(old)
        assert wait_until(lambda: asleep(sw))
        carries(a, b, i)
    assert wait_until(lambda: sw.n_fds() <= n_fds), sw.fds()


def test_a_guest_without_a_kick_fd_is_looked_at_each_millisecond(pair):
    sw, a, b = pair()
    os.close(kick_with(a, -1))
    assert wait_until(lambda: sw.queue("a", "rx")["woken_by"] == "time")
    for i in range(20):
        time.sleep(0.01)
        carries(a, b, i)
    used, start = cpu_seconds(sw.proc.pid), time.monotonic()
    time.sleep(1)
    assert (cpu_seconds(sw.proc.pid) - used) / (time.monotonic() - start) < 0.1
    kick_with(a, os.eventfd(0, os.EFD_NONBLOCK))
    assert wait_until(lambda: sw.queue("a", "rx")["woken_by"] == "fd")
    assert wait_until(lambda: asleep(sw))
    carries(a, b, 20)


def test_a_guest_that_never_kicks_waits_for_the_longest_sleep_and_no_more(pair):
    sw, a, b = pair()
    null = os.open("/dev/null", os.O_WRONLY)
    os.dup2(null, a.tx[0].ring.kick)  # closes its end
    os.close(null)
    assert wait_until(lambda: asleep(sw))
    carries(a, b, timeout=3)
    # The other guest is woken for as before.
    assert wait_until(lambda: asleep(sw))
    b.send(frame(mac(0), mac(1)))
    assert a.recv(LATE_S) == frame(mac(0), mac(1))


def test_guests_come_and_go_while_the_worker_sleeps(switch):
    sw = switch(["a", "b"], idle="adaptive")
    b = sw.guest("b", regions=SMALL)
    for i in range(15):
        with Guest(sw.path("a"), regions=SMALL) as a:
            # Its first frame comes before it is polled, perhaps.
            assert a.taken(timeout=LATE_S)
            a.send(frame(BROADCAST, mac(0), seq=i))
            assert b.recv(LATE_S) == frame(BROADCAST, mac(0), seq=i)
            assert wait_until(lambda: asleep(sw))
        assert wait_until(lambda: not sw.port("a")["up"])


def test_rings_stop_and_start_while_the_worker_sleeps(pair):
    sw, a, b = pair()
    for i in range(15):
        assert wait_until(lambda: asleep(sw))
        start = time.monotonic()
        a.stop_queue(a.tx[0])
        assert time.monotonic() - start < LATE_S
        a.start_queue(a.tx[0], enable="before")
        carries(a, b, i)


def test_memory_changes_while_the_worker_sleeps(pair):
    sw, a, b = pair()
    for i in range(15):
        assert wait_until(lambda: asleep(sw))
        a.region(0).uva += 1 << 36
        a.share_memory()
        for q in a.queues():
            a.ok(lib.fg_ring_addr(q.ring))
        carries(a, b, i)


def test_a_switch_stops_at_once_while_its_workers_sleep(switch):
    sw = switch(["a", "b"], workers="1-3", cpus=4, idle="adaptive")
    sw.guest("a", regions=SMALL)
    assert wait_until(lambda: asleep(sw))
    start = time.monotonic()
    sw.proc.terminate()
    assert sw.proc.wait(10) == 0
    assert time.monotonic() - start < 1


def test_workers_send_to_ports_of_others_that_sleep(switch):
    names = ["a", "b", "c"]
    sw = switch(names, workers="1-3", cpus=4, idle="adaptive")
    a, b, c = (sw.guest(n, regions=SMALL) for n in names)
    assert wait_until(lambda: [w["queues"] for w in sw.table("/vhost_switch/workers")] == [1, 1, 1])
    a.greet(b, mac(0), mac(1))
    c.recv_all()
    workers = {n: sw.queue(n, "rx")["worker"] for n in names}
    assert wait_until(lambda: asleep(sw))
    before = sw.table("/vhost_switch/workers")
    s = sw.stream(a, b, mac(0), mac(1), size_max=1500, size_step=13, window=60)
    s.run(3000, 20)
    after = sw.table("/vhost_switch/workers")
    assert after[workers["a"]]["frames"] - before[workers["a"]]["frames"] == 3000
    # Who polls the receiver slept on: it got frames, and sent none.
    assert after[workers["b"]]["wakeups"] == before[workers["b"]]["wakeups"]


@pytest.mark.parametrize("form", ["split", "packed"])
def test_a_switch_that_dies_asleep_is_replaced(switch, form):
    features = FORMS[form]
    sw = switch(["a", "b"], idle="adaptive")
    a, b = (sw.guest(p, features=features, regions=SMALL) for p in "ab")
    a.greet(b, mac(0), mac(1))
    for i in range(3):
        assert wait_until(lambda: asleep(sw))
        sw.kill()
        # Nobody polls, and the ring says that a kick is wanted: the next switch finds it.
        a.send(frame(mac(1), mac(0), seq=2 * i))
        sw.start()
        for g in (a, b):
            g.disconnect()
            g.connect()
            g.come_back(features)
        assert wait_until(lambda: sw.queue("a", "rx")["frames"] == 1)
        b.recv_all()
        a.greet(b, mac(0), mac(1))
        assert wait_until(lambda: asleep(sw))
        carries(a, b, 2 * i + 1)
    sw.n_fds_idle = sw.n_fds()
    for g in (a, b):
        g.assert_orderly()


def test_a_guest_that_kicks_without_frames_harms_nobody(pair):
    sw, a, b = pair()
    kick, end = a.tx[0].ring.kick, time.monotonic() + 30
    while sw.queue("a", "rx")["woken_by"] != "noisy":
        for _ in range(2000):
            os.eventfd_write(kick, 1)
        assert time.monotonic() < end
    assert "kicked" in sw.log
    # Its frames are found all the same, and others' wake as before.
    for i in range(20):
        carries(a, b, i)
        b.send(frame(mac(0), mac(1), seq=i))
        assert a.recv(LATE_S) == frame(mac(0), mac(1), seq=i)
        for _ in range(2000):
            os.eventfd_write(kick, 1)
    assert wait_until(lambda: sw.queue("a", "rx")["woken_by"] == "fd")
    assert wait_until(lambda: asleep(sw))
    carries(a, b, 20)


def test_a_kick_fd_that_is_always_readable_lets_workers_sleep(pair):
    sw, a, b = pair()
    os.eventfd_write(a.tx[0].ring.kick, (1 << 64) - 2)
    # Full, and blocking for who writes: nobody but the guest does.
    assert wait_until(lambda: asleep(sw))
    old = kick_with(a, os.eventfd((1 << 32) - 1))
    os.close(old)
    assert wait_until(lambda: asleep(sw))
    carries(a, b)


@pytest.mark.parametrize("device, how", [("net_tap0,iface=vsidle0", "fd"),
                                         ("net_af_packet0,iface=vsidle0", "time")])
def test_frames_of_a_device_come_after_a_silence(switch, host, device, how):
    """net_tap tells when one comes; net_af_packet cannot."""
    if how == "time":
        host.ip("link add vsidle0 type veth peer name vsidle1")
        host.ip("link set vsidle0 up")
        host.ip("link set vsidle1 up")
    sw = switch({"a": {}, "d": {"type": "ethdev", "device": device}}, idle="adaptive",
                memory=None)
    a = sw.guest("a", regions=SMALL)
    kernel = host.open("vsidle0" if how == "fd" else "vsidle1")
    assert wait_until(lambda: sw.queue("d", "rx")["woken_by"] == how)
    for i in range(200):
        time.sleep(0.005 if i % 2 else 0.0002)
        want = frame(BROADCAST, mac(7), seq=i)
        kernel.send(want)
        assert a.recv(LATE_S) == want
        a.send(frame(mac(7), mac(0), seq=i))
        assert kernel.recv(LATE_S) == frame(mac(7), mac(0), seq=i)
    kernel.close()
    sw.buffers_idle = sw.free_buffers()
