# SPDX-License-Identifier: BSD-3-Clause
"""Frames as a Linux guest receives them, looked at by scapy."""

import collections
import io
import os

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.utils import RawPcapReader

DISK_MIB = 32


class Capture:
    """A guest's tcpdump; what it wrote leaves the guest on a disk of its own."""

    def __init__(self, folder, name):
        self.disk = os.path.join(folder, f"{name}.disk")
        with open(self.disk, "wb") as f:
            f.truncate(DISK_MIB << 20)

    def start(self, guest, direction):
        """in or out"""
        self.guest = guest
        # Its kernel would put segments together before tcpdump sees them.
        guest.sh("ethtool -K eth0 gro off")
        guest.start("tcpdump", f"tcpdump -i eth0 -Q {direction} -n -Z root -U -B 16384 -s 0 -w capture.pcap")
        guest.until("[ -s capture.pcap ]")

    def stop(self):
        """All frames, as bytes."""
        # What it has not read yet it would not write.
        self.guest.until("s=$(stat -c %s capture.pcap); sleep 2; "
                         "[ $s = $(stat -c %s capture.pcap) ]")
        self.guest.sh("kill $(pidof tcpdump)")
        said = self.guest.result("tcpdump")
        assert "\n0 packets dropped by kernel" in said.replace("\r", ""), said
        self.guest.sh("dd if=capture.pcap of=/dev/vda bs=1M conv=fsync")
        size = int(self.guest.sh("stat -c %s capture.pcap; rm capture.pcap"))
        with open(self.disk, "rb") as f:
            return [data for data, _ in RawPcapReader(io.BytesIO(f.read(size)))]


def check_frames(frames, frame_max):
    """Each one is whole, no longer than that, with right checksums; how many there are of each
    kind."""
    seen = collections.Counter()
    for data in frames:
        assert len(data) <= frame_max, f"{len(data)} bytes: {Ether(data).summary()}"
        packet = Ether(data).payload
        if isinstance(packet, (IP, IPv6)):
            seen[check_packet(packet, data[14:])] += 1
    return seen


def tcp_stream(frames):
    """The bytes of the longest TCP stream among these frames, as a list of (number of the first
    byte, bytes) in their order."""
    streams = collections.defaultdict(list)
    for data in frames:
        packet = Ether(data).payload
        if TCP in packet:
            tcp = packet[TCP]
            end = packet.len if isinstance(packet, IP) else packet.plen + 40
            payload = bytes(packet)[:end][-len(tcp.payload):] if len(tcp.payload) else b""
            streams[packet.src, tcp.sport, packet.dst, tcp.dport].append((tcp.seq, payload))
    return max(streams.values(), key=lambda parts: sum(len(p) for _, p in parts))


def compare_streams(sent, received):
    """Every byte that came was sent so, and none before the last is missing; how many came."""
    first = sent[0][0]
    data = bytearray(max((seq - first) % (1 << 32) + len(part) for seq, part in sent))
    for seq, part in sent:
        at = (seq - first) % (1 << 32)
        data[at:at + len(part)] = part
    have = bytearray(b"\1") + bytes(len(data))  # SYN has a number, but no byte
    for seq, part in received:
        at = (seq - first) % (1 << 32)
        assert data[at:at + len(part)] == part, f"{len(part)} bytes differ at {at}"
        have[at:at + len(part)] = b"\1" * len(part)
    n = have.rfind(b"\1") + 1
    assert have.find(b"\0", 0, n) == -1, "byte %d of %d never came" % (have.find(b"\0"), n)
    return n


def check_packet(packet, data):
    length = packet.len if isinstance(packet, IP) else packet.plen + 40
    assert length <= len(data), f"cut off: {packet.summary()}"
    data = data[:length]
    fragment = isinstance(packet, IP) and (packet.frag or packet.flags.MF)
    # scapy writes the checksums that it does not find.
    again = type(packet)(data)
    for layer in (IP,) if fragment else (IP, TCP, UDP):
        if layer in again:
            del again[layer].chksum
    now = bytes(again)
    # A sum of zero is also 0xffff (RFC 1624, 3), which Linux writes for TCP as well.
    if not fragment and TCP in packet and packet[TCP].chksum == 0xFFFF:
        again[TCP].chksum = 0xFFFF if TCP(bytes(type(packet)(now)[TCP])).chksum == 0 else None
        now = bytes(again)
    if now != data:
        at = [i for i in range(len(data)) if now[i] != data[i]]
        raise AssertionError(f"checksum: {packet.summary()}: {len(data)} bytes, "
                             f"{[(i, data[i], now[i]) for i in at]}: {data[:60].hex()}")
    if fragment:
        return "fragments"
    upper = next((layer.__name__ for layer in (TCP, UDP) if layer in packet), "other")
    return f"{upper} over {'IPv4' if isinstance(packet, IP) else 'IPv6'}"
