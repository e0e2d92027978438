# SPDX-License-Identifier: BSD-3-Clause
"""VLANs and wires: frames made and read by scapy, and the kernel behind a tap."""

import struct

import pytest
from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.packet import Raw
from scapy.utils import rdpcap

from fakeguest import BROADCAST, frame, mac, wait_until

ETH_P_ALL, SOL_PACKET, PACKET_AUXDATA, TP_STATUS_VLAN_VALID = 3, 263, 8, 0x10
A, B = mac(1), mac(2)
KINDS = {
    "plain": {},
    "access100": {"vlan": 100},
    "access200": {"vlan": 200},
    "trunk": {"trunk": "100,200"},
    "native100": {"trunk": "200,300", "native-vlan": 100},
}
# A tag: None, or (priority, VLAN). What each kind of port gets of a frame; "-": nothing.
N, P5 = None, (5, 0)
TABLE = [
    # ingress     tag         plain       access100 access200 trunk      native100
    ("plain",     N,         [N,          "-",      "-",      "-",       "-"]),
    ("plain",     P5,        [P5,         "-",      "-",      "-",       "-"]),
    ("plain",     (5, 100),  [(5, 100),   N,        "-",      (5, 100),  N]),
    ("plain",     (0, 200),  [(0, 200),   "-",      N,        (0, 200),  (0, 200)]),
    ("plain",     (0, 300),  [(0, 300),   "-",      "-",      "-",       (0, 300)]),
    ("plain",     (0, 4095), ["-",        "-",      "-",      "-",       "-"]),
    ("access100", N,         [(0, 100),   N,        "-",      (0, 100),  N]),
    ("access100", P5,        [(5, 100),   N,        "-",      (5, 100),  N]),
    ("access100", (0, 100),  ["-",        "-",      "-",      "-",       "-"]),
    ("access100", (0, 200),  ["-",        "-",      "-",      "-",       "-"]),
    ("trunk",     N,         ["-",        "-",      "-",      "-",       "-"]),
    ("trunk",     P5,        ["-",        "-",      "-",      "-",       "-"]),
    ("trunk",     (3, 100),  [(3, 100),   N,        "-",      (3, 100),  N]),
    ("trunk",     (3, 200),  [(3, 200),   "-",      N,        (3, 200),  (3, 200)]),
    ("trunk",     (0, 300),  ["-",        "-",      "-",      "-",       "-"]),
    ("native100", N,         [(0, 100),   N,        "-",      (0, 100),  N]),
    ("native100", P5,        [(5, 100),   N,        "-",      (5, 100),  N]),
    ("native100", (0, 100),  [(0, 100),   N,        "-",      (0, 100),  N]),
    ("native100", (7, 300),  [(7, 300),   "-",      "-",      "-",       (7, 300)]),
]


def tagged(tag, payload, src=A, dst=BROADCAST):
    f = Ether(src=src, dst=dst)
    if tag:
        f /= Dot1Q(prio=tag[0], vlan=tag[1])
    f.lastlayer().type = 0x88B5
    return f / Raw(payload)


def tag_of(data):
    f = Ether(data)
    return ((f[Dot1Q].prio, f[Dot1Q].vlan) if Dot1Q in f else None), bytes(f[Raw])


