# SPDX-License-Identifier: BSD-3-Clause
"""What stands around a contestant: its guests, and perhaps something in place of a NIC."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Wiring:
    guests: tuple = ("a", "b")
    nic: str = None  # a DPDK vdev that takes what guest a sends
    client: bool = False  # the guests listen, and the switch connects
    tso: bool = False
    queues: int = 1
    # Of ours: further keys of [switch], and of each guest's port.
    switch: dict = field(default_factory=dict, hash=False)
    port: dict = field(default_factory=dict, hash=False)


def guests(n):
    return tuple(f"g{i}" for i in range(n))


# The address that guest a sends to (test/fakeguest/pump_side.c).
PARTNER = "02:fa:01:00:00:00"
