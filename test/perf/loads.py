# SPDX-License-Identifier: BSD-3-Clause
"""What loads a contestant, on the first CPU: the light pump, or dpdk-testpmd's virtio-user.

Each load takes (contestant, seconds, results so far) and returns a Result.
"""

import json
import subprocess
import time
from dataclasses import dataclass, field

from contestants import Noise
from vstools.process import cpus, die_with_parent
from vstools.testpmd import Testpmd

SETTLE = 0.5  # seconds until a load has reached its speed
MARGIN = 0.15  # of the load's own measurement, at either end, that the contestant's leaves out
STALLED_MAX = 0.1  # share of the time that a load may be without its CPU


@dataclass
class Result:
    mpps: float = 0  # million frames a second that arrived, all directions together
    cycles: float = None  # of the contestant's worker, per frame
    idle: float = None  # its share without work, None: it does not say
    waits: float = 1.0  # share of the load's looks that found nothing done: how light it is
    lost: int = 0
    values: dict = field(default_factory=dict)  # what only some setups have
    distance: float = 0  # ns from one CPU to the other and back (placement.py)

    def __str__(self):
        words = [f"{self.mpps:.2f} Mpps"] * (self.mpps > 0)
        words += [f"{self.cycles:.0f} cycles"] if self.cycles else []
        words += [f"{self.bound}-bound"] * (self.mpps > 0)
        return ", ".join(words + [f"{k} {v:.4g}" for k, v in self.values.items()
                                  if v is not None])

    def get(self, key):
        """A number of this result; None: it has none."""
        if key == "speed":  # by cycles: how many frames a worker could forward
            return 1e3 / self.cycles if self.cycles else None
        return getattr(self, key) if hasattr(self, key) else self.values.get(key)

    @property
    def bound(self):
        """What limits the rate."""
        if self.idle is not None:
            return "guest" if self.idle > 0.05 else "switch"
        return "guest" if self.waits < 0.05 else "switch"


def pump_command(contestant, size, seconds, warmup=SETTLE, extra=(), sockets=None, **options):
    """options: as the pump's; True is a flag, False is none."""
    guest_cpu, _ = cpus()
    argv = [f"{contestant.build}/test/fakeguest/pump", "--size", size, "--cpu", guest_cpu,
            "--seconds", seconds, "--warmup", warmup, *extra]
    for name, value in options.items():
        if value is True:
            argv.append(f"--{name}")
        elif value is not False:
            argv += [f"--{name}", value]
    if contestant.wiring.client:
        argv.append("--listen")
    return [str(a) for a in argv + list(sockets or contestant.sockets[:2])]


class Pump:
    """One run of it. `with Pump(argv) as pump: ...; pump.result()`"""

    def __init__(self, argv):
        self.child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                      preexec_fn=die_with_parent)

    def wait_running(self):
        """Until its guests are known to the switch, and it begins to send."""
        line = self.child.stderr.readline()
        if line != b"running\n":
            raise RuntimeError(line.decode() or f"pump: {self.child.wait(5)}")

    def result(self, timeout=90):
        out, err = self.child.communicate(timeout=timeout)
        if self.child.returncode != 0:
            raise RuntimeError(f"pump: {err.decode() or out.decode() or self.child.returncode}")
        return json.loads(out)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.communicate()


def pump(contestant, seconds, _, size, **options):
    """Load it for a while and measure the middle of that."""
    with Pump(pump_command(contestant, size, seconds, **options)) as child:
        # Some contestants take their time until they look at a new guest's rings.
        child.wait_running()
        time.sleep(SETTLE + MARGIN)
        contestant.begin()
        time.sleep(seconds - 2 * MARGIN)
        work = contestant.end()
        r = child.result()
    if r["stalled"] > STALLED_MAX:
        raise Noise(f"the pump had no CPU for {r['stalled']:.0%} of the time")
    waits = min(d["tx_waits"] for d in r["directions"])
    return Result(r["mpps"], work.cycles, work.idle, waits, r["lost"])


def sink(contestant, seconds, results, size, **options):
    """What one guest sends leaves by the NIC's stand-in, which must say so."""
    before = contestant.nic_sent()
    r = pump(contestant, seconds, results, size=size, sink=True, sockets=contestant.sockets[:1],
             **options)
    total, lent, copied = (b if b is None else b - a for a, b in
                           zip(before, contestant.nic_sent()))
    if total < r.mpps * 1e6 * seconds * 0.99:
        raise RuntimeError(f"{contestant.name}: of {r.mpps * 1e6 * seconds:.0f} frames"
                           f" {total} left by the NIC")
    if lent is not None:
        r.values = {"lent": lent / total, "copied": copied / total}
    return r


def paced(contestant, seconds, _, rate, size=64, **options):
    """A given rate, one way: what is lost, and how long each frame takes (one of `sample`)."""
    argv = pump_command(contestant, size, seconds, rate=max(1, int(rate)), **options)
    with Pump(argv) as child:
        child.wait_running()
        contestant.begin()
        r = child.result()
        work = contestant.end()
    values = {f"{p}_us": r[f"{p}_ns"] / 1000 for p in ("p50", "p99", "p999", "max")}
    values |= {"clean": r["clean"] / r["windows"], "gap_us": r["gap_ns"] / 1000}
    return Result(r["mpps"], work.cycles, work.idle, lost=max(0, r["sent"] - r["received"]),
                  values=values)


def verify(contestant, size, seconds=0.4, **options):
    """Does every byte arrive, in order? Raises if not."""
    argv = pump_command(contestant, size, seconds, verify=True, **options)
    # A second time, since a contestant may take its time to begin on a busy machine.
    for _ in range(2):
        done = subprocess.run(argv, capture_output=True, timeout=60, preexec_fn=die_with_parent)
        if done.returncode == 0:
            return
    raise RuntimeError(f"{contestant.name} does not forward as it should: "
                       f"{done.stdout.decode()}{done.stderr.decode()}")


def virtio_user(contestant, seconds, _, size, packed=False, ring=1024):
    """Two virtio-user ports of one testpmd send a ring of frames round and round."""
    macs = ("52:54:00:00:00:01", "52:54:00:00:00:02")
    guests = Testpmd(contestant.folder, contestant.sockets[:2], macs=macs, ring=ring,
                     mergeable=False, vdev=f",packed_vq={int(packed)}", name="load")
    try:
        guests.wait_ready()
        guests.send("io", 8, size)
        time.sleep(SETTLE)
        before, t0 = guests.stats(0)["ipackets"] + guests.stats(1)["ipackets"], time.monotonic()
        contestant.begin()
        time.sleep(seconds)
        work = contestant.end()
        n = guests.stats(0)["ipackets"] + guests.stats(1)["ipackets"] - before
        mpps = n / (time.monotonic() - t0) / 1e6
        if mpps == 0:
            raise RuntimeError(f"nothing arrived through {contestant.name}")
        guests.quit()
    finally:
        guests.kill()
    return Result(mpps, work.cycles, work.idle, 0.0)
