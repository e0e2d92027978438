# SPDX-License-Identifier: BSD-3-Clause
"""Two Linux guests in QEMU talk through the switch."""

import pytest

from guest import Guest

MACS = ("52:54:00:00:00:01", "52:54:00:00:00:02")
ADDRESSES = ("10.0.0.1", "10.0.0.2")
GUEST_SECONDS = 180


full = pytest.mark.full


@pytest.mark.parametrize("pairs,mergeable", [
    pytest.param(1, True, id="one_pair-mergeable"),
    pytest.param(1, False, id="one_pair-plain", marks=full),
    pytest.param(2, True, id="two_pairs-mergeable", marks=full),
    pytest.param(2, False, id="two_pairs-plain"),
])
def test_two_linux_guests_ping_and_transfer_files_intact(
        start_switch, guest_image, folder, pairs, mergeable):
    names = ["vm1", "vm2"]
    switch = start_switch({name: {"queues": pairs} for name in names})
    guests = []
    try:
        for i, name in enumerate(names):
            guests.append(Guest(
                guest_image, folder, name, folder / f"{name}.sock", MACS[i], ADDRESSES[i],
                ADDRESSES[1 - i], pairs, mergeable))
        codes = [g.job_code(GUEST_SECONDS) for g in guests]
    finally:
        for g in guests:
            g.kill()
            print(f"--- {g.name}\n{g.output()}{g.console()}")
        print(switch.report())
    assert codes == [0, 0]
