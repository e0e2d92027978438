# SPDX-License-Identifier: BSD-3-Clause
"""The device as its front-end sees it: configuration space, MTU, status, announcements."""

import struct

import pytest
from scapy.layers.l2 import ARP, Ether

from fakeguest import (BROADCAST, F_MAC, F_MRG_RXBUF, F_MTU, F_PACKED, FEATURES, GET_CONFIG,
                       GET_STATUS, GET_VRING_BASE, NET_SET_MTU, P_CONFIG, P_RARP, P_STATUS, PROTO,
                       SEND_RARP, SET_CONFIG, SET_FEATURES, SET_STATUS, HungUp, Refused, frame,
                       mac, wait_until)
from packets import assert_whole, big, header
from test_offload import GUEST, HOST

A, B, C = mac(1), mac(2), mac(3)
OWN_MAC = bytes.fromhex("020000abcdef")
PORTS = {"a": {"queues": 3}, "b": {"mtu": 1500, "mac": OWN_MAC.hex(":")}, "jumbo": {"mtu": 9000},
         "short": {"mtu": 68}, "c": {}}
SMALL = ((0, 8 << 20), (4 << 30, 24 << 20))
MORE = PROTO | P_CONFIG | P_STATUS | P_RARP


def u64(n):
    return struct.pack("=Q", n)


def config(g, offset=0, size=12, flags=0):
    """The configuration space, or so much of it."""
    answer = g.ask(GET_CONFIG, struct.pack("=III", offset, size, flags) + bytes(size))
    if not answer:
        return None
    assert struct.unpack("=III", answer[:12]) == (offset, size, flags)
    return answer[12:]


def fields(g):
    address, status, pairs, mtu = struct.unpack("<6sHHH", config(g))
    return address, status, pairs, mtu


def asker(sw, port, features=FEATURES | F_MTU | F_MAC):
    g = sw.guest(port, boot=False, regions=SMALL)
    g.negotiate(features, MORE)
    return g


def test_the_configuration_space_tells_mac_link_pairs_and_mtu(sw):
    a, b, jumbo = (asker(sw, port) for port in ("a", "b", "jumbo"))
    assert fields(a)[1:3] == (1, 3)
    assert fields(b) == (OWN_MAC, 1, 1, 1500)
    assert fields(jumbo)[3] == 9000
    assert b.head.features & F_MAC and not a.head.features & F_MAC
    assert {g.head.features & F_MTU for g in (a, b, jumbo)} == {F_MTU}


@pytest.mark.parametrize("offset, size", [(0, 6), (6, 2), (8, 2), (10, 2), (0, 60), (0, 256),
                                          (200, 56), (5, 3)])
def test_any_part_of_it_may_be_asked_for(sw, offset, size):
    b = asker(sw, "b")
    whole = config(b, 0, 256)
    assert config(b, offset, size) == whole[offset:offset + size]
    assert config(b, offset, size, flags=1) == whole[offset:offset + size]


@pytest.mark.parametrize("offset, size, sent", [
    (0, 257, 257), (256, 1, 1), (0, 0, 0), (2 ** 32 - 1, 2, 2), (1, 2 ** 32 - 1, 12),
    (0, 12, 11), (0, 12, 13)])
def test_what_is_beyond_it_is_refused(sw, offset, size, sent):
    b = asker(sw, "b")
    try:
        assert b.ask(GET_CONFIG, struct.pack("=III", offset, size, 0) + bytes(sent)) == b""
    except HungUp:
        return
    assert fields(b)[0] == OWN_MAC


def test_it_cannot_be_written(sw):
    b = asker(sw, "b")
    with pytest.raises(Refused):
        b.request(SET_CONFIG, struct.pack("=III", 0, 6, 0) + bytes(6))
    assert fields(b)[0] == OWN_MAC


