# SPDX-License-Identifier: BSD-3-Clause
"""Devices that are not there at the start, go while they are used, and come back. Everything
happens in network namespaces of the test's own."""

import contextlib
import os
import time

import pytest

from fakeguest import BROADCAST, frame, mac, wait_until

A, B, K = mac(1), mac(2), mac(0x70)
TAP = {"type": "ethdev", "device": "net_tap0,iface=vstest0"}
PACKET = {"type": "ethdev", "device": "net_af_packet0,iface=vp0"}


def running(sw, name, up=1):
    port = sw.port(name)
    return port["state"] == "running" and port["up"] == up


def lines(sw, name):
    return [line for line in sw.log.splitlines() if f"port {name}:" in line]


def guests_reach_each_other(sw, a, b):
    f = frame(B, A, os.urandom(1)[0] + 300)
    a.send(f)
    assert b.recv() == f


def n_fds(sw):
    """Telemetry closes its connections some time after we have closed ours."""
    return min(sw.n_fds() for _ in range(20) if time.sleep(0.01) is None)


@contextlib.contextmanager
def device_changes(sw):
    """What the device has open is part of an idle switch from then on."""
    before = n_fds(sw)
    yield
    sw.n_fds_idle += n_fds(sw) - before


def make_veth(host):
    host.ip("link add vp0 type veth peer name vp1")
    for name in ("vp0", "vp1"):
        host.no_offloads(name)
        host.ip(f"link set {name} up")


def reaches_the_kernel(guest, kernel):
    f = frame(K, A, 1000, seq=os.urandom(1)[0])
    guest.send(f)
    assert kernel.recv() == f


def test_a_switch_whose_only_device_is_absent_waits_for_it(switch, host):
    sw = switch({"p": PACKET})
    port = sw.port("p")
    assert (port["state"], port["up"], port["driver"]) == ("absent", 0, "")
    assert port["lending"] == "none: it does not run"
    assert "0 of 1 ports" in sw.log
    with device_changes(sw):
        make_veth(host)
        assert wait_until(lambda: running(sw, "p"))
    port = sw.port("p")
    assert (port["driver"], port["lending"]) == ("net_af_packet", "lent")


def test_a_device_that_comes_later_is_opened_and_was_missed_in_one_line(switch, host):
    sw = switch({"p": PACKET, "a": {}, "b": {}})
    a, b = sw.guest("a"), sw.guest("b")
    a.send(frame(K, A))
    assert b.recv() == frame(K, A)
    guests_reach_each_other(sw, a, b)
    line, = lines(sw, "p")
    assert line.endswith("there is no network interface vp0")
    with device_changes(sw):
        make_veth(host)
        assert wait_until(lambda: running(sw, "p"))
    kernel = host.open("vp1")
    reaches_the_kernel(a, kernel)
    kernel.send(frame(A, K, 700))
    assert a.recv() == frame(A, K, 700)
    kernel.close()
    port = sw.port("p")
    assert (port["opens"], port["losses"]) == (1, 0)


def test_a_driver_that_refuses_again_is_logged_no_more(switch):
    sw = switch({"p": {"type": "ethdev", "device": "net_null0,nosuch=1"}, "a": {}})
    assert "driver refused it" in sw.port("p")["last_error"] and "EAL: " in sw.log
    before = sw.log
    time.sleep(3.5)  # it is tried after 1 s and 3 s
    assert sw.log == before


@pytest.mark.parametrize("config, interface, back", [
    (PACKET, "vp0", make_veth), (TAP, "vstest0", lambda host: None)], ids=["af_packet", "tap"])
def test_a_deleted_interface_is_missed_and_its_port_comes_back(switch, host, config, interface,
                                                               back):
    make_veth(host)
    far = "vp1" if interface == "vp0" else interface
    sw = switch({"p": config, "a": {}, "b": {}})
    a, b = sw.guest("a"), sw.guest("b")
    for round_ in range(3):
        assert wait_until(lambda: running(sw, "p"))
        kernel = host.open(far)
        kernel.send(frame(BROADCAST, K))
        assert a.recv() == frame(BROADCAST, K) == b.recv()
        reaches_the_kernel(a, kernel)
        host.ip(f"link del {interface}")
        kernel.close()
        assert wait_until(lambda: sw.port("p")["losses"] == round_ + 1)
        assert "interface was" in "".join(lines(sw, "p"))
        assert wait_until(lambda: K not in sw.fdb())
        guests_reach_each_other(sw, a, b)
        back(host)
    assert wait_until(lambda: running(sw, "p"))
    assert sw.port("p")["opens"] == 4


def test_frames_for_a_device_that_is_gone_are_dropped_by_name(switch, host):
    make_veth(host)
    sw = switch({"p": {**PACKET, "static-mac": K.hex(":")}, "a": {}})
    a = sw.guest("a")
    host.ip("link del vp0")
    assert wait_until(lambda: sw.port("p")["state"] == "absent")
    before = sw.drops("p").get("link_down", 0)
    for _ in range(20):
        a.send(frame(K, A, 1000))
    assert wait_until(lambda: sw.drops("p").get("link_down", 0) == before + 20)
    a.assert_orderly()


def test_an_interface_that_is_replaced_at_once_is_left_for_the_new_one(switch, host):
    make_veth(host)
    sw = switch({"p": PACKET, "a": {}})
    a = sw.guest("a")
    host.ip("link del vp0")
    make_veth(host)
    assert wait_until(lambda: sw.port("p")["losses"] == 1 and running(sw, "p"))
    kernel = host.open("vp1")
    reaches_the_kernel(a, kernel)
    kernel.close()


def test_a_switch_ends_in_order_while_a_device_is_absent(switch, host):
    make_veth(host)
    sw = switch({"p": PACKET, "q": {"type": "ethdev", "device": "0000:ff:1f.7"}})
    host.ip("link del vp0")
    assert wait_until(lambda: sw.port("p")["state"] == "absent")
    assert sw.port("q")["last_error"] == "device 0000:ff:1f.7: there is no such device"
