# SPDX-License-Identifier: BSD-3-Clause
"""DPDK devices as ports: tap and af_packet with the kernel at their other end, capture files,
null. Everything happens in network namespaces of the test's own."""

import os
import subprocess

import pytest
from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw
from scapy.utils import rdpcap, wrpcap

from fakeguest import BROADCAST, OWN, SHARED, frame, mac, wait_until
from kernel_line import exchange
from netns import ETHERTYPE, transfer

A, B, K = mac(1), mac(2), mac(0x70)
COPYBREAK = 256
MTU_FRAME = 1514
TAP = {"type": "ethdev", "device": "net_tap0,iface=vstest0"}


def lost(sw, *names):
    return {name: drops for name in names if (drops := sw.drops(name))}


def tx_counts(sw, name):
    port = sw.port(name)
    return port["tx_frames"], port["tx_copied"], port["tx_loaned"]


def traffic_was_on_at_the_start(sw):
    """What was free then is no measure: ports without a ring of their own hold nothing."""
    sw.buffers_idle = {row["name"]: row["size"] for row in sw.table("/vhost_switch/buffers")}


def no_device_errors(sw, name):
    port = sw.port(name)
    return {k: v for k, v in port.items() if k.startswith("device_") and k != "device" and v} == {}


# -- tap


def test_two_namespaces_ping_each_other_through_taps(switch, host, inner):
    sw = switch({"t0": TAP, "t1": {"type": "ethdev", "device": "net_tap1,iface=vstest1"}})
    left, right = inner(), inner()
    left.take("vstest0", host, "10.9.0.1/24")
    right.take("vstest1", host, "10.9.0.2/24")
    # The largest that fits the MTU, and must not be fragmented.
    for size in (8, 56, 700, 1472):
        out = left.run("ping", "-n", "-c", "5", "-i", "0.05", "-W", "3", "-M", "do",
                       "-s", str(size), "10.9.0.2")
        assert " 0% packet loss" in out, out
    assert set(sw.fdb().values()) == {"t0", "t1"}
    # Its link is out of sight, not down.
    assert sw.port("t0")["up"] == sw.port("t1")["up"] == 1
    assert lost(sw, "t0", "t1") == {}
    assert no_device_errors(sw, "t0") and no_device_errors(sw, "t1")


def test_tcp_passes_between_taps(switch, host, inner):
    switch({"t0": TAP, "t1": {"type": "ethdev", "device": "net_tap1,iface=vstest1"}})
    left, right = inner(), inner()
    left.take("vstest0", host, "10.9.0.1/24")
    right.take("vstest1", host, "10.9.0.2/24")
    transfer(left, right, "10.9.0.2")
    transfer(right, left, "10.9.0.1")


@pytest.mark.parametrize("n_desc, header, indirect", [
    (1, SHARED, False), (1, OWN, False), (4, SHARED, False), (7, OWN, True)])
def test_frames_of_every_size_pass_between_a_guest_and_a_tap(switch, host, n_desc, header,
                                                             indirect):
    sw = switch({"t": TAP, "a": {}})
    a = sw.guest("a")
    kernel = host.open("vstest0")
    sizes = range(60, MTU_FRAME + 1)
    exchange(a, A, kernel, K, sizes, n_desc=n_desc, header=header, indirect=indirect)
    a.assert_orderly()
    # What was lent was given back: nothing is on loan, nothing was copied.
    n_long = sum(size > COPYBREAK for size in sizes)
    assert tx_counts(sw, "t") == (len(sizes), 0, n_long)
    assert sw.port("t")["lending"] == "lent"
    assert sw.queue("a", "rx")["loans"] == 0
    assert lost(sw, "t", "a") == {}
    assert no_device_errors(sw, "t")
    kernel.close()


def test_bursts_pass_between_a_guest_and_a_tap(switch, host):
    sw = switch({"t": TAP, "a": {}})
    a = sw.guest("a")
    kernel = host.open("vstest0")
    for k in range(20):
        frames = [frame(K, A, 60 + (k * 97 + i * 31) % 1400, seq=k * 64 + i) for i in range(64)]
        for f in frames:
            a.send(f, n_desc=2)
        assert [kernel.recv() for _ in frames] == frames
    assert lost(sw, "t", "a") == {}
    kernel.close()


def test_frames_above_a_taps_mtu_are_dropped_by_name(switch, host):
    sw = switch({"t": TAP, "a": {}})
    a = sw.guest("a", slot=70000, slots=64, regions=((0, 8 << 20), (4 << 30, 24 << 20)))
    kernel = host.open("vstest0")
    too_big = (MTU_FRAME + 1, 2000, 9000, 65535)
    for size in too_big:
        a.send(frame(K, A, size), n_desc=8)
        good = frame(K, A, MTU_FRAME, seq=size)
        a.send(good, n_desc=8)
        assert kernel.recv() == good
    assert lost(sw, "t") == {"t": {"too_big": len(too_big)}}
    assert sw.port("t")["device_tx_errors"] == 0
    kernel.close()