@pytest.mark.parametrize("size", [46, 1400], ids=["copied", "lent"])
@pytest.mark.parametrize("ingress", KINDS)
def test_each_tag_leaves_each_kind_of_port_as_it_should(switch, tmp_path, ingress, size):
    files = {kind: str(tmp_path / kind) for kind in KINDS}
    sw = switch({"in": KINDS[ingress]}
                | {f"g-{kind}": keys for kind, keys in KINDS.items()}
                | {f"d-{kind}": {"type": "ethdev", **keys,
                                 "device": f"net_pcap{i},tx_pcap={files[kind]}"}
                   for i, (kind, keys) in enumerate(KINDS.items())})
    guest = sw.guest("in")
    others = {kind: sw.guest(f"g-{kind}") for kind in KINDS}
    rows = [row for row in TABLE if row[0] == ingress]
    expected = {kind: [] for kind in KINDS}
    dropped = 0
    for i, (_, tag, outs) in enumerate(rows):
        payload = bytes([i]) * size
        guest.send(bytes(tagged(tag, payload)))
        for kind, out in zip(KINDS, outs):
            if out != "-":
                expected[kind].append((out, payload))
        dropped += outs == ["-"] * len(KINDS)
    for kind, other in others.items():
        got = [tag_of(other.recv()) for _ in expected[kind]]
        assert got == expected[kind], kind
        assert other.recv_all(0.02) == []
        other.assert_orderly()
    assert sw.drops("in") == ({"vlan": dropped} if dropped else {})
    sw.stop()
    for kind, path in files.items():
        assert [tag_of(bytes(f)) for f in rdpcap(path)] == expected[kind], kind


def test_stations_are_learned_in_each_vlan_on_its_own(switch):
    sw = switch({"t": KINDS["trunk"], "a": {"vlan": 100}, "b": {"vlan": 200}, "u": KINDS["trunk"]})
    t, a, b, u = (sw.guest(n) for n in "tabu")
    a.send(frame(BROADCAST, B))
    assert wait_until(lambda: t.recv_all(0.01) != [])
    u.recv_all(0.02)
    for vlan, receivers in (100, [a]), (200, [b, u]):
        f = bytes(tagged((0, vlan), b"x" * 46, dst=B))
        t.send(f)
        assert [g for g in (a, b, u) if g.recv_all(0.1)] == receivers
    rows = {(row["mac"], row["vlan"]): row["port"] for row in sw.table("/vhost_switch/fdb", "")}
    text = ":".join(f"{x:02x}" for x in B)
    assert rows[text, 100] == "a" and (text, 200) not in rows


def test_other_tag_types_and_inner_tags_are_transparent(switch):
    sw = switch({"a": {"vlan": 100}, "b": {"vlan": 100}, "t": {"trunk": "100"}})
    a, b, t = (sw.guest(n) for n in "abt")
    inner = Dot1Q(vlan=8, type=0x88B5) / Raw(b"q" * 60)
    qinq = bytes(Ether(src=A, dst=BROADCAST) / Dot1AD(vlan=7) / inner)
    a.send(qinq)
    assert b.recv() == qinq
    on_trunk = t.recv()
    assert on_trunk[12:16] == bytes.fromhex("81000064")
    assert on_trunk[:12] + on_trunk[16:] == qinq
    # A customer's tag inside the trunk's.
    t.send(bytes(Ether(src=B, dst=BROADCAST) / Dot1Q(vlan=100) / inner))
    assert a.recv() == b.recv() == bytes(Ether(src=B, dst=BROADCAST) / inner)


def exchange(raw, request):
    """Send a frame; the answer with the tag that the kernel took off it."""
    raw.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    raw.settimeout(5)
    raw.send(bytes(request))
    while True:
        data, aux, _, _ = raw.recvmsg(70000, 256)
        answer = Ether(data)
        if answer.src == request.src or answer.dst != request.src:
            continue
        for level, kind, value in aux:
            if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
                status, tci = struct.unpack("=I12xH", value[:18])
                return answer, tci & 0xFFF if status & TP_STATUS_VLAN_VALID else None


