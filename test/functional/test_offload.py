# SPDX-License-Identifier: BSD-3-Clause
"""Offloads: what a guest leaves to others goes to a guest that can do it as it is, and to one
that cannot as whole frames. Checked by scapy."""

import struct

import pytest

from fakeguest import (BROADCAST, F_CSUM, F_GUEST_CSUM, F_GUEST_ECN, F_GUEST_TSO4, F_GUEST_TSO6,
                       F_GUEST_UFO, F_GUEST_USO4, F_GUEST_USO6, F_HOST_ECN, F_HOST_TSO4,
                       F_HOST_TSO6, F_HOST_UFO, F_HOST_USO, F_MQ, F_MRG_RXBUF, FEATURES, frame,
                       mac)
from packets import (GSO_ECN, NEEDS_CSUM, assert_fragments, assert_segments, assert_whole, big,
                     complete, header)

A, B = mac(1), mac(2)
PORTS = ["a", "b", "c", "d", "e"]
HOST = (FEATURES & ~F_MQ | F_CSUM | F_HOST_TSO4 | F_HOST_TSO6 | F_HOST_ECN | F_HOST_UFO | F_HOST_USO)
GUEST = (F_GUEST_CSUM | F_GUEST_TSO4 | F_GUEST_TSO6 | F_GUEST_ECN | F_GUEST_UFO | F_GUEST_USO4 |
         F_GUEST_USO6)
NEEDED = {"tso4": F_GUEST_TSO4, "tso6": F_GUEST_TSO6, "ufo4": F_GUEST_UFO, "ufo6": F_GUEST_UFO,
          "uso4": F_GUEST_USO4, "uso6": F_GUEST_USO6}
KINDS = list(NEEDED)
SMALL = ((0, 8 << 20), (4 << 30, 24 << 20))
DONE = ("csum_computed", "segmented", "segments", "tx_gso")


def sender(sw, features=HOST):
    g = sw.guest("a", features=features, regions=SMALL, slot=70000, slots=64)
    assert g.head.features == features
    return g


def receiver(sw, offloads, port="b", **options):
    g = sw.guest(port, features=FEATURES | offloads, regions=SMALL, **options)
    assert g.head.features & GUEST == offloads
    return g


def couple(sw, offloads, **options):
    a, b = sender(sw), receiver(sw, offloads, **options)
    a.greet(b, A, B)
    b.greet(a, B, A)
    b.recv_all(0.01)
    sw.mark()
    return a, b


def frames_of(g, n):
    """n frames and no more, completed as the receiver's stack would, and their headers."""
    out = []
    while len(out) < n:
        raw = g.recv()
        assert raw is not None, f"{len(out)} of {n} frames"
        h = g.rx[0].last_hdr
        out.append((raw, type(h).from_buffer_copy(h)))
    assert g.recv(0.01) is None
    return out


def done(sw, port):
    return {k: v for k, v in sw.new(port, *DONE).items() if v}


@pytest.mark.parametrize("n_desc", [1, 2, 17])
@pytest.mark.parametrize("kind", KINDS)
def test_from_guest_to_guest_nothing_is_computed_and_nothing_cut(sw, kind, n_desc):
    a, b = couple(sw, GUEST)
    x = big(kind, 30000, 1400, B, A, seed=n_desc)
    for header_place in (0, 1, 2):
        a.send(x.frame, n_desc=n_desc, header=header_place, indirect=n_desc == 17, hdr=x.hdr)
        (raw, h), = frames_of(b, 1)
        assert raw == x.frame
        assert bytes(h)[:10] == x.hdr[:10]
    assert done(sw, "b") == {"tx_gso": 3}


@pytest.mark.parametrize("kind", KINDS)
def test_a_checksum_left_to_do_reaches_a_guest_that_can_do_it(sw, kind):
    a, b = couple(sw, F_GUEST_CSUM)
    x = big(kind, 900, 0, B, A)
    a.send(x.frame, hdr=x.hdr)
    (raw, h), = frames_of(b, 1)
    assert raw == x.frame and bytes(h)[:10] == x.hdr[:10]
    assert_whole(complete(raw, h))
    assert done(sw, "b") == {}


