# SPDX-License-Identifier: BSD-3-Clause
"""The switch is killed under traffic and started again: guests go on as if nothing had happened.

VS_KILLS says how often each of them is killed; usertools/check --full sets it to 100."""

import contextlib
import ctypes
import os
import random
import threading
import time

import pytest

from fakeguest import (F_IN_ORDER, F_PACKED, FEATURES, Guest, frame, lib, mac, wait_until)
from vswitch import BINARY, START_S

A, B = mac(1), mac(2)
RING = 256
KILLS = int(os.environ.get("VS_KILLS", "5"))
FORMS = {"split": 0, "packed": F_PACKED, "split in_order": F_IN_ORDER,
         "packed in_order": F_PACKED | F_IN_ORDER}
CASES = [("client", form) for form in FORMS] + [("server", "split"), ("server", "packed")]
with open(BINARY, "rb") as _binary:
    # A sanitizer makes everything slower, the start most of all.
    SLOWER = 10 if b"__asan_init" in _binary.read() else 1


def pair(sw, role, features, **options):
    """Two guests, connected whichever way."""
    if role == "server":
        sw.start()
        guests = [sw.guest(port, features=features, **options) for port in "ab"]
    else:
        guests = [sw.listener(port, boot=False) for port in "ab"]
        sw.start()
        for g in guests:
            g.accept()
            g.boot(features=features, **options)
        sw.n_fds_idle += 2  # sessions that were there when these were counted, or were not
    a, b = guests
    a.greet(b, A, B)
    b.greet(a, B, A)
    return a, b


def reconnect(g, role, features):
    """A front-end that finds its back-end gone, and tries to reach it again every millisecond."""
    if role == "client":
        g.accept(START_S * 1000)
    else:
        def again():
            with contextlib.suppress(OSError):
                g.connect()
                return True
        assert wait_until(again, START_S, 0.001)
    g.come_back(features)


class Life:
    """Streams both ways, stepped by hand, and what is known of each restart."""

    def __init__(self, sw, role, features, a, b):
        self.sw, self.role, self.features, self.guests = sw, role, features, (a, b)
        self.streams = [sw.stream(x, y, mx, my, limit=1 << 26, size_max=1500, size_step=67,
                                  desc_max=4, header=-1, indirect=-1, window=100)
                        for x, y, mx, my in ((a, b, A, B), (b, a, B, A))]
        for s in self.streams:
            s.c.limit = 1 << 25
        self.ready_s, self.forwarding_s = [], []

    def step(self):
        return sum(lib.fg_stream_step(s.s) for s in self.streams)

    def received(self):
        return [s.c.check.received for s in self.streams]

    def run(self, seconds):
        """Traffic for so long, and until some has arrived."""
        end, before = time.monotonic() + seconds, self.received()
        assert wait_until(lambda: (self.step() or True) and time.monotonic() > end and all(
            n > m + 20 for n, m in zip(self.received(), before)), 20, 0), self.told()

    def told(self):
        states = [q["state"] for port in "ab" for q in self.sw.queues(port)]
        return f"{[str(s) for s in self.streams]} {states}\n{self.sw.log}"

    def restart(self):
        self.sw.kill()
        for g in self.guests:
            g.disconnect()
        before = self.received()
        for s in self.streams:
            # All may be lost: whose receiver comes back last has nowhere to go.
            s.c.lost = s.c.sent - s.c.check.received
        started = time.monotonic()
        self.sw.launch()
        threads = [threading.Thread(target=reconnect, args=(g, self.role, self.features))
                   for g in self.guests]
        for t in threads:
            t.start()
        self.sw.wait_ready(step=0.001)
        ready = time.monotonic()
        for t in threads:
            t.join()
        assert wait_until(lambda: (self.step() or True) and all(
            n > m for n, m in zip(self.received(), before)), 20, 0), self.told()
        self.ready_s.append(ready - started)
        self.forwarding_s.append(time.monotonic() - ready)
        self.settle()

    def settle(self):
        """What was on its way when the switch died is lost; the window need not wait for it. A
        frame may have come twice, and then out of its order."""
        limits = [s.c.limit for s in self.streams]
        for s in self.streams:
            s.c.limit = s.c.sent
        a, b = self.guests
        assert wait_until(lambda: (self.step() or True) and all(
            g.tx[0].ring.n_free == RING for g in (a, b)), 20, 0), self.told()
        self.sw.finish_pass(2)
        while self.step():
            pass
        for s, limit in zip(self.streams, limits):
            s.c.lost = s.c.sent - s.c.check.received
            s.c.limit = limit
            assert s.c.check.corrupt == 0, self.told()
        for g in self.guests:
            g.assert_orderly()