def test_the_kernel_behind_an_access_port_answers_in_its_vlan_only(switch, host, inner):
    right = inner()
    sw = switch({
        "trunk": {"type": "ethdev", "device": "net_tap0,iface=vstest0", "trunk": "100,200"},
        "access": {"type": "ethdev", "device": "net_tap1,iface=vstest1", "vlan": 100}})
    right.take("vstest1", host, "10.9.0.2/24")
    me, raw = "02:00:00:00:00:77", host.open("vstest0", ETH_P_ALL).s

    def of(vlan, dst):
        return Ether(src=me, dst=dst) / Dot1Q(vlan=vlan, prio=3)

    arp = ARP(op="who-has", hwsrc=me, psrc="10.9.0.1", pdst="10.9.0.2")
    answer, vlan = exchange(raw, of(100, "ff:ff:ff:ff:ff:ff") / arp)
    assert vlan == 100 and answer[ARP].psrc == "10.9.0.2"
    # The largest that fits: the tag comes on top of the MTU.
    for size in 8, 1472:
        echo = IP(src="10.9.0.1", dst="10.9.0.2") / ICMP() / Raw(b"e" * size)
        answer, vlan = exchange(raw, of(100, answer.src) / echo)
        assert vlan == 100 and bytes(answer[Raw]) == b"e" * size
    with pytest.raises(TimeoutError):
        raw.send(bytes(of(200, "ff:ff:ff:ff:ff:ff") / arp))
        raw.settimeout(0.3)
        while Ether(raw.recv(70000)).src == me:
            pass
    assert sw.drops("trunk") == {"no_receiver": 1}
    raw.close()


def test_a_wire_carries_everything_and_keeps_to_itself(switch):
    sw = switch({"a": {"peer": "b"}, "b": {}, "c": {}, "d": {}})
    a, b, c, d = (sw.guest(n) for n in "abcd")
    c.send(frame(BROADCAST, B))
    d.recv()
    frames = [frame(BROADCAST, A), frame(B, A), frame(bytes.fromhex("0180c2000000"), A),
              frame(A, A), frame(B, BROADCAST), bytes(tagged((1, 77), b"x" * 1400))]
    for f in frames:
        a.send(f)
        assert b.recv() == f
        b.send(f)
        assert a.recv() == f
    assert c.recv_all(0.05) == d.recv_all() == []
    assert set(sw.fdb()) == {B}
    assert sw.drops("a") == sw.drops("b") == {}
    assert sw.port("a")["mode"] == "wire" and sw.port("b")["peer"] == "a"
    # One end gone: its frames are lost under a name, and go to nobody else.
    b.close()
    assert wait_until(lambda: not sw.port("b")["up"])
    a.send(frame(BROADCAST, A))
    assert wait_until(lambda: sw.drops("b") == {"not_ready": 1})
    assert c.recv_all(0.05) == []


def test_a_port_tells_its_vlans_and_its_peer(switch):
    odd = ",".join(str(v) for v in range(1001, 1121, 2))
    sw = switch({"plain": {}, "access": {"vlan": 100}, "trunk": {"trunk": "300,100-102,103"},
                 "native": {"trunk": 200, "native-vlan": 7}, "all": {"trunk": "1-4094"},
                 "odd": {"trunk": odd[:odd.rfind(",", 0, 250)]}, "end": {"peer": "other"},
                 "other": {"type": "ethdev", "device": "net_pcap0,rx_pcap=/does/not/exist"}})
    said = {name: {k: sw.port(name)[k] for k in ("mode", "vlan", "trunk", "peer", "session")
                   if k in sw.port(name)}
            for name in ("plain", "access", "trunk", "native", "all", "odd", "end")}
    shown = said["odd"].pop("trunk")
    assert shown.endswith(",...") and odd.startswith(shown[:-3]) and 110 < len(shown) < 128
    assert said == {
        "plain": {"mode": "plain", "vlan": 0, "session": "listening"},
        "access": {"mode": "access", "vlan": 100, "session": "listening"},
        "trunk": {"mode": "trunk", "trunk": "100-103,300", "session": "listening"},
        "native": {"mode": "trunk", "vlan": 7, "trunk": "7,200", "session": "listening"},
        "all": {"mode": "trunk", "trunk": "1-4094", "session": "listening"},
        "odd": {"mode": "trunk", "session": "listening"},
        "end": {"mode": "wire", "peer": "other", "session": "listening"},
    }
    assert sw.port("other")["state"] == "absent"
    assert sw.log.count("port other: ") == 1
