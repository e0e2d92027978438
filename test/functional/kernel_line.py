# SPDX-License-Identifier: BSD-3-Clause
"""A switch with guests that have a network stack on one side, and the kernel's behind one of its
devices on the other."""

import contextlib
import re
import signal
import subprocess

from fakeguest import frame, mac, wait_until
from netns import Namespace
from station import INTERFACE, Station

A, B = mac(1), mac(2)
GUEST, KERNEL = "10.9.0.2", "10.9.0.1"
DEVICES = {
    "tap": "net_tap0,iface=vskernel",
    "af_packet": "net_af_packet0,iface=vsveth",
    "af_xdp": "net_af_xdp0,iface=vsveth",
}


class Line:
    """A switch with a kernel device, and the namespace of the device's other end."""

    def __init__(self, stack, start, kind, ports, **keys):
        self.host, self.kernel = (stack.enter_context(contextlib.closing(Namespace()))
                                  for _ in range(2))
        self.end = "vskernel"
        if kind != "tap":
            self.host.ip(f"link add vsveth type veth peer name {self.end}")
            self.kernel.take(self.end, self.host)
            self.host.ip("link set vsveth up")
        with self.host:
            self.sw = start({**ports, "dev": {"type": "ethdev", "device": DEVICES[kind], **keys}})
        if kind == "tap":
            self.kernel.take(self.end, self.host)
        else:
            self.kernel.no_offloads(self.end)
        assert wait_until(lambda: self.sw.port("dev")["up"])

    def address(self, address, vlan=None):
        """Of the kernel, or of its VLAN device."""
        name = self.end
        if vlan:
            name = f"{self.end}.{vlan}"
            self.kernel.ip(f"link add link {self.end} name {name} type vlan id {vlan}")
            self.kernel.ip(f"link set {name} up")
        self.kernel.ip(f"addr add {address}/24 dev {name}")

    def guest(self, port, address, mac_of=A):
        st = Station(self.sw.path(port), mac_of, f"{address}/24")
        self.sw.guests.append(st)
        return st


def iperf3(server, client, address, *more):
    """4 MiB of TCP."""
    with server:
        p = subprocess.Popen(["iperf3", "-s", "-1", "-J"], stdout=subprocess.PIPE, text=True)
    assert wait_until(lambda: ":5201" in server.run("ss", "-ltn"))
    client.run("iperf3", "-c", address, "-n", "4M", *more)
    out, _ = p.communicate(timeout=30)
    assert p.returncode == 0, out


def vlans(ln):
    """The kernel has VLAN devices on the trunk, guests have access ports red and blue."""
    ln.address(KERNEL, 100)
    ln.address("10.8.0.1", 200)
    red, blue = ln.guest("red", GUEST), ln.guest("blue", "10.8.0.2", B)
    with ln.kernel:
        dump = subprocess.Popen(
            ["tcpdump", "-i", ln.end, "-e", "-n", "-l", "-Z", "root", "icmp"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert "listening" in dump.stderr.readline() + dump.stderr.readline()
    for size in (8, 1472):  # the tag comes on top of the MTU
        red.ns.ping(KERNEL, size, 5)
        blue.ns.ping("10.8.0.1", size, 5)
    dump.send_signal(signal.SIGINT)
    seen, _ = dump.communicate(timeout=60)
    tags = re.findall(r"vlan (\d+),.*? (10\.\d)\.0\.\d >", seen)
    assert set(tags) == {("100", "10.9"), ("200", "10.8")}, seen
    iperf3(ln.kernel, red.ns, KERNEL)
    iperf3(blue.ns, ln.kernel, "10.8.0.2")
    # An address of the other VLAN does not make it reachable.
    blue.ns.ip(f"addr add 10.9.0.3/24 dev {INTERFACE}")
    try:
        blue.ns.run("ping", "-n", "-c", "2", "-i", "0.1", "-W", "1", KERNEL)
    except AssertionError as e:
        assert "100% packet loss" in str(e), e
    else:
        raise AssertionError("blue reaches what is in red's VLAN")


def exchange(guest, guest_mac, other, other_mac, sizes, **how):
    """A frame of each size there and back, whole; how: as the guest sends it."""
    for size in sizes:
        f = frame(other_mac, guest_mac, size, seq=size)
        guest.send(f, **how)
        assert other.recv() == f, size
        f = frame(guest_mac, other_mac, size, seq=size)
        other.send(f)
        assert guest.recv() == f, size