@pytest.mark.parametrize("n", [0, 1, 2, 63, 500, 1399])
@pytest.mark.parametrize("kind", ["tso4", "tso6", "uso4", "uso6"])
def test_a_guest_that_cannot_gets_its_checksum_computed(sw, kind, n):
    a, b = couple(sw, 0)
    x = big(kind, n, 0, B, A, ext=n > 0)
    for n_desc in (1, 7) if n > 60 else (1,):
        a.send(x.frame, n_desc=n_desc, hdr=x.hdr)
        (raw, h), = frames_of(b, 1)
        assert bytes(h)[:10] == bytes(10)
        assert_whole(raw)
        assert raw[x.hdr_len:] == x.payload
    assert done(sw, "b") == {"csum_computed": 2 if n > 60 else 1}


def test_a_udp_checksum_that_comes_out_as_zero_is_sent_as_ones(sw):
    a, b = couple(sw, 0)
    x = big("uso4", 100, 0, B, A)
    sound = complete(x.frame, type("H", (), {"flags": NEEDS_CSUM, "csum_start": x.start,
                                             "csum_offset": x.offset}))
    at = x.start + x.offset
    word, csum = (struct.unpack_from("!H", sound, i)[0] for i in (x.hdr_len, at))
    zero = bytearray(x.frame)
    struct.pack_into("!H", zero, x.hdr_len, (word + csum) % 0xffff)
    a.send(bytes(zero), hdr=x.hdr)
    (raw, _), = frames_of(b, 1)
    assert raw[at:at + 2] == b"\xff\xff"
    assert_whole(raw)


def assert_cut(x, got):
    frames = [complete(raw, h) for raw, h in got]
    for _, h in got:
        assert h.gso_type == 0
    (assert_fragments if x.kind.startswith("ufo") else assert_segments)(x, frames)