def test_a_tagged_frame_may_be_longer_by_its_tag(switch, host):
    sw = switch({"t": TAP, "a": {}})
    a = sw.guest("a")
    kernel = host.open("vstest0", 3)  # ETH_P_ALL: the kernel takes the tag off
    tagged = bytes(Ether(dst=K, src=A) / Dot1Q(vlan=5, type=ETHERTYPE)
                   / Raw(os.urandom(MTU_FRAME - 14)))
    assert len(tagged) == MTU_FRAME + 4
    a.send(tagged)
    assert kernel.recv() == tagged[:12] + tagged[16:]
    assert lost(sw, "t") == {}
    kernel.close()


def test_the_kernel_pings_a_guest(switch, host, inner):
    sw = switch({"t": TAP, "a": {}})
    a = sw.guest("a")
    ns = inner()
    ns.take("vstest0", host, "10.9.0.1/24")
    ns.ip(f"neigh add 10.9.0.2 lladdr {A.hex(':')} dev vstest0")
    with ns:
        ping = subprocess.Popen(["ping", "-n", "-c", "3", "-i", "0.2", "-W", "5", "-s", "1000",
                                 "10.9.0.2"], stdout=subprocess.PIPE, text=True)
    for _ in range(3):
        request = a.recv(5)
        while request is not None and ICMP not in Ether(request):
            request = a.recv(5)
        p = Ether(request)
        answer = (Ether(dst=p.src, src=p.dst) / IP(src=p[IP].dst, dst=p[IP].src)
                  / ICMP(type="echo-reply", id=p[ICMP].id, seq=p[ICMP].seq) / p[Raw])
        a.send(bytes(answer), n_desc=3)
    out, _ = ping.communicate(timeout=20)
    assert "3 received" in out, out


def test_a_tap_that_goes_down_is_shown_and_forgotten(switch, host):
    sw = switch({"t": TAP, "a": {}})
    a = sw.guest("a")
    kernel = host.open("vstest0")
    kernel.send(frame(BROADCAST, K))
    assert wait_until(lambda: K in sw.fdb())
    host.ip("link set vstest0 down")
    assert wait_until(lambda: sw.port("t")["up"] == 0)
    assert K not in sw.fdb()
    kernel.close()
    host.ip("link set vstest0 up")
    assert wait_until(lambda: sw.port("t")["up"] == 1)
    kernel = host.open("vstest0")
    f = frame(K, A, 1000)
    a.send(f)
    assert kernel.recv() == f
    kernel.close()


def test_interfaces_go_with_the_switch(switch, host):
    sw = switch({"t": TAP})
    assert host.interfaces() == {"vstest0"}
    sw.stop()
    assert host.interfaces() == set()


# -- af_packet


@pytest.fixture
def veth(host, inner):
    """An interface of the switch's namespace, and the namespace of its other end, named end."""
    ns = inner()
    host.ip("link add vsveth type veth peer name end")
    ns.take("end", host)
    host.ip("link set vsveth up")
    return {"type": "ethdev", "device": "net_af_packet0,iface=vsveth"}, ns


def test_frames_of_every_size_pass_between_a_guest_and_af_packet(switch, host, veth):
    port, ns = veth
    sw = switch({"p": port, "a": {}})
    a = sw.guest("a")
    kernel = ns.open("end")
    sizes = range(60, MTU_FRAME + 1, 3)
    exchange(a, A, kernel, K, sizes, n_desc=3)
    n_long = sum(size > COPYBREAK for size in sizes)
    assert tx_counts(sw, "p") == (len(sizes), 0, n_long)
    assert sw.port("p")["lending"] == "lent"
    assert lost(sw, "p", "a") == {}
    assert no_device_errors(sw, "p")
    kernel.close()


def test_tcp_passes_between_af_packet_and_a_tap(switch, host, inner, veth):
    port, right = veth
    sw = switch({"p": port, "t": TAP})
    left = inner()
    left.take("vstest0", host, "10.9.0.1/24")
    right.ip("addr add 10.9.0.2/24 dev end")
    right.no_offloads("end")
    transfer(left, right, "10.9.0.2")
    transfer(right, left, "10.9.0.1")
    assert "oversize" not in sw.drops("p")


def test_a_tag_survives_af_packet_in_both_directions(switch, host, veth):
    port, ns = veth
    sw = switch({"p": port, "a": {}})
    a = sw.guest("a")
    kernel = ns.open("end", 3)
    for size in (60, 500, MTU_FRAME - 14):
        tagged = bytes(Ether(dst=A, src=K) / Dot1Q(vlan=5, type=ETHERTYPE)
                       / Raw(os.urandom(size)))
        kernel.send(tagged)
        assert a.recv() == tagged
        tagged = bytes(Ether(dst=K, src=A) / Dot1Q(vlan=5, type=ETHERTYPE)
                       / Raw(os.urandom(size)))
        a.send(tagged)
        assert kernel.recv() == tagged[:12] + tagged[16:]
    assert lost(sw, "p", "a") == {}
    kernel.close()


