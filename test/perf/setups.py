# SPDX-License-Identifier: BSD-3-Clause
"""What is measured: setups (contestants and wiring, started once a round) and their cases."""

import statistics
from dataclasses import dataclass, field
from functools import partial

import loads
import trials
from contestants import Ours, OursAdaptive, OursForced, OursLending, OursNative, TestpmdIo, Wire
from ovs import Ovs, OvsFlows
from wiring import Wiring, guests

PEERS = [TestpmdIo, Ovs]
SIZES = (64, 256, 512, 1024, 1518)

# Title and key of a column of the table; decimals.
MPPS = ("Mpps", "mpps", 1)
CYCLES = ("busy cycles per frame", "cycles", 0)
BOUND = ("bound by", "bound", None)
LATENCY = [("p50, us", "p50_us", 1), ("p99, us", "p99_us", 1), ("p99.9, us", "p999_us", 1)]


@dataclass
class Case:
    name: str
    run: object  # (contestant, seconds, results so far) -> loads.Result
    size: int = 64
    wiring: Wiring = None  # another than the setup's


@dataclass
class Setup:
    name: str
    title: str
    contestants: list
    cases: list
    wiring: Wiring = Wiring()
    verify: dict = field(default_factory=dict)  # options of the pump's; None: cannot be verified
    columns: list = field(default_factory=lambda: [MPPS, CYCLES, BOUND])
    plot: bool = False
    once: bool = False  # in the quick form: in its first round only
    full: list = field(default_factory=list)  # contestants that only the full form has

    def kinds(self, quick):
        return self.contestants if quick else self.contestants + self.full


def pumped(sizes, **options):
    return [Case(f"{size} bytes", partial(loads.pump, size=size, **options), size)
            for size in sizes]


def on_the_wire(load, sizes):
    """Sizes as NICs count them: with four bytes that guests do not see."""
    return [Case(f"{size} bytes", partial(load, size=size - 4), size) for size in sizes]


def slowest(results):
    """Frames a second of 64 bytes, one way, of the slowest that was measured."""
    by_name = results.get(("one-way", "64 bytes"))
    if not by_name:
        raise RuntimeError("the setup one-way has to be measured before")
    return 1e6 * min(statistics.median(r.mpps for r in runs) for runs in by_name.values())


def at_load(share):
    def run(contestant, seconds, results):
        return loads.paced(contestant, seconds, results, share * slowest(results), sample=8,
                           window=trials.WINDOW_S)
    return Case(f"{share:.0%} load", run)


def beside(name, takes):
    def run(contestant, seconds, results):
        return trials.slow_guest(contestant, seconds, results, 0.2 * slowest(results), takes)
    return Case(name, run)


def with_ports(n):
    return Case(f"{n} ports", lambda c, s, r: loads.pump(c, s, r, size=64, both=True,
                                                         sockets=c.sockets),
                wiring=Wiring(guests(n)))


def with_queues(n):
    return Case(f"{n} queue pairs", partial(loads.pump, size=64, both=True, queues=n, macs=64),
                wiring=Wiring(queues=n))


