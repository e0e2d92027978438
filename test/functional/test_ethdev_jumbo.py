# SPDX-License-Identifier: BSD-3-Clause
"""Frames longer than a packet buffer: received into one large one (af_packet), or into several
(a virtio device with mergeable buffers)."""

from fakeguest import BROADCAST, FEATURES, F_MQ, frame, mac, wait_until
from kernel_line import exchange
from netns import transfer

A, B, K = mac(1), mac(2), mac(0x70)
MTU = 9000
LONGEST = MTU + 14
SLOTS = "blocksz=65536,framesz=16384,framecnt=64"
SIZES = [60, 1514, 2000, 2048, 2049, 4096, 4097, 6200, 8999, LONGEST - 1, LONGEST]
LARGE = {"regions": ((0, 8 << 20), (4 << 30, 24 << 20)), "slot": 16384, "slots": 64,
         "features": FEATURES & ~F_MQ}


def veth(host, ns, name, address):
    end = f"end-{name}"
    host.ip(f"link add {name} mtu {MTU} type veth peer name {end} mtu {MTU}")
    ns.take(end, host, address)
    ns.no_offloads(end)
    host.ip(f"link set {name} up")
    return end


def test_two_namespaces_exchange_jumbo_frames_through_af_packet(switch, host, inner):
    left, right, ports = inner(), inner(), {}
    for i, ns in enumerate((left, right)):
        veth(host, ns, f"vs{i}", f"10.9.0.{i + 1}/24")
        ports[f"p{i}"] = {"type": "ethdev", "mtu": MTU,
                          "device": f"net_af_packet{i},iface=vs{i},{SLOTS}"}
    sw = switch(ports)
    out = left.run("ping", "-n", "-c", "5", "-i", "0.05", "-W", "3", "-M", "do",
                   "-s", str(MTU - 28), "10.9.0.2")
    assert " 0% packet loss" in out, out
    transfer(left, right, "10.9.0.2")
    transfer(right, left, "10.9.0.1")
    for name in ports:
        assert sw.port(name)["mtu"] == MTU
        assert "oversize" not in sw.drops(name) and "too_big" not in sw.drops(name)


def test_a_guest_and_af_packet_exchange_jumbo_frames_and_longer_ones_are_dropped(switch, host,
                                                                                 inner):
    ns = inner()
    kernel_end = veth(host, ns, "vs0", "10.9.0.1/24")
    sw = switch({"p": {"type": "ethdev", "device": f"net_af_packet0,iface=vs0,{SLOTS}",
                       "mtu": MTU}, "a": {}})
    a, kernel = sw.guest("a", **LARGE), ns.open(kernel_end)
    exchange(a, A, kernel, K, SIZES, n_desc=3)
    a.send(frame(K, A, LONGEST + 1))
    assert wait_until(lambda: sw.drops("p") == {"too_big": 1})
    kernel.close()


def test_jumbo_frames_are_received_into_several_buffers(switch):
    far = switch({"in": {}, "c": {}})
    near = switch({"a": {}, "dev": {
        "type": "ethdev", "device": f"net_virtio_user0,path={far.dir}/in.sock", "mtu": MTU}})
    assert wait_until(lambda: far.port("in")["up"] and near.port("dev")["up"])
    assert near.port("dev")["mtu"] == MTU
    near.n_fds_idle = near.n_fds()
    a, c = near.guest("a", **LARGE), far.guest("c", **LARGE)
    a.send(frame(BROADCAST, A))
    assert c.recv() == frame(BROADCAST, A)
    exchange(a, A, c, B, SIZES, n_desc=4)
    exchange(c, B, a, A, SIZES, n_desc=4)
    assert near.drops("dev") == far.drops("in") == {}
    a.close()
    c.close()
    near.buffers_idle = near.free_buffers()  # a device keeps what it sent until its next burst
    near.stop()


def test_slots_that_no_buffer_holds_are_refused_in_words(switch, host, inner):
    veth(host, inner(), "vs0", "10.9.0.1/24")
    sw = switch({"p": {"type": "ethdev", "device": "net_af_packet0,iface=vs0,blocksz=131072,"
                       "framesz=131072,framecnt=4"}, "a": {}})
    assert wait_until(lambda: "need buffers of 131072 bytes, 65407 at most" in
                      sw.port("p")["last_error"]), sw.log


def test_what_is_refused_leaves_the_interfaces_mtu_alone(switch, host, inner):
    veth(host, inner(), "vs0", "10.9.0.1/24")
    sw = switch({"p": {"type": "ethdev", "device": "net_af_packet0,iface=vs0", "mtu": 8000},
                 "a": {}})
    assert wait_until(lambda: "framesz=2048 is too small for an MTU of 8000" in
                      sw.port("p")["last_error"]), sw.log
    assert f" mtu {MTU} " in host.ip("link show vs0")
