# SPDX-License-Identifier: BSD-3-Clause
"""Several queue pairs: a flow stays on one queue of its receiver and in order, whatever queues
the guest enables; up to 128 of them."""

import ctypes
import struct
from collections import defaultdict

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether

from fakeguest import (BROADCAST, F_IN_ORDER, F_PACKED, FEATURES, GET_QUEUE_NUM, Refused, frame,
                       lib, mac, wait_until)

A, B = mac(1), mac(2)
PORTS = {"a": {"queues": 4}, "b": {"queues": 8}}
SMALL = ((0, 8 << 20), (4 << 30, 24 << 20))


class Flow:
    """Frames of one connection, numbered."""

    kinds = (lambda n: IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=1000 + n, dport=53, chksum=0),
             lambda n: IP(src=f"10.1.{n >> 8}.{n & 255}", dst="10.0.0.2") / TCP(dport=80),
             lambda n: IPv6(src="fd00::1", dst=f"fd00::{n:x}") / TCP(sport=5, dport=80),
             lambda n: Dot1Q(vlan=7) / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(
                 sport=1000 + n, dport=54, chksum=0))

    def __init__(self, n, size=300, kind=None):
        self.n, self.sent = n, 0
        layers = self.kinds[n % 4 if kind is None else kind](n)
        head = bytes(Ether(dst=B.hex(":"), src=A.hex(":")) / layers)
        self.template = head + bytes(size - len(head))

    def next(self):
        self.sent += 1
        return self.template[:-8] + struct.pack("=II", self.n, self.sent - 1)


class Receiver:
    """What arrives on which queue of a guest."""

    def __init__(self, guest):
        self.guest = guest
        self.seen = defaultdict(list)  # flow: [(queue, number)]
        self.n = 0
        self._out = ctypes.create_string_buffer(4096)

    def poll(self):
        for i, q in enumerate(self.guest.rx):
            while (n := self.guest.ok(lib.fg_net_recv(q, self._out, 4096, True))) > 0:
                raw = self._out.raw[:n]
                if raw[:6] == B and raw[12:14] != b"\x88\xb5":
                    flow, number = struct.unpack("=II", raw[-8:])
                    self.seen[flow].append((i, number))
                    self.n += 1
        return self.n

    def wait(self, n):
        assert wait_until(lambda: self.poll() >= n), \
            f"{self.n} of {n} frames, drops {self.guest.switch.new_drops('b')}"

    def queues(self):
        return {q for seen in self.seen.values() for q, _ in seen}

    def forget(self):
        seen, self.seen, self.n = self.seen, defaultdict(list), 0
        return seen


def couple(sw, features=FEATURES, n_b=8, **options):
    a = sw.guest("a", pairs=4, regions=SMALL, ring=128, features=features)
    b = sw.guest("b", pairs=n_b, regions=SMALL, ring=128, features=features, **options)
    a.greet(b, A, B)
    b.greet(a, B, A)
    sw.mark()
    return a, b, Receiver(b)


def send(sender, flows, rounds, receiver):
    """Each flow by a queue of its own choice, always the same; no more at once than fits."""
    for _ in range(rounds):
        for at in range(0, len(flows), 32):
            before = receiver.n
            part = flows[at:at + 32]
            for flow in part:
                sender.send(flow.next(), queue=flow.n * 7 % len(sender.tx))
            receiver.wait(before + len(part))


def settle(sw, sender, receiver):
    """Wait until no worker sends into a queue that was there before."""
    probes = [Flow(n) for n in range(1000, 1064)]

    def undisturbed():
        sw.mark()
        receiver.forget()
        for flow in probes:
            sender.send(flow.next())
        assert wait_until(lambda: receiver.poll() + sum(sw.new_drops("b").values()) == 64)
        assert set(sw.new_drops("b")) <= {"tx_disabled"}
        return receiver.n == 64
    assert wait_until(undisturbed)
    receiver.forget()


def assert_in_order(seen, rounds, first=0):
    for flow, frames in seen.items():
        assert len({q for q, _ in frames}) == 1, f"flow {flow} came by several queues"
        assert [n for _, n in frames] == list(range(first, first + rounds))


@pytest.mark.parametrize("features", [FEATURES, FEATURES | F_PACKED,
                                      FEATURES | F_PACKED | F_IN_ORDER])
def test_a_flow_keeps_its_queue_and_its_order(sw, features):
    a, b, r = couple(sw, features)
    flows = [Flow(n) for n in range(96)]
    send(a, flows, 8, r)
    assert len(r.seen) == 96
    assert_in_order(r.seen, 8)
    assert r.queues() == set(range(8))
    assert sw.new_drops("a") == sw.new_drops("b") == {}
    b.assert_orderly()


@pytest.mark.parametrize("kind", range(4))
def test_flows_of_every_kind_are_spread(sw, kind):
    a, b, r = couple(sw)
    send(a, [Flow(n, kind=kind) for n in range(64)], 1, r)
    assert len(r.queues()) >= 6


def test_a_bare_station_is_one_flow(sw):
    a, b, r = couple(sw)
    for i in range(20):
        a.send(frame(B, A, 60 + i, seq=i), queue=i % 4)
        got = set()
        out = ctypes.create_string_buffer(4096)
        assert wait_until(lambda: [got.add(k) for k, q in enumerate(b.rx) if b.ok(
            lib.fg_net_recv(q, out, 4096, True)) > 0])
        assert len(got) == 1


