# SPDX-License-Identifier: BSD-3-Clause
"""Devices with several receive queues: who polls them, and that nothing is lost or overtaken."""

import pytest

from fakeguest import BROADCAST, frame, mac, wait_until

A = mac(1)
# Three that poll would leave neither the kernel nor the guest a CPU.
WORKERS = {"workers": "1-3", "cpus": 4, "idle": "adaptive"}
TAP = {"type": "ethdev", "device": "net_tap0,iface=vstest0"}
FLOWS, FRAMES = 16, 20


def rx(sw, name):
    return [q for q in sw.queues(name) if q["dir"] == "rx"]


def station(flow):
    return mac(0x100 + flow)


@pytest.mark.parametrize("keys, n", [({}, 3), ({"rx-queues": 2}, 2), ({"rx-queues": 1}, 1)])
def test_the_queues_of_a_tap_are_spread_over_the_workers(switch, host, keys, n):
    sw = switch({"t": {**TAP, **keys}, "a": {}}, **WORKERS)
    assert wait_until(lambda: all(q["worker"] >= 0 for q in rx(sw, "t")))
    assert sw.port("t")["rx_queues"] == sw.port("t")["tx_queues"] == n
    assert len({q["worker"] for q in rx(sw, "t")}) == n
    a = sw.guest("a")
    assert wait_until(lambda: sw.port("a")["up"])
    a.send(frame(BROADCAST, A))
    kernel = host.open("vstest0")
    assert wait_until(lambda: A in sw.fdb())
    # The kernel hashes a frame's addresses to a queue.
    got = []
    for seq in range(FRAMES):
        for flow in range(FLOWS):
            kernel.send(frame(A, station(flow), 200, seq=seq))
        n = (seq + 1) * FLOWS
        assert wait_until(lambda: got.extend(a.recv_all(0.05)) or len(got) >= n), sw.drops("a")
    for flow in range(FLOWS):
        mine = [f for f in got if f[6:12] == station(flow)]
        assert mine == [frame(A, station(flow), 200, seq=seq) for seq in range(FRAMES)]
    assert sw.drops("t") == sw.drops("a") == {}
    kernel.close()


def test_a_device_with_fewer_queues_than_workers_says_so_in_one_line(switch, host):
    sw = switch({"p": {"type": "ethdev", "device": "net_pcap0,tx_pcap=/dev/null"}, "a": {}},
                **WORKERS)
    lines = [line for line in sw.log.splitlines() if "port p:" in line and "workers:" in line]
    assert len(lines) == 1 and "1 receive queue for 3 workers" in lines[0], sw.log
    assert sw.port("p")["rx_queues"] == 1


def test_queues_that_a_devices_arguments_make_are_all_polled(switch, host):
    host.ip("link add vsveth type veth peer name vspeer")
    host.ip("link set vspeer up")
    host.ip("link set vsveth up")
    sw = switch({"p": {"type": "ethdev", "device": "net_af_packet0,iface=vsveth,qpairs=2",
                       "rx-queues": 2}, "a": {}})
    assert [q["worker"] for q in rx(sw, "p")] == [0, 0]
    a, kernel = sw.guest("a"), host.open("vspeer")
    a.send(frame(BROADCAST, A))
    assert wait_until(lambda: A in sw.fdb())
    for flow in range(FLOWS):
        kernel.send(frame(A, station(flow), 200))
    got = []
    assert wait_until(lambda: got.extend(a.recv_all(0.1)) or len(got) >= FLOWS)
    assert {f[6:12] for f in got} == {station(flow) for flow in range(FLOWS)}
    kernel.close()
