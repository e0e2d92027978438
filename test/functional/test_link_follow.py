# SPDX-License-Identifier: BSD-3-Clause
"""Guests whose link follows that of another port."""

import os
import socket
import time

import pytest

from fakeguest import FEATURES, F_PACKED, frame, mac, wait_until

A, B, K = mac(1), mac(2), mac(0x70)
TAP = {"type": "ethdev", "device": "net_tap0,iface=vstest0"}


def session(sw, name, state):
    return wait_until(lambda: sw.port(name)["session"] == state)


def begins(sw, name):
    """What it has open without a guest is there only now."""
    assert wait_until(lambda: sw.port(name)["session"] in ("listening", "connecting"))
    sw.n_fds_idle = sw.n_fds()


def reaches_the_kernel(guest, host):
    kernel = host.open("vstest0")
    f = frame(K, A, 1000, seq=os.urandom(1)[0])
    guest.send(f)
    assert kernel.recv() == f
    f = frame(A, K, 700)
    kernel.send(f)
    assert guest.recv() == f
    kernel.close()


@pytest.mark.parametrize("features", [FEATURES, FEATURES | F_PACKED])
@pytest.mark.parametrize("role", ["server", "client"])
def test_a_guests_link_is_down_while_that_of_the_uplink_is(switch, host, role, features):
    sw = switch({"t": TAP, "a": {"link-follow": "t", "role": role}, "b": {}})
    begins(sw, "a")
    b = sw.guest("b", features=features)
    a = (sw.listener if role == "client" else sw.guest)("a", features=features)
    reaches_the_kernel(a, host)
    for _ in range(3):
        host.ip("link set vstest0 down")
        assert a.hung_up()
        assert session(sw, "a", "held")
        assert not sw.port("a")["up"]
        # The others are served meanwhile, and what is for it is dropped by name.
        b.send(frame(A, B))
        assert sw.port("b")["session"] == "connected"
        assert os.path.exists(sw.path("a")) == (role == "client")
        host.ip("link set vstest0 up")
        if role == "server":
            assert session(sw, "a", "listening")
            a.connect()
        else:
            a.accept()
        # Its driver kept its rings.
        a.come_back(features=features)
        reaches_the_kernel(a, host)
    assert sw.port("a")["connects"] == 4


def test_a_short_loss_of_the_link_is_not_told(switch, host):
    sw = switch({"t": TAP, "a": {"link-follow": "t"}})
    begins(sw, "a")
    a = sw.guest("a")
    # Shorter than the switch may need to see it, and far shorter than it waits.
    host.ip("link set vstest0 down")
    host.ip("link set vstest0 up")
    reaches_the_kernel(a, host)
    time.sleep(0.5)
    assert sw.port("a")["connects"] == 1 and sw.port("a")["session"] == "connected"


def test_nobody_connects_before_the_device_is_there(switch, host):
    sw = switch({"p": {"type": "ethdev", "device": "net_af_packet0,iface=vp0"},
                 "a": {"link-follow": "p"}})
    assert sw.port("a")["session"] == "held"
    with socket.socket(socket.AF_UNIX) as s, pytest.raises(FileNotFoundError):
        s.connect(sw.path("a"))
    assert wait_until(lambda: "port a: its guest's link is down, as that of port p" in sw.log)
    host.ip("link add vp0 type veth peer name vp1")
    for name in "vp0", "vp1":
        host.ip(f"link set {name} up")
    begins(sw, "a")
    a, kernel = sw.guest("a"), host.open("vp1")
    a.send(frame(K, A, 1000))
    assert kernel.recv() == frame(K, A, 1000)
    kernel.close()


def test_a_guest_follows_another_guest(switch):
    sw = switch({"a": {"link-follow": "b"}, "b": {}})
    assert sw.port("a")["session"] == "held"
    b = sw.guest("b")
    assert session(sw, "a", "listening")
    a = sw.guest("a")
    a.send(frame(B, A))
    assert b.recv() == frame(B, A)
    b.disconnect()
    assert a.hung_up()
    assert session(sw, "a", "held")


def test_a_socket_that_cannot_be_made_is_said_and_tried_again(switch):
    sw = switch({"a": {"link-follow": "b"}, "b": {}})
    with open(sw.path("a"), "w"):
        pass
    sw.guest("b")
    assert wait_until(lambda: "no socket" in sw.port("a")["last_error"])
    assert sw.port("a")["session"] == "held"
    os.unlink(sw.path("a"))
    assert session(sw, "a", "listening")
    sw.n_fds_idle += 1
    assert sw.log.count("no socket") == 1
