# SPDX-License-Identifier: BSD-3-Clause
"""A Linux guest changes the number of its queues while it talks."""

import pytest

from guest import SLOW
from transfer import make_file

MIB = 2
CHANGES = 4


def fetch_all_the_time(a, b):
    """Ends with a.sh("touch stop"), and then tells the checksums."""
    want = make_file(b, MIB)
    a.start("fetches", "while [ ! -e stop ]; do "
            f"timeout {SLOW} wget -q -O - http://{b.address}/file | sha256sum; done")
    return want


def check_fetched(a, want):
    a.sh("touch stop")
    sums = a.result("fetches").split()[::2]
    assert sums and set(sums) == {want}, f"{len(sums)} files, some differ: {set(sums)}"


def ready(switch, name):
    """Queues that the guest uses, of each direction."""
    rows = [r for r in switch.ask(f"queues,{name}").values() if isinstance(r, dict)]
    return {d: sum(r["state"] == "running" for r in rows if r["dir"] == d) for d in ("rx", "tx")}


@pytest.mark.parametrize("packed", [
    pytest.param("off", id="split", marks=pytest.mark.full), pytest.param("on", id="packed")])
def test_a_guest_turns_queues_on_and_off_under_traffic(start_switch, start_guest, packed):
    switch = start_switch({"vm1": {"queues": 2}, "vm2": {"queues": 2}})
    a, b = [start_guest(n, pairs=2, nic={"packed": packed}) for n in (1, 2)]
    for guest in (a, b):
        guest.wait_booted()
    a.wait_for_peer(b.address)
    want = fetch_all_the_time(a, b)
    for n in range(CHANGES):
        for guest in (a, b):
            guest.sh(f"ethtool -L eth0 combined {1 + n % 2}")
        assert [ready(switch, name) for name in ("vm1", "vm2")] == [
            {"rx": 1 + n % 2, "tx": 1 + n % 2}] * 2
        # One file at least passes in this state.
        a.until(f"[ $(wc -l <fetches.out) -gt {len(a.sh('cat fetches.out').splitlines())} ]")
    check_fetched(a, want)
    for cpu in (0, 1):
        a.ping(b.address, cpu=cpu)
        b.ping(a.address, cpu=cpu)


@pytest.mark.full
@pytest.mark.parametrize("version", ["qemu7", "qemu10", "qemu11"])
def test_a_guest_in_qemu_cannot_change_the_size_of_its_rings(start_switch, start_guest, version):
    """These versions tell no back-end of a ring's reset (doc/decisions/0009): the guest must not
    believe that it can, and goes on."""
    start_switch({"vm1": {}, "vm2": {}})
    a, b = [start_guest(n, version) for n in (1, 2)]
    for guest in (a, b):
        guest.wait_booted()
        assert "queue_reset" not in guest.features()
    a.wait_for_peer(b.address)
    code, output = a.sh("ethtool -G eth0 rx 64 tx 64", check=False)
    assert code != 0, output
    a.ping(b.address)
    b.ping(a.address)
