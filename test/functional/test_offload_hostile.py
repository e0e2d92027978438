# SPDX-License-Identifier: BSD-3-Clause
"""Headers of frames that lie about what is left to do: each is a drop with a name, and the ring
goes on."""

import struct

import pytest

from fakeguest import (F_CSUM, F_GUEST_CSUM, F_HOST_TSO4, F_HOST_TSO6, F_HOST_UFO, F_HOST_USO,
                       FEATURES, frame, mac)
from packets import GSO_ECN, NEEDS_CSUM, assert_whole, big, header
from test_hostile_races import flipping
from test_offload import GUEST, HOST, SMALL

A, B = mac(1), mac(2)
PORTS = ["a", "b"]


def parts(hdr):
    names = ("flags", "gso_type", "hdr_len", "gso_size", "csum_start", "csum_offset")
    return dict(zip(names, struct.unpack("=BBHHHHH", hdr)))


def lie(kind, n=5000, gso=1400, **fields):
    def make():
        x = big(kind, n, gso, B, A, seed=3)
        return x.frame, header(**{**parts(x.hdr), **fields})
    return make


def other_type(kind, gso_type):
    return lie(kind, gso_type=gso_type)


def changed(kind, **at):
    """A sound header over a frame with other bytes in it, at offsets from layer 3 on."""
    def make():
        x = big(kind, 5000, 1400, B, A)
        f = bytearray(x.frame)
        for offset, byte in at["bytes"].items():
            f[14 + offset] = byte
        return bytes(f[:at.get("length")]), x.hdr
    return make


def cut_short(kind, left):
    """Less of the frame than its headers."""
    def make():
        x = big(kind, 5000, 1400, B, A)
        return x.frame[:x.hdr_len + left], x.hdr
    return make


ARP = mac(2) + mac(1) + bytes.fromhex("0806") + bytes(46)
LIES = {
    "csum_start past the end": (lie("tso4", 500, 0, csum_start=555), "bad_csum"),
    "csum_start far past the end": (lie("tso4", 500, 0, csum_start=65535), "bad_csum"),
    "csum_offset past the end": (lie("tso4", 500, 0, csum_offset=532), "bad_csum"),
    "csum_offset with half of it past": (lie("tso4", 500, 0, csum_offset=531), "bad_csum"),
    "csum sum that overflows": (lie("tso4", 500, 0, csum_start=65535, csum_offset=65535),
                                "bad_csum"),
    "csum over the addresses": (lie("tso4", 500, 0, csum_start=0, csum_offset=0), "bad_csum"),
    "csum in the ethertype": (lie("tso4", 500, 0, csum_start=12, csum_offset=0), "bad_csum"),
    "gso with csum_start past the end": (lie("tso4", csum_start=6000), "bad_csum"),
    "gso_size 0": (lie("tso4", gso_size=0), "bad_gso"),
    "gso_size 0 udp": (lie("uso4", gso_size=0), "bad_gso"),
    "gso without csum": (lie("tso4", flags=0), "bad_gso"),
    "gso with csum of something else": (lie("tso4", csum_offset=6), "bad_gso"),
    "gso with csum_start of the IP header": (lie("tso4", csum_start=14), "bad_gso"),
    "tso4 over ipv6": (other_type("tso6", 1), "bad_gso"),
    "tso6 over ipv4": (other_type("tso4", 4), "bad_gso"),
    "tso of a datagram": (other_type("ufo4", 1), "bad_gso"),
    "ufo of a tcp segment": (other_type("tso4", 3), "bad_gso"),
    "uso of a tcp segment": (other_type("tso4", 5), "bad_gso"),
    "congestion of a datagram": (other_type("uso4", 5 | GSO_ECN), "bad_gso"),
    "gso of no ip": (lambda: (ARP, header(NEEDS_CSUM, 1, 54, 1400, 34, 16)), "bad_gso"),
    "gso of a frame that has no payload": (cut_short("tso4", 0), "bad_gso"),
    "gso of half a tcp header": (cut_short("tso4", -10), "bad_gso"),
    "tcp header that is too short": (changed("tso4", bytes={20 + 12: 0x40}), "bad_gso"),
    "tcp header beyond the frame": (changed("tso4", bytes={32: 0xf0}, length=80), "bad_gso"),
    "ip header that is too short": (changed("tso4", bytes={0: 0x44}), "bad_gso"),
    "ip version that is none": (changed("tso4", bytes={0: 0x75}), "bad_gso"),
    "ip fragment": (changed("uso4", bytes={6: 0x20}), "bad_gso"),
    "another protocol": (changed("tso4", bytes={9: 47}), "bad_gso"),
    "gso type that nobody knows": (other_type("tso4", 2), "bad_offload"),
    "gso type of all bits": (other_type("tso4", 0x7f), "bad_offload"),
}


