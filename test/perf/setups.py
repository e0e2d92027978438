# SPDX-License-Identifier: BSD-3-Clause
"""What is measured: setups (contestants and ports, started once a round) and their cases."""

import statistics
from dataclasses import dataclass, field
from functools import partial

import loads
from contestants import Ours, OursNative, Ovs, OvsFlows, TestpmdIo

EVERYBODY = [Ours, OursNative, TestpmdIo, Ovs, OvsFlows]
SWITCHES = [Ours, OursNative, Ovs]
SIZES = (64, 256, 512, 1024, 1518)


@dataclass
class Case:
    name: str
    run: object  # (contestant, seconds) -> loads.Result
    size: int
    targets: dict = field(default_factory=dict)  # peer's name: our Mpps over its, at least
    rate: object = None  # (results so far) -> frames a second; then latency is measured


@dataclass
class Setup:
    name: str
    title: str
    contestants: list
    cases: list
    ports: tuple = ("a", "b")
    options: tuple = ()
    verify: object = None
    plot: bool = False
    by_cycles: bool = False  # the load is the slower side: compare busy cycles per frame


def target(size):
    """At least, from the project's goals: against a wire, and against a learning switch."""
    if size == 64:
        return {TestpmdIo.name: 2.0, Ovs.name: 2.3}
    if size <= 512:
        return {TestpmdIo.name: 1.8, Ovs.name: 2.2}
    return {TestpmdIo.name: 1.7, Ovs.name: 2.1}


def pumped(sizes, targets=True, **options):
    return [Case(f"{size} bytes", partial(loads.pump, size=size, **options), size,
                 target(size) if targets else {}) for size in sizes]


def share_of_slowest(share):
    """Of the rate that the slower of all takes, 64 bytes one way."""
    def rate(results):
        by_name = results["one-way", "64 bytes"]
        return share * 1e6 * min(statistics.median(r.mpps for r in runs)
                                 for runs in by_name.values())
    return rate


def verified(**options):
    def verify(contestant):
        for size in 64, 1518:
            loads.verify(contestant, size=size, **options)
    return verify


SETUPS = [
    Setup("both-ways", "two guests, both ways, light pump, rings of 1024", EVERYBODY,
          pumped(SIZES), verify=verified(both=True), plot=True),
    Setup("one-way", "two guests, one way, light pump, rings of 1024", EVERYBODY,
          pumped((64, 1518), both=False)),
    Setup("packed", "two guests with packed rings, both ways, light pump", EVERYBODY,
          pumped((64, 512, 1518), packed=True), plot=True),
    Setup("virtio-user", "dpdk-testpmd's virtio-user as the guests, both ways",
          [Ours, OursNative, TestpmdIo, Ovs],
          [Case(f"{size} bytes, {form}", partial(loads.virtio_user, size=size,
                                                 packed=form == "packed"), size, target(size))
           for form in ("split", "packed") for size in (64, 1518)], by_cycles=True),
    # OVS-DPDK has segmentation on the ports of another kind only, where it is the client.
    Setup("tso", "frames of 64 KiB to be segmented, both ways, rings of 256",
          [Ours, OursNative, TestpmdIo],
          [Case("65226 bytes", partial(loads.pump, size=65226, tso=True, ring=256), 65226,
                {TestpmdIo.name: 1.6})], options=("tso",)),
    Setup("macs", "addresses in use, 64 bytes, both ways, light pump", SWITCHES,
          [Case(f"{n} addresses", partial(loads.pump, size=64, macs=n), 64, {Ovs.name: 2.5})
           for n in (1, 1000, 16000)]),
    # After one-way, whose results it needs.
    Setup("latency", "64 bytes one way, at a share of the slower one's rate",
          [Ours, TestpmdIo, Ovs],
          [Case(f"{share:.0%} load", None, 64, rate=share_of_slowest(share))
           for share in (0.1, 0.5, 0.9)]),
]