def with_macs(n, table=65536):
    return Case(f"{n} addresses a guest", partial(loads.pump, size=64, both=True, macs=n),
                wiring=Wiring(switch={"mac-table": table}, port={"mac-limit": table // 2}))


SETUPS = [
    Setup("both-ways", "two guests, both ways, light pump, rings of 1024",
          [Ours, OursNative, TestpmdIo, Ovs, Wire], pumped(SIZES, both=True), plot=True,
          full=[OvsFlows]),
    Setup("one-way", "two guests, one way, light pump, rings of 1024",
          [Ours, TestpmdIo, Ovs, Wire], pumped((64, 1518)), full=[OursNative, OvsFlows]),
    Setup("packed", "two guests with packed rings, both ways, light pump",
          [Ours, TestpmdIo, Ovs, Wire], pumped(SIZES, both=True, packed=True), plot=True,
          verify={"packed": True}, full=[OursNative, OvsFlows]),
    Setup("virtio-user", "dpdk-testpmd's virtio-user as the guests, both ways",
          [Ours, TestpmdIo, Ovs, Wire],
          [Case(f"{size} bytes, {form}", partial(loads.virtio_user, size=size,
                                                 packed=form == "packed"), size)
           for form in ("split", "packed") for size in (64, 1518)], full=[OursNative]),
    # OVS-DPDK has segmentation only on ports where it is the client.
    Setup("tso", "frames of 64 KiB to be segmented, both ways, rings of 256",
          [Ours, TestpmdIo, Ovs],
          [Case("65226 bytes", partial(loads.pump, size=65226, tso=True, ring=256, both=True),
                65226)],
          Wiring(tso=True, client=True), columns=[("Mpps", "mpps", 3), CYCLES, BOUND]),
    Setup("net-null", "one guest to net_null in place of a NIC; sizes with the FCS",
          [Ours, OursLending, TestpmdIo, Ovs],
          on_the_wire(loads.sink, (64, 192, 1518)), Wiring(("a",), "net_null"), verify=None,
          columns=[MPPS, CYCLES, BOUND, ("lent", "lent", 2), ("copied", "copied", 2)]),
    Setup("net-ring", "one guest to net_ring in place of a NIC, and back; sizes with the FCS",
          [Ours, OursForced, TestpmdIo, OvsFlows],
          on_the_wire(loads.pump, (64, 1518)), Wiring(("a",), "net_ring")),
    Setup("macs", "addresses in use, 64 bytes, both ways, light pump", [Ours, Ovs, Wire],
          [Case(f"{n} addresses", partial(loads.pump, size=64, both=True, macs=n))
           for n in (1, 1000, 16000)], full=[OursNative]),
    # These two after one-way, whose results they need.
    Setup("latency", "64 bytes one way, at a share of the slowest one's rate",
          [Ours, TestpmdIo, Ovs], [at_load(share) for share in (0.1, 0.5, 0.9)],
          columns=[MPPS, *LATENCY]),
    Setup("slow-guest", "a pair at 20 % of the slowest one's rate, beside a flood of another guest",
          [Ours, TestpmdIo, Ovs],
          [beside("alone", None), beside("its receiver takes 10000 a second", 10000),
           beside("its receiver takes none", 0)], Wiring(guests(4)),
          columns=[MPPS, ("lost", "lost", 0), *LATENCY]),
    Setup("zero-loss", "the highest rate without a loss, 64 bytes one way, rings of 4096",
          [Ours, TestpmdIo, Ovs], [Case("64 bytes", trials.zero_loss)],
          columns=[("highest rate, Mpps", "top", 1), ("without loss, Mpps", "mpps", 1),
                   ("share", "share", 3)], once=True),
    Setup("restart", "the switch is killed and started again at once; it is the client",
          [Ours, TestpmdIo, Ovs], [Case("100000 frames a second", trials.restart)],
          Wiring(client=True),
          columns=[("outage, ms", "outage_ms", 1), ("until it connects, ms", "contact_ms", 1),
                   ("from then on, ms", "beyond_ms", 1)]),
    Setup("idle", "guests are silent, and then send after 5 ms of silence",
          [Ours, OursAdaptive],
          [Case("silence", trials.silence),
           Case("one frame", partial(trials.wake_up, clump=1)),
           Case("512 frames at once", partial(trials.wake_up, clump=512))],
          columns=[("CPU, percent", "cpu", 1), ("lost", "lost", 0), *LATENCY[:2]]),
    Setup("ports", "two guests both ways, 64 bytes; the others are connected and silent",
          [Ours], [with_ports(n) for n in (2, 8, 32, 64)], once=True, full=[Ovs]),
    Setup("queues", "two guests both ways, 64 bytes, 64 flows over all queues",
          [Ours], [with_queues(n) for n in (1, 2, 4, 8)], once=True),
    Setup("many-macs", "two guests both ways, 64 bytes, mac-table = 262144",
          [Ours], [with_macs(n, 262144) for n in (1, 1024, 8192, 32768, 65536)], once=True),
]