@pytest.fixture
def ends(sw):
    a = sw.guest("a", features=HOST, regions=SMALL, slot=70000, slots=64)
    b = sw.guest("b", features=FEATURES | GUEST, regions=SMALL)
    a.greet(b, A, B)
    b.greet(a, B, A)
    sw.mark()
    return a, b


@pytest.mark.parametrize("n_desc", [1, 11])
@pytest.mark.parametrize("name", LIES)
def test_a_lying_header_is_dropped_by_name(sw, ends, name, n_desc):
    a, b = ends
    make, reason = LIES[name]
    f, hdr = make()
    for _ in range(3):
        a.send(f, n_desc=n_desc, hdr=hdr)
        a.send(frame(B, A, 1000))
        assert b.recv() == frame(B, A, 1000)
    assert sw.new_drops("a") == {reason: 3}
    assert sw.queue("a", "rx")["state"] == "running"


ASKS = {"tso4": F_HOST_TSO4, "tso6": F_HOST_TSO6, "ufo4": F_HOST_UFO, "ufo6": F_HOST_UFO,
        "uso4": F_HOST_USO, "uso6": F_HOST_USO}


@pytest.mark.parametrize("kind", ASKS)
@pytest.mark.parametrize("ecn", [False, True])
def test_what_was_not_negotiated_is_dropped_by_name(sw, kind, ecn):
    if ecn and "tso" not in kind:
        kind, features = "tso4", HOST & ~(1 << 13)
    elif ecn:
        features = HOST & ~(1 << 13)
    else:
        features = HOST & ~ASKS[kind]
    a = sw.guest("a", features=features, regions=SMALL, slot=70000, slots=64)
    b = sw.guest("b", features=FEATURES | GUEST, regions=SMALL)
    a.greet(b, A, B)
    sw.mark()
    x = big(kind, 5000, 1400, B, A, ecn=ecn)
    a.send(x.frame, hdr=x.hdr)
    assert a.taken()
    assert sw.new_drops("a") == {"bad_offload": 1}
    a.send(frame(B, A, 1000))
    assert b.recv() == frame(B, A, 1000)


def test_a_checksum_that_was_not_negotiated_is_dropped_by_name(sw):
    a = sw.guest("a", features=FEATURES | F_GUEST_CSUM)
    b = sw.guest("b", features=FEATURES | F_GUEST_CSUM)
    a.greet(b, A, B)
    sw.mark()
    x = big("tso4", 500, 0, B, A)
    a.send(x.frame, hdr=x.hdr)
    assert a.taken()
    assert sw.new_drops("a") == {"bad_offload": 1}


@pytest.mark.parametrize("key, features", {
    "offload-csum": F_CSUM | F_GUEST_CSUM, "offload-tso": F_HOST_TSO4 | F_HOST_TSO6,
    "offload-ufo": F_HOST_UFO, "offload-uso": F_HOST_USO}.items())
def test_what_the_config_takes_away_is_not_offered(switch, key, features):
    s = switch({"a": {key: "no"}, "b": {}})
    a, b = s.guest("a", features=HOST | GUEST), s.guest("b", features=HOST | GUEST)
    assert a.head.features & features == 0
    assert b.head.features & features == features
    if key == "offload-csum":
        assert a.head.features & (HOST | GUEST) & ~FEATURES == 0
    a.greet(b, A, B)


@pytest.mark.parametrize("kind", ["tso4", "uso6"])
def test_double_fetch_of_what_segmentation_is_asked_for(sw, kind):
    a = sw.guest("a", features=HOST, regions=SMALL)
    b = sw.guest("b", regions=SMALL)  # for which all is cut up
    a.greet(b, A, B)
    x = big(kind, 20000, 1400, B, A)
    at = a.alloc(30000, region=1)
    a.write(at, x.hdr + x.frame)
    for lies in ({"gso_size": 0}, {"csum_start": 65535}, {"gso_type": 2}, {"gso_size": 1}):
        sw.mark()
        bad = header(**{**parts(x.hdr), **lies})[:8]
        n = 0
        with flipping(a, at, x.hdr[:8], bad, until=lambda: n > 20 and sw.new_drops("a") | (
                sw.new_drops("b"))) as changing:
            while changing():
                a.post(a.tx[0], [(at, 12 + len(x.frame), False)])
                assert a.taken()
                while f := b.recv(0):
                    assert_whole(f)
                    n += 1
        assert n > 20
    assert sw.queue("a", "rx")["state"] == "running"
    a.send(frame(B, A, 1000))
    assert frame(B, A, 1000) in b.recv_all()
