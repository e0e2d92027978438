# SPDX-License-Identifier: BSD-3-Clause
"""Large frames as a guest's stack hands them to virtio-net, and what a receiver may get instead.
scapy builds and reads them: it knows nothing of the switch."""

import random
import struct
from types import SimpleNamespace

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import (IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop,
                                PadN)
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw
from scapy.utils import checksum

NEEDS_CSUM, DATA_VALID = 1, 2
GSO_TCPV4, GSO_UDP, GSO_TCPV6, GSO_UDP_L4, GSO_ECN = 1, 3, 4, 5, 0x80
GSO = {"tso4": GSO_TCPV4, "tso6": GSO_TCPV6, "ufo4": GSO_UDP, "ufo6": GSO_UDP,
       "uso4": GSO_UDP_L4, "uso6": GSO_UDP_L4}
SEQ, IP_ID = 0xfffff000, 0xfffe  # both wrap on the way


def header(flags=0, gso_type=0, hdr_len=0, gso_size=0, csum_start=0, csum_offset=0):
    return struct.pack("=BBHHHHH", flags, gso_type, hdr_len, gso_size, csum_start, csum_offset, 0)


def pseudo_sum(packet):
    """What stands in the checksum field until somebody completes it."""
    l4 = packet[TCP] if TCP in packet else packet[UDP]
    proto = 6 if TCP in packet else 17
    if IP in packet:
        ip = packet[IP]
        pseudo = bytes(map(int, f"{ip.src}.{ip.dst}".split("."))) + struct.pack(
            "!BBH", 0, proto, len(l4))
    else:
        raw = bytes(packet[IPv6])
        pseudo = raw[8:40] + struct.pack("!II", len(l4), proto)
    return ~checksum(pseudo) & 0xffff


def big(kind, n, gso, dst, src, tag=None, ext=False, tcp_flags="PA", ecn=False, seed=1):
    """A frame with n bytes of payload, to be cut into pieces of `gso`; gso 0: only its checksum
    is left to do."""
    l2 = Ether(dst=dst.hex(":"), src=src.hex(":"))
    if tag is not None:
        l2 = l2 / Dot1Q(vlan=tag)
    if kind.endswith("4"):
        l3 = IP(src="10.0.0.1", dst="10.0.0.2", id=IP_ID, flags="DF" if "tso" in kind else 0)
    else:
        l3 = IPv6(src="fd00::1", dst="fd00::2", hlim=64)
        if ext:
            l3 = l3 / IPv6ExtHdrHopByHop(options=[PadN(optdata=bytes(4))], autopad=0) / \
                IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(12))], autopad=0)
    if "tso" in kind:
        l4 = TCP(sport=1000, dport=2000, seq=SEQ, ack=7, flags=tcp_flags,
                 options=[("NOP", None), ("NOP", None), ("Timestamp", (1, 2))])
        offset = 16
    else:
        l4 = UDP(sport=1000, dport=2000)
        offset = 6
    payload = random.Random(seed).randbytes(n)
    packet = l2 / l3 / l4 / Raw(payload)
    start = len(l2 / l3)
    raw = bytearray(bytes(packet))
    parsed = Ether(bytes(raw))
    struct.pack_into("!H", raw, start + offset, pseudo_sum(parsed))
    hdr_len = start + len(l4)
    gso_type = (GSO[kind] | (GSO_ECN if ecn else 0)) if gso else 0
    hdr = header(NEEDS_CSUM, gso_type, hdr_len if gso else 0, gso, start, offset)
    return SimpleNamespace(kind=kind, frame=bytes(raw), hdr=hdr, gso=gso, payload=payload,
                           hdr_len=hdr_len, tcp_flags=tcp_flags, start=start, offset=offset)


def complete(raw, hdr):
    """As the receiver's own stack finishes a checksum."""
    if not hdr.flags & NEEDS_CSUM:
        return raw
    raw = bytearray(raw)
    at = hdr.csum_start + hdr.csum_offset
    struct.pack_into("!H", raw, at, checksum(bytes(raw[hdr.csum_start:])) or 0xffff)
    return bytes(raw)


def assert_whole(raw):
    """A frame that needs nobody's help: every length and checksum in it is right. Returns what
    scapy reads in it."""
    packet = Ether(raw)
    again = Ether(raw)
    for layer, fields in ((IP, ("len", "chksum")), (IPv6, ("plen",)), (TCP, ("chksum",)),
                          (UDP, ("len", "chksum"))):
        for field in fields if layer in again else ():
            again[layer].delfieldval(field)
    assert bytes(again).hex() == raw.hex()
    return packet


def assert_segments(b, frames):
    """What `b` must have become for a receiver that wants no more than a segment at once."""
    packets = [assert_whole(f) for f in frames]
    n = -(-len(b.payload) // b.gso)
    assert [len(f) - b.hdr_len for f in frames] == \
        [b.gso] * (n - 1) + [len(b.payload) - b.gso * (n - 1)]
    assert b"".join(f[b.hdr_len:] for f in frames) == b.payload
    original = Ether(b.frame)
    for i, p in enumerate(packets):
        assert (p.src, p.dst) == (original.src, original.dst)
        assert (Dot1Q in p) == (Dot1Q in original)
        if IP in p:
            assert p[IP].id == (IP_ID + i) & 0xffff
        else:
            assert (IPv6ExtHdrDestOpt in p) == (IPv6ExtHdrDestOpt in original)
        if TCP in p:
            assert p[TCP].seq == (SEQ + i * b.gso) & 0xffffffff
            assert p[TCP].options == original[TCP].options and p[TCP].ack == 7
            want = set(b.tcp_flags)
            want -= {"C"} if i > 0 else set()
            want -= {"F", "P"} if i + 1 < n else set()
            assert set(str(p[TCP].flags)) == want
        else:
            assert p[UDP].len == 8 + len(frames[i]) - b.hdr_len


def assert_fragments(b, frames):
    """UFO: IP fragments of one datagram, whose checksum is right."""
    packets = [Ether(f) for f in frames]
    ip6 = IPv6 in packets[0]
    data, ids = b"", set()
    for i, (p, f) in enumerate(zip(packets, frames)):
        if ip6:
            fragment = p[IPv6ExtHdrFragment]
            more, offset, rest = fragment.m, fragment.offset * 8, bytes(fragment.payload)
            ids.add(fragment.id)
            assert p[IPv6].plen == len(bytes(p[IPv6].payload))
        else:
            more, offset, rest = int(p[IP].flags.MF), p[IP].frag * 8, bytes(p[IP].payload)
            ids.add(p[IP].id)
            header_only = bytes(p[IP])[:20]
            assert checksum(header_only) == 0 and p[IP].len == 20 + len(rest)
        assert offset == len(data) and more == (i + 1 < len(frames))
        assert len(rest) % 8 == 0 or not more
        assert len(rest) <= b.gso
        data += rest
    assert len(ids) == 1 and len(frames) > 1
    # Destination options are cut up as well (RFC 8200 4.5).
    n_opts = len(data) - 8 - len(b.payload)
    assert n_opts == (16 if IPv6ExtHdrDestOpt in Ether(b.frame) else 0)
    assert_whole(b.frame[:b.start - n_opts] + data)
    assert data.endswith(b.payload)
