# SPDX-License-Identifier: BSD-3-Clause
"""A Linux guest turns up on another port."""

import os
import signal

import pytest

PEER, OLD, NEW = 1, 2, 3
STATION = 4  # address of the one that moves


@pytest.mark.parametrize("by_guest", [
    pytest.param(True, id="guest_announces", marks=pytest.mark.full),
    pytest.param(False, id="qemu_announces")])
def test_an_announced_guest_is_found_on_its_new_port_at_once(start_switch, start_guest, folder,
                                                             by_guest):
    """Where it was nobody answers any more, and where it is it has not sent anything yet:
    as after a migration, in which QEMU announces in just this way."""
    switch = start_switch({f"vm{n}": {} for n in (PEER, OLD, NEW)})
    nic = {"guest_announce": "on" if by_guest else "off"}
    peer, old, new = (
        start_guest(PEER),
        start_guest(OLD, number=STATION, nic=nic),
        start_guest(NEW, number=STATION, nic=nic))

    def port_of_station():
        rows = [r for r in switch.ask("fdb").values() if isinstance(r, dict)]
        return [r["port"] for r in rows if r["mac"].lower() == old.mac]

    for guest in (peer, new, old):
        guest.wait_booted()
    # It has the same address, and must not answer for it.
    new.sh("echo 8 >/proc/sys/net/ipv4/conf/eth0/arp_ignore")
    peer.wait_for_peer(old.address)
    peer.ping(old.address, count=5)
    assert port_of_station() == [f"vm{OLD}"]
    # Its rings stay where they are, and nobody serves them.
    os.kill(old.child.pid, signal.SIGSTOP)
    new.monitor("announce_self")
    peer.ping(new.address, count=5)
    assert port_of_station() == [f"vm{NEW}"]
