# SPDX-License-Identifier: BSD-3-Clause
"""What is to be reached, and whether it was."""

import statistics
from dataclasses import dataclass, replace

from contestants import Ours, OursAdaptive, OursLending, TestpmdIo, Wire
from ovs import Ovs


@dataclass
class Goal:
    """The median of `key` of ours, over the base's if there is one: a peer's, or ours in another
    case. At least `least`, or at most `most`."""
    scenario: str
    setup: str
    case: str
    key: str
    least: float = None
    most: float = None
    ours: type = Ours
    peer: type = None
    base_case: str = None

    def text(self):
        ratio = {"mpps": "frames a second", "speed": "frames a cycle",
                 "cycles": "cycles per frame"}.get(self.key, self.key.replace("_", " "))
        words = f"{self.setup}, {self.case}: {ratio}"
        if self.peer:
            words += f" / {self.peer.name}"
        if self.base_case:
            words += f" / that of {self.base_case}"
        return words if self.ours is Ours else f"{words} ({self.ours.name})"

    def limit(self):
        return f">= {self.least:g}" if self.least is not None else f"<= {self.most:g}"

    def runs(self, results, case, kind):
        return results.get((self.setup, case), {}).get(kind.name, [])

    def judge(self, results):
        """(value in words, met or None where it was not measured)."""
        ours = self.runs(results, self.case, self.ours)
        base = self.runs(results, self.base_case or self.case, self.peer or self.ours)
        key = self.key
        guest_bound = key == "mpps" and any(r.bound == "guest" for r in ours + base)
        if guest_bound and all(r.cycles for r in ours + base):
            # Not the rate of the switches: then what they need for a frame.
            key = "speed"
        value = middle(ours, key)
        if self.peer or self.base_case:
            below = middle(base, key)
            value = None if value is None or not below else value / below
        if value is None:
            return "not measured", None
        met = value >= self.least if self.least is not None else value <= self.most
        return f"{value:.3g}" + ", by cycles: guest-bound" * (key != self.key), met

    def limit_of_all(self, results):
        """What the one-copy wire has in place of ours, in words; None: it was not measured."""
        if self.base_case:
            ours, wire = (self.more_cycles(results, kind) for kind in (self.ours, Wire))
            return ours and wire and f"of {ours:.1f} cycles more the wire has {wire:.1f}, too"
        value, met = replace(self, ours=Wire).judge(results)
        return None if met is None else f"the wire: {value}"

    def more_cycles(self, results, kind):
        """Than in the other case."""
        here, there = (middle(self.runs(results, case, kind), "cycles")
                       for case in (self.case, self.base_case))
        return here - there if here and there else None


def middle(runs, key):
    values = [v for r in runs if (v := r.get(key)) is not None]
    return statistics.median(values) if values else None


def versus(scenario, setup, case, key, testpmd=None, ovs=None):
    return [Goal(scenario, setup, case, key, least=least, peer=peer)
            for peer, least in ((TestpmdIo, testpmd), (Ovs, ovs)) if least is not None]


def by_size(scenario, setup, sizes, case="{} bytes", key="mpps"):
    """Against a wire, and against a learning switch."""
    limits = {64: (2.0, 2.3), 256: (1.8, 2.2), 512: (1.8, 2.2), 1024: (1.7, 2.1), 1518: (1.7, 2.1)}
    return [g for size in sizes
            for g in versus(scenario or {64: "1", 256: "2", 512: "2"}.get(size, "3"), setup,
                            case.format(size), key, *limits[size])]


def latency():
    for load in ("10%", "50%", "90%"):
        for key, testpmd, ovs in (("p50_us", 0.9, 0.8), ("p99_us", 1.0, 0.7)):
            for peer, most in ((TestpmdIo, testpmd), (Ovs, ovs)):
                yield Goal("7", "latency", f"{load} load", key, most=most, peer=peer)


SIZES = (64, 256, 512, 1024, 1518)
GOALS = [
    *by_size(None, "both-ways", SIZES), *by_size(None, "one-way", (64, 1518)),
    *by_size("3b", "packed", SIZES),
    *by_size("3b", "virtio-user", (64, 1518), "{} bytes, split", "speed"),
    *by_size("3b", "virtio-user", (64, 1518), "{} bytes, packed", "speed"),
    *versus("4", "tso", "65226 bytes", "mpps", 1.6, 1.6),
    *versus("5", "net-null", "1518 bytes", "mpps", 2.0, 2.5),
    *versus("5", "net-null", "64 bytes", "mpps", 1.0, 2.5),
    # Both lent: shorter ones fit into what is private of each frame.
    Goal("5", "net-null", "1518 bytes", "cycles", most=1.15, ours=OursLending,
         base_case="192 bytes"),
    *(g for n in (1, 1000, 16000) for g in versus("6", "macs", f"{n} addresses", "mpps", ovs=2.5)),
    Goal("6", "macs", "16000 addresses", "mpps", least=0.9, base_case="1 addresses"),
    *latency(),
    Goal("8", "zero-loss", "64 bytes", "share", least=0.97),
    *(Goal("9", "slow-guest", case, "lost", most=0) for case in
      ("its receiver takes 10000 a second", "its receiver takes none")),
    Goal("10", "restart", "100000 frames a second", "beyond_ms", most=20),
    Goal("10", "restart", "100000 frames a second", "beyond_ms", most=0.05, peer=Ovs),
    Goal("idle", "idle", "silence", "cpu", most=2, ours=OursAdaptive),
]
