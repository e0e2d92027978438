# SPDX-License-Identifier: BSD-3-Clause
"""A Linux guest sees the link of the port that its own follows."""

import pytest

from verified import FakeGuest
from vstools.process import wait_for

SECONDS = 30  # QEMU tries to connect once a second


def carrier(guest):
    return guest.sh("cat /sys/class/net/eth0/carrier").strip()


def is_heard(switch, guest):
    """What it sends comes into the switch."""
    before = switch.ask("port,vm1")["rx_frames"]
    guest.sh("ip neigh flush dev eth0; ping -c 1 -W 1 10.0.0.99", check=False)
    return switch.ask("port,vm1")["rx_frames"] > before


@pytest.mark.parametrize("version,client,ring", [
    ("qemu7", True, "split"), ("qemu7", False, "packed"),
    *(pytest.param(version, client, ring, marks=pytest.mark.full)
      for version in ("qemu10", "qemu11") for client in (True, False)
      for ring in ("split", "packed"))])
def test_a_linux_guest_loses_its_carrier_with_the_followed_link(start_switch, start_guest, folder,
                                                                version, client, ring):
    role = {"role": "client", "socket": "vm1.listen"} if client else {}
    switch = start_switch({"vm1": {"link-follow": "vm2", **role}, "vm2": {}})
    with FakeGuest(str(folder / "vm2.sock")) as leader:
        guest = start_guest(1, version, socket=role.get("socket"), listen=client,
                            retry=not client,
                            nic={"packed": "on" if ring == "packed" else "off"})
        guest.wait_booted()
        wait_for(lambda: carrier(guest) == "1", SECONDS, "the first carrier")
        assert is_heard(switch, guest)
        for _ in range(3):
            leader.disconnect()
            wait_for(lambda: carrier(guest) == "0", SECONDS, "the carrier's loss")
            assert switch.ask("port,vm1")["session"] == "held"
            leader.connect()
            leader.come_back()
            wait_for(lambda: carrier(guest) == "1", SECONDS, "the carrier")
            wait_for(lambda: is_heard(switch, guest), SECONDS, "frames")
        assert guest.power_off() == 0