def test_queues_are_enabled_and_disabled_while_flows_go_on(sw):
    """What ethtool -L does. Within one setting a flow stays where it is, and none is lost."""
    a, b, r = couple(sw)
    flows = [Flow(n) for n in range(64)]
    rounds, kept = 4, None
    for turn, n in enumerate((8, 4, 1, 3, 8, 2, 8)):
        for i in range(8):
            b.enable(b.rx[i], i < n)
            b.enable(b.tx[i], i < n)
        settle(sw, a, r)
        send(a, flows, rounds, r)
        assert r.queues() <= set(range(n)) and len(r.queues()) > n // 2
        seen = r.forget()
        assert_in_order(seen, rounds, turn * rounds)
        where = {flow: frames[0][0] for flow, frames in seen.items()}
        if n == 8:
            assert kept in (None, where), "the same queues, and other flows in them"
            kept = where
    assert sw.new_drops("a") == sw.new_drops("b") == {}


def test_queues_change_under_traffic_and_every_frame_is_accounted_for(sw):
    a, b, r = couple(sw)
    flows = [Flow(n) for n in range(64)]
    sent = 0
    for n in (8, 3, 1, 8, 5, 2, 8) * 3:
        for flow in flows:
            a.send(flow.next(), queue=flow.n % 4)
        sent += len(flows)
        # No pause: frames are on their way while queues come and go.
        for i in range(8):
            b.enable(b.rx[i], i < n)
        assert wait_until(lambda: r.poll() + sum(sw.new_drops("b").values()) == sent)
    assert set(sw.new_drops("b")) <= {"tx_disabled"} and sw.new_drops("a") == {}
    for frames in r.seen.values():
        numbers = [n for _, n in frames]
        assert len(set(numbers)) == len(numbers)
    for i in range(8):
        of_queue = defaultdict(list)
        for flow, frames in r.seen.items():
            of_queue[flow] += [n for q, n in frames if q == i]
        assert all(numbers == sorted(numbers) for numbers in of_queue.values())


def test_queues_that_never_started_get_no_flow(sw):
    a, b, r = couple(sw, n_b=3)
    send(a, [Flow(n) for n in range(64)], 2, r)
    assert r.queues() == {0, 1, 2}


def test_a_queue_that_breaks_leaves_its_flows_to_the_others(sw):
    a, b, r = couple(sw)
    ring = b.rx[3].ring
    ring.avail_idx = (ring.avail_idx + 5000) % 65536  # stays wrong when buffers are offered again
    lib.fg_ring_raw_avail_idx(ring, ring.avail_idx)
    flows = [Flow(n) for n in range(64)]

    def broken():
        # It has buffers that it knew of before.
        before = r.n + sum(sw.new_drops("b").values())
        for flow in flows:
            a.send(flow.next())
        assert wait_until(lambda: r.poll() + sum(sw.new_drops("b").values()) == before + 64)
        return sw.queue("b", "tx", 3)["state"] == "broken: avail_index"

    assert wait_until(broken)
    assert set(sw.new_drops("b")) <= {"ring_broken"}

    def left():
        sw.mark()
        r.forget()
        for flow in flows:
            a.send(flow.next())
        assert wait_until(lambda: r.poll() + sum(sw.new_drops("b").values()) == 64)
        return sw.new_drops("b") == {}

    assert wait_until(left)
    assert 3 not in r.queues() and len(r.queues()) > 4


def test_more_pairs_than_the_config_allows_are_refused(sw):
    a = sw.guest("a", boot=False)
    a.negotiate()
    with pytest.raises(Refused):
        a.vring(8, 8, 64)  # SET_VRING_NUM of a fifth pair


MANY = {"a": {"queues": 128, "loan-cap": 16}, "b": {"queues": 128, "loan-cap": 16}}


@pytest.mark.parametrize("features", [FEATURES, FEATURES | F_PACKED])
def test_128_pairs_carry_frames_both_ways(switch, features):
    sw = switch(MANY, memory=None)
    regions = ((0, 8 << 20), (4 << 30, 40 << 20))
    a, b = (sw.guest(port, pairs=128, ring=32, slot=2048, regions=regions, features=features)
            for port in "ab")
    assert a.get(GET_QUEUE_NUM) == 128
    a.greet(b, A, B)
    b.greet(a, B, A)
    r = Receiver(b)
    flows = [Flow(n) for n in range(1024)]
    send(a, flows, 2, r)
    assert_in_order(r.seen, 2)
    assert len(r.queues()) > 120
    rx = [q["frames"] for q in sw.queues("a") if q["dir"] == "rx"]
    assert len(rx) == 128 and all(rx)
    for q in range(128):
        b.send(frame(A, B, 100 + q), queue=q)
        assert a.recv() == frame(A, B, 100 + q)
    a.send(frame(BROADCAST, A, 70))
    assert b.recv() == frame(BROADCAST, A, 70)


def test_queues_of_one_guest_polled_by_several_workers_keep_their_flows_in_order(switch):
    sw = switch({"a": {"queues": 4}, "b": {"queues": 4}}, workers="1-3", cpus=4)
    a, b = (sw.guest(port, pairs=4, regions=SMALL) for port in "ab")
    assert wait_until(lambda: len({q["worker"] for q in sw.queues("a") if q["dir"] == "rx"}) == 3)
    a.greet(b, A, B)
    b.greet(a, B, A)
    r = Receiver(b)
    send(a, [Flow(n) for n in range(64)], 10, r)
    assert_in_order(r.seen, 10)
    assert r.queues() == {0, 1, 2, 3}