def test_the_status_is_kept_and_zero_stops_all_rings(sw):
    a, c = sw.guest("a", proto=MORE), sw.guest("c")
    a.greet(c, A, C)
    assert a.get(GET_STATUS) == 0
    for status in (1, 3, 11, 15):
        a.request(SET_STATUS, u64(status))
        assert a.get(GET_STATUS) == status
    a.greet(c, A, C)
    a.request(SET_STATUS, u64(0))
    assert a.get(GET_STATUS) == 0
    assert {q["state"] for q in sw.queues("a")} == {"stopped"}
    for q in a.queues():  # QEMU asks afterwards
        a.message(GET_VRING_BASE, struct.pack("=II", q.ring.index, 0))
        index, base = struct.unpack("=II", a.answer(GET_VRING_BASE))
        assert (index, base) == (q.ring.index, q.ring.used_idx)
        q.ring.base = base
    a.start("before")
    a.greet(c, A, C)


def test_features_that_were_not_offered_are_not_ok(sw):
    a = asker(sw, "a")
    a.request(SET_STATUS, u64(3))
    with pytest.raises(Refused):
        a.request(SET_FEATURES, u64(1 << 50))
    a.request(SET_STATUS, u64(11))
    assert a.get(GET_STATUS) == 3


@pytest.mark.parametrize("status", [256, 2 ** 32, 2 ** 64 - 1])
def test_a_status_of_more_than_eight_bits_is_refused(sw, status):
    a = asker(sw, "a")
    with pytest.raises(Refused):
        a.request(SET_STATUS, u64(status))


@pytest.mark.parametrize("port, mtu, good", [
    ("b", 1500, True), ("b", 1400, True), ("b", 1501, False), ("b", 67, False), ("b", 65536, False),
    ("jumbo", 9000, True), ("jumbo", 9001, False), ("c", 9000, True), ("c", 65535, True),
    ("c", 65536, False), ("c", 0, False)])
def test_an_mtu_that_is_too_large_or_too_small_is_refused(sw, port, mtu, good):
    g = asker(sw, port)
    if good:
        g.request(NET_SET_MTU, u64(mtu))
        assert fields(g)[3] == mtu
    else:
        with pytest.raises(Refused):
            g.request(NET_SET_MTU, u64(mtu))


def tagged(dst, src, size):
    return dst + src + bytes.fromhex("81000005") + frame(dst, src, size)[16:]


@pytest.mark.parametrize("mrg", [True, False])
@pytest.mark.parametrize("port, mtu", [("b", 1500), ("jumbo", 9000), ("short", 68)])
def test_a_frame_longer_than_the_receivers_mtu_is_dropped_by_name(sw, port, mtu, mrg):
    a = sw.guest("a", regions=SMALL, slot=10000, slots=64)
    b = sw.guest(port, regions=SMALL, slot=12000, slots=64, rx_cuts=1 if mrg else 3,
                 features=FEATURES if mrg else FEATURES & ~F_MRG_RXBUF)
    a.greet(b, A, B)
    b.greet(a, B, A)
    sw.mark()
    for f in (frame(B, A, mtu + 14), tagged(B, A, mtu + 18)):
        a.send(f)
        assert b.recv() == f
    for f in (frame(B, A, mtu + 15), tagged(B, A, mtu + 19), frame(B, A, 9900)):
        a.send(f)
    a.send(frame(B, A, 70))
    assert b.recv() == frame(B, A, 70)
    assert sw.new_drops(port) == {"too_big": 3}
    # It is the receiver's limit, not the sender's.
    b.send(frame(A, B, mtu + 600))
    assert a.recv() == frame(A, B, mtu + 600)


@pytest.mark.parametrize("knows", [True, False])
def test_the_mtu_that_a_front_end_sets_counts_if_the_guest_knows_of_it(sw, knows):
    a = sw.guest("a")
    c = sw.guest("c", features=FEATURES | (F_MTU if knows else 0))
    a.greet(c, A, C)
    c.greet(a, C, A)
    c.request(NET_SET_MTU, u64(1000))
    sw.finish_pass(2)
    a.send(frame(C, A, 1014))
    assert c.recv() == frame(C, A, 1014)

    def counts():
        sw.mark()
        a.send(frame(C, A, 1015))
        assert wait_until(lambda: sw.new_drops("c") or c.recv(0))
        return sw.new_drops("c") == {"too_big": 1}
    assert wait_until(counts) if knows else not counts()