def n_frames(x):
    """How many frames x is for somebody who takes only whole ones."""
    n = len(x.payload) + (8 if x.kind.startswith("ufo") else 0)
    size = x.gso // 8 * 8 if x.kind.startswith("ufo") else x.gso
    return -(-n // size)


@pytest.mark.parametrize("lacking", ["all", "all but checksums", "this"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_guest_that_lacks_a_kind_of_segmentation_gets_whole_frames(sw, kind, lacking):
    offloads = {"all": 0, "all but checksums": F_GUEST_CSUM, "this": GUEST & ~NEEDED[kind]}
    if lacking == "this" and NEEDED[kind] in (F_GUEST_TSO4, F_GUEST_TSO6):
        offloads["this"] &= ~F_GUEST_ECN
    a, b = couple(sw, offloads[lacking])
    for i, n in enumerate((1401, 14480, 40000)):
        x = big(kind, n, 1448 if n > 2000 else 1400, B, A, seed=i, ext=i == 1)
        a.send(x.frame, n_desc=(1, 5, 33)[i], header=i, hdr=x.hdr)
        got = frames_of(b, n_frames(x))
        if lacking == "all":
            assert all(bytes(h)[:10] == bytes(10) for _, h in got)
        assert_cut(x, got)
    assert done(sw, "b")["segmented"] == 3
    assert sw.new_drops("a") == sw.new_drops("b") == {}


@pytest.mark.parametrize("kind", KINDS)
def test_a_receiver_without_mergeable_buffers_gets_whole_frames_too(sw, kind):
    a = sender(sw)
    b = sw.guest("b", features=FEATURES & ~F_MRG_RXBUF, regions=SMALL, slot=1600, rx_cuts=2)
    a.greet(b, A, B)
    b.greet(a, B, A)
    b.recv_all(0.01)
    x = big(kind, 20000, 1400, B, A)
    a.send(x.frame, hdr=x.hdr)
    assert_cut(x, frames_of(b, n_frames(x)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("gso, n", [(1, 100), (8, 900), (100, 100), (536, 536 * 3), (1460, 65000),
                                    (9000, 27001), (65000, 1000)])
def test_segments_of_every_size(sw, kind, gso, n):
    if kind.startswith("ufo"):
        gso = max(gso, 16)
    a, b = couple(sw, 0, slot=9216)
    x = big(kind, n, gso, B, A)
    a.send(x.frame, hdr=x.hdr)
    got = frames_of(b, n_frames(x))
    if len(got) == 1:
        assert_whole(got[0][0])
        assert got[0][0][x.hdr_len:] == x.payload
    else:
        assert_cut(x, got)


@pytest.mark.parametrize("kind", ["tso4", "tso6"])
def test_congestion_marks_survive_segmentation_once(sw, kind):
    a, b = couple(sw, GUEST & ~F_GUEST_ECN)
    x = big(kind, 10000, 1448, B, A, tcp_flags="FPACE", ecn=True)
    a.send(x.frame, hdr=x.hdr)
    assert_cut(x, frames_of(b, 7))
    b.close()
    sw.guests.remove(b)
    b = receiver(sw, GUEST)
    a.greet(b, A, B)
    b.recv_all(0.01)
    a.send(x.frame, hdr=x.hdr)
    (raw, h), = frames_of(b, 1)
    assert raw == x.frame and h.gso_type & GSO_ECN


@pytest.mark.parametrize("kind", KINDS)
def test_tagged_frames_are_cut_as_others(sw, kind):
    a, b = couple(sw, 0)
    x = big(kind, 10000, 1400, B, A, tag=5)
    a.send(x.frame, hdr=x.hdr)
    assert_cut(x, frames_of(b, n_frames(x)))
    x = big(kind, 700, 0, B, A, tag=5)
    a.send(x.frame, hdr=x.hdr)
    assert_whole(frames_of(b, 1)[0][0])


@pytest.mark.parametrize("kind", KINDS)
def test_each_receiver_of_a_flooded_frame_gets_what_it_can_take(sw, kind):
    a = sender(sw)
    others = {port: receiver(sw, offloads, port) for port, offloads in (
        ("b", GUEST), ("c", 0), ("d", F_GUEST_CSUM),
        ("e", F_GUEST_CSUM | NEEDED[kind]))}
    for g in others.values():
        a.greet(g, A, BROADCAST)
    for g in others.values():
        g.recv_all(0.01)
    for i in range(3):
        x = big(kind, 20000 + i, 1400, BROADCAST, A, seed=i)
        a.send(x.frame, n_desc=1 + 9 * i, hdr=x.hdr)
        for port in "be":
            (raw, h), = frames_of(others[port], 1)
            assert raw == x.frame and bytes(h)[:10] == x.hdr[:10]
        for port in "cd":
            assert_cut(x, frames_of(others[port], n_frames(x)))
    x = big(kind, 500, 0, BROADCAST, A)
    a.send(x.frame, hdr=x.hdr)
    for port, g in others.items():
        (raw, h), = frames_of(g, 1)
        assert bool(h.flags & NEEDS_CSUM) == (port != "c")
        assert_whole(complete(raw, h))


def test_what_would_become_more_than_128_segments_is_dropped_by_name(sw):
    a, b = couple(sw, 0)
    x = big("tso4", 129 * 20, 20, B, A)
    a.send(x.frame, hdr=x.hdr)
    assert a.taken()
    assert sw.new_drops("b") == {"too_many_segments": 1}
    a.send(frame(B, A, 200))
    assert b.recv() == frame(B, A, 200)
    x = big("tso4", 128 * 20, 20, B, A)
    a.send(x.frame, hdr=x.hdr)
    assert_cut(x, frames_of(b, 128))


def test_segments_that_find_no_buffer_are_counted_one_by_one(sw):
    a = sender(sw)
    b = sw.guest("b", regions=SMALL, slots=30)
    a.greet(b, A, B)
    b.greet(a, B, A)
    b.recv_all(0.01)
    sw.mark()
    x = big("tso4", 60000, 1000, B, A)
    a.send(x.frame, hdr=x.hdr)
    assert a.taken()
    got = len(b.recv_all())
    assert got == 30 and sw.new_drops("b") == {"ring_full": 30}


def test_headers_that_ask_for_nothing_are_no_offload(sw):
    a, b = couple(sw, 0)
    f = frame(B, A, 300)
    # 5.1.6.2.1: without NEEDS_CSUM and with GSO_NONE the rest means nothing.
    a.send(f, hdr=header(0, 0, 9999, 9999, 9999, 9999))
    (raw, h), = frames_of(b, 1)
    assert raw == f and bytes(h)[:10] == bytes(10)
    assert sw.new_drops("a") == {}