def test_af_packet_keeps_to_its_interfaces_mtu_and_link(switch, host, veth):
    port, ns = veth
    sw = switch({"p": port, "a": {}})
    a = sw.guest("a")
    kernel = ns.open("end")
    host.ip("link set vsveth mtu 1000")
    assert wait_until(lambda: sw.port("p")["mtu"] == 1000)
    a.send(frame(K, A, 1015))
    f = frame(K, A, 1014)
    a.send(f)
    assert kernel.recv() == f
    assert lost(sw, "p") == {"p": {"too_big": 1}}
    ns.ip("link set end down")
    assert wait_until(lambda: sw.port("p")["up"] == 0)
    kernel.close()


# -- files and null


def test_a_capture_file_gets_every_byte_in_copies(switch, host, tmp_path):
    path = tmp_path / "out.pcap"
    sw = switch({"dump": {"type": "ethdev", "device": f"net_pcap0,tx_pcap={path}"}, "a": {}})
    a = sw.guest("a")
    sent = [frame(BROADCAST, A, size, seq=size) for size in range(60, MTU_FRAME + 1, 9)]
    for i, f in enumerate(sent):
        a.send(f, n_desc=1 + i % 5)
        assert a.taken()
    assert wait_until(lambda: sw.port("dump")["tx_frames"] == len(sent))
    port = sw.port("dump")
    assert port["lending"].startswith("copied: ")
    assert port["tx_copied"] == sum(len(f) > COPYBREAK for f in sent)
    assert port["tx_loaned"] == 0
    assert port["tx_bytes"] == sum(map(len, sent))
    sw.stop()
    assert [bytes(p) for p in rdpcap(str(path))] == sent


def test_a_capture_file_is_replayed_into_another(switch, host, tmp_path):
    source, target = tmp_path / "in.pcap", tmp_path / "out.pcap"
    frames = [frame(BROADCAST, mac(100 + i % 7), 60 + i) for i in range(1000)]
    wrpcap(str(source), [Ether(f) for f in frames])
    # The receiver is up before the first frame is read.
    sw = switch({"out": {"type": "ethdev", "device": f"net_pcap1,tx_pcap={target}"},
                 "in": {"type": "ethdev", "device": f"net_pcap0,rx_pcap={source}"}})
    assert wait_until(lambda: sw.port("out")["tx_frames"] == len(frames))
    assert set(sw.fdb().values()) == {"in"}
    assert sw.port("in")["rx_bytes"] == sum(map(len, frames))
    traffic_was_on_at_the_start(sw)
    sw.stop()
    assert [bytes(p) for p in rdpcap(str(target))] == frames


def test_null_swallows_a_flood_while_guests_go_on(switch, host):
    sw = switch({"null": {"type": "ethdev", "device": "net_null0,no-rx=1"}, "a": {}, "b": {}})
    a, b = sw.guest("a"), sw.guest("b")
    sent = [frame(BROADCAST, A, 60 + i % 1400, seq=i) for i in range(500)]
    for f in sent:
        a.send(f)
        assert b.recv() == f
    assert tx_counts(sw, "null") == (500, 0, sum(len(f) > COPYBREAK for f in sent))
    assert lost(sw, "null", "a", "b") == {}


def test_what_null_makes_up_has_no_source_and_is_dropped_by_name(switch, host):
    sw = switch({"null": {"type": "ethdev", "device": "net_null0,copy=1"}, "a": {}, "b": {}})
    a, b = sw.guest("a"), sw.guest("b")
    stream = sw.stream(a, b, A, B, size_max=MTU_FRAME, size_step=7)
    stream.run(2000, timeout=20)
    assert set(sw.drops("null")) == {"src_invalid"}
    traffic_was_on_at_the_start(sw)
    assert lost(sw, "a", "b") == {}


# -- what cannot be


@pytest.mark.parametrize("device, why", [
    ("nosuchdriver0", "neither a PCI address nor the name of a driver"),
    ("0000:ff:1f.7", "there is no such device"),
    ("net_af_packet0,iface=nosuch0", "there is no network interface nosuch0"),
    ("net_pcap0,rx_pcap=/nonexistent", "cannot read /nonexistent"),
    ("net_null0,nosuch=1", "its driver refused it"),
    ("net_af_packet0,iface=lo,framesz=1024", "framesz=1024 is too small"),
    ("net_af_packet0,iface=lo,qpairs=2", "make 2 receive queues, the switch polls 1: set rx-queues = 2"),
])
def test_a_device_that_cannot_be_had_costs_only_its_port(switch, host, device, why):
    sw = switch({"bad": {"type": "ethdev", "device": device}, "a": {}, "b": {}})
    lines = [line for line in sw.log.splitlines() if "port bad" in line]
    assert len(lines) == 1 and why in lines[0], sw.log
    a, b = sw.guest("a"), sw.guest("b")
    f = frame(B, A)
    a.send(f)
    assert b.recv() == f