@pytest.mark.parametrize("slot", [300, 1000])
def test_a_frame_that_no_buffer_holds_is_dropped_by_name(sw, slot):
    a = sw.guest("a")
    c = sw.guest("c", rx_slot=slot, features=FEATURES & ~F_MRG_RXBUF)
    a.greet(c, A, C)
    c.greet(a, C, A)
    sw.mark()
    room = slot - 16 - 12
    a.send(frame(C, A, room))
    assert c.recv() == frame(C, A, room)
    a.send(frame(C, A, room + 1))
    a.send(frame(C, A, 60))
    assert c.recv() == frame(C, A, 60)
    assert sw.new_drops("c") == {"too_big": 1}
    c.assert_orderly()


@pytest.mark.parametrize("features", [FEATURES, FEATURES | F_PACKED])
def test_jumbo_frames_are_carried_and_spread_over_small_buffers(sw, features):
    a = sw.guest("a", regions=SMALL, slot=10000, slots=64, features=features)
    b = sw.guest("jumbo", features=features)
    a.greet(b, A, B)
    b.greet(a, B, A)
    s = sw.stream(a, b, A, B, size_min=1514, size_max=9014, size_step=300, desc_max=5, header=-1,
                  indirect=-1, window=30)
    s.run(500)
    assert b.rx[0].last_buffers >= 1


@pytest.mark.parametrize("kind", ["tso4", "tso6", "uso4"])
def test_segments_count_against_the_mtu_and_not_what_they_are_cut_from(sw, kind):
    a = sw.guest("a", features=HOST, regions=SMALL, slot=70000, slots=64)
    for offloads in (GUEST, 0):
        b = sw.guest("b", features=FEATURES | offloads)
        a.greet(b, A, B)
        b.greet(a, B, A)
        fits = 1514 - big(kind, 0, 0, B, A).hdr_len
        x = big(kind, 20000, fits, B, A)
        a.send(x.frame, hdr=x.hdr)
        n = 1 if offloads else -(-20000 // fits)
        for _ in range(n):
            raw = b.recv()
            assert raw == x.frame if offloads else assert_whole(raw)
        sw.mark()
        x = big(kind, 20000, fits + 1, B, A)
        a.send(x.frame, hdr=x.hdr)
        a.send(frame(B, A, 1514), hdr=header())
        assert b.recv() == frame(B, A, 1514)
        assert sw.new_drops("b") == {"too_big": 1}
        b.close()
        sw.guests.remove(b)
        assert wait_until(lambda: not sw.port("b")["up"])


def test_an_announced_station_is_learned_and_the_others_hear_it_at_once(sw):
    a, b, c = sw.guest("a"), sw.guest("b"), sw.guest("c", proto=MORE)
    a.greet(b, A, B)
    b.greet(a, B, A)
    for g in (a, b, c):
        g.recv_all(0.01)
    assert sw.fdb()[B] == "b"
    c.request(SEND_RARP, B + b"\0\0")  # it has moved
    for g in (a, b):
        raw = g.recv()
        rarp = Ether(raw)
        assert (rarp.src, rarp.dst, rarp.type) == (B.hex(":"), "ff:ff:ff:ff:ff:ff", 0x8035)
        request = ARP(bytes(rarp.payload))
        assert (request.hwtype, request.ptype, request.hwlen, request.plen, request.op) == (
            1, 0x800, 6, 4, 3)
        assert (request.hwsrc, request.hwdst) == (B.hex(":"), B.hex(":"))
        assert len(raw) == 60
    assert c.recv(0.01) is None
    assert wait_until(lambda: sw.fdb().get(B) == "c")
    a.send(frame(B, A, 200))
    assert c.recv() == frame(B, A, 200)
    assert b.recv(0.01) is None


@pytest.mark.parametrize("station", [bytes(6), BROADCAST, bytes.fromhex("010000000001")])
def test_an_announcement_of_no_station_is_refused(sw, station):
    a, c = sw.guest("a"), sw.guest("c", proto=MORE)
    with pytest.raises(Refused):
        c.request(SEND_RARP, station + b"\0\0")
    assert a.recv(0.02) is None
