# SPDX-License-Identifier: BSD-3-Clause
"""The one-copy wire delivers, and says what it took: a limit that did not would be none."""

import pytest

import loads
from contestants import Wire
from wiring import Wiring


@pytest.fixture
def wire(request, tmp_path):
    with Wire(request.config.getoption("--build"), tmp_path, Wiring()) as wire:
        yield wire


@pytest.mark.parametrize("packed", [False, True], ids=["split", "packed"])
def test_every_byte_arrives_in_order(wire, packed):
    for size in 60, 64, 1518:
        loads.verify(wire, size, both=True, packed=packed)


def test_what_it_says_of_its_work_is_what_was_received(wire):
    wire.begin()
    with loads.Pump(loads.pump_command(wire, 64, 0.5, warmup=0, packed=True)) as pump:
        received = pump.result()["frames"]
    frames, busy, idle = wire.ask()
    # Beside what was counted: the addresses' announcement, and a ring at the end.
    assert received <= frames <= received + 2 * 1024 and busy > frames and idle > 0