def full_capacity(src, dst, src_mac, dst_mac):
    """Every descriptor of both rings can be posted, and comes back."""
    tx, rx = src.tx[0], dst.rx[0]
    while dst.recv(0):
        pass
    lib.fg_net_fill(rx)
    assert rx.n_free_slots == 0 and rx.ring.n_posted - rx.ring.n_taken == RING
    assert lib.fg_net_reap(tx) is not None and tx.ring.n_free == RING
    for i in range(RING):
        src.send(frame(dst_mac, src_mac, 60 + 5 * i, seq=i), publish=False)
    assert tx.ring.n_free == 0
    lib.fg_ring_publish(tx.ring)
    assert src.taken()
    assert wait_until(lambda: lib.fg_ring_pending(rx.ring) == RING)
    out = ctypes.create_string_buffer(65600)
    for i in range(RING):
        n = dst.ok(lib.fg_net_recv(rx, out, len(out), False))
        assert out.raw[:n] == frame(dst_mac, src_mac, 60 + 5 * i, seq=i)
    assert rx.ring.n_free == RING
    lib.fg_net_fill(rx)


@pytest.mark.parametrize("role, form", CASES)
def test_guests_go_on_after_the_switch_was_killed_under_traffic(switch, role, form):
    """Ready within a second of its start, and 20 ms later frames pass both ways, which are the
    best of several: other processes may have had the CPUs in between. Where the switch listens,
    these are the milliseconds after a front-end that tries once in each."""
    sw = switch({port: {"role": role} for port in "ab"}, start=False)
    features = FEATURES | FORMS[form]
    a, b = pair(sw, role, features, ring=RING)
    assert all(q.ring.packed == bool(features & F_PACKED) for q in a.queues())
    life, rnd = Life(sw, role, features, a, b), random.Random(form + role)
    for i in range(KILLS):
        life.run(rnd.random() * 0.02)
        life.restart()
        if i in (0, KILLS - 1):
            for _ in range(2):
                full_capacity(a, b, A, B)
                full_capacity(b, a, B, A)
    assert min(life.ready_s) < 1 * SLOWER, life.ready_s
    assert min(life.forwarding_s) < 0.02 * SLOWER, life.forwarding_s


def test_what_a_guest_negotiated_is_offered_again_whatever_the_config_says_by_now(switch):
    sw = switch({port: {"role": "client"} for port in "ab"}, start=False)
    features = FEATURES | F_PACKED
    a, b = pair(sw, "client", features)
    sw.kill()
    for keys in sw.ports.values():
        keys["packed"] = "no"
    for g in (a, b):
        g.disconnect()
    sw.start()
    for g in (a, b):
        g.accept()
        g.come_back(features)
        assert g.head.features & F_PACKED
    a.greet(b, A, B)
    sw.kill()
    # A new guest on a new switch that knows nothing is offered what the config says.
    for g in (a, b):
        g.close()
    sw.guests = []
    for f in os.listdir(sw.dir):
        if f.endswith(".resume"):
            os.unlink(os.path.join(sw.dir, f))
    c = sw.listener("a", boot=False)
    sw.start()
    c.accept()
    c.negotiate(features)
    assert not c.head.features & F_PACKED


@pytest.mark.parametrize("form", ["split", "packed"])
def test_a_new_guest_after_a_kill_is_not_taken_for_the_old_one(switch, form):
    """The record of the old one's ring is there, and its ring is not."""
    sw = switch(["a", "b"], start=False)
    features = FEATURES | FORMS[form]
    a, b = pair(sw, "server", features, ring=RING)
    for _ in range(3):
        sw.stream(a, b, A, B, window=60).run(700)
        sw.kill()
        for g in (a, b):
            g.close()
        sw.streams, sw.guests = [], []
        sw.start()
        a, b = (sw.guest(port, features=features, ring=RING) for port in "ab")
        a.greet(b, A, B)
        b.greet(a, B, A)
        full_capacity(a, b, A, B)


@pytest.mark.parametrize("form", ["split", "packed"])
def test_a_guest_that_rebooted_while_the_switch_was_gone_starts_from_zero(switch, form):
    """The same memory, the same places, fresh rings."""
    sw = switch(["a", "b"], start=False)
    features = FEATURES | FORMS[form]
    a, b = pair(sw, "server", features, ring=RING)
    for n in (10, 300, 256, 700):
        sw.stream(a, b, A, B, window=60).run(n)
        sw.kill()
        for g in (a, b):
            g.disconnect()
            for q in g.queues():
                lib.fg_ring_reset(q.ring)
                q.n_free_slots = q.n_slots
        sw.streams.clear()
        sw.start()
        for g in (a, b):
            slots(g)
            g.connect()
            g.come_back(features)
            lib.fg_net_fill(g.rx[0])
        a.greet(b, A, B)
        b.greet(a, B, A)
        full_capacity(a, b, A, B)


def slots(g: Guest):
    """All buffers are free again, in their first order."""
    for q in g.queues():
        free = ctypes.cast(q.free_slots, ctypes.POINTER(ctypes.c_uint32))
        for i in range(q.n_slots):
            free[i] = q.n_slots - 1 - i
