# SPDX-License-Identifier: BSD-3-Clause
"""What loads a contestant, on the first CPU: the light pump, or dpdk-testpmd's virtio-user."""

import json
import subprocess
import time
from dataclasses import dataclass, field

from vstools.process import cpus
from vstools.testpmd import Testpmd

SETTLE = 0.7  # seconds until a load has reached its speed
MARGIN = 0.2  # of the load's own measurement, at either end, that the contestant's leaves out
STALLED_MAX = 0.1  # share of the time that a load may be without its CPU


@dataclass
class Result:
    mpps: float  # million frames a second that arrived, all directions together
    cycles: float  # of the contestant's worker, per frame
    idle: float  # its share without work, None: it does not say
    waits: float  # share of the load's looks that found nothing done: how light it is
    lost: int = 0
    latency: dict = field(default_factory=dict)  # ns, by percentile

    def __str__(self):
        if self.latency:
            return ", ".join(f"{name} {ns / 1000:.1f} us" for name, ns in self.latency.items())
        idle = "" if self.idle is None else f", idle {self.idle:.0%}"
        return f"{self.mpps:.2f} Mpps, {self.cycles:.0f} cycles{idle}, {self.bound}-bound"

    @property
    def bound(self):
        """What limits the rate."""
        if self.idle is not None:
            return "guest" if self.idle > 0.05 else "switch"
        return "guest" if self.waits < 0.05 else "switch"


class Noise(RuntimeError):
    """Something else ran on the load's CPU: the run says nothing."""


def pump_command(build, sockets, size, both=True, macs=1, ring=1024, packed=False, mrg=False,
                 tso=False, seconds=1.0, extra=()):
    guest_cpu, _ = cpus()
    argv = [f"{build}/test/fakeguest/pump", "--size", size, "--macs", macs, "--ring", ring,
            "--cpu", guest_cpu, "--seconds", seconds, "--warmup", SETTLE, *extra]
    argv += ["--both"] * both + ["--packed"] * packed + ["--mrg"] * mrg + ["--tso"] * tso
    return [str(a) for a in argv + list(sockets)]


def pump(contestant, seconds, **options):
    """Load it for a while and measure the middle of that."""
    argv = pump_command(contestant.build, contestant.sockets[:2], seconds=seconds, **options)
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        # Some contestants take their time until they look at a new guest's rings.
        child.stderr.readline()
        time.sleep(SETTLE + MARGIN)
        contestant.begin()
        time.sleep(seconds - 2 * MARGIN)
        work = contestant.end()
        out, err = child.communicate(timeout=60)
    finally:
        child.kill()
        child.wait()
    if child.returncode != 0:
        raise RuntimeError(f"pump: {err.decode()}")
    result = json.loads(out)
    if result["stalled"] > STALLED_MAX:
        raise Noise(f"the pump had no CPU for {result['stalled']:.0%} of the time")
    waits = min(d["tx_waits"] for d in result["directions"])
    return Result(result["mpps"], work.cycles, work.idle, waits, result["lost"])


def paced(contestant, seconds, rate, size=64, packed=False):
    """A given rate, one way: how long each frame takes."""
    argv = pump_command(contestant.build, contestant.sockets[:2], size, both=False, packed=packed,
                        seconds=seconds, extra=["--rate", int(rate)])
    contestant.begin()
    done = subprocess.run(argv, capture_output=True, timeout=60)
    if done.returncode != 0:
        raise RuntimeError(f"pump: {done.stderr.decode()}")
    work, r = contestant.end(), json.loads(done.stdout)
    return Result(r["received"] / r["seconds"] / 1e6, work.cycles, work.idle, 1.0,
                  r["sent"] - r["received"],
                  {p: r[f"{p}_ns"] for p in ("p50", "p99", "p999", "max")})


def verify(contestant, seconds=0.5, **options):
    """Does every byte arrive, in order? Raises if not."""
    argv = pump_command(contestant.build, contestant.sockets[:2], seconds=seconds,
                        extra=["--verify"], **options)
    done = subprocess.run(argv, capture_output=True, timeout=60)
    if done.returncode != 0:
        raise RuntimeError(f"{contestant.name} does not forward as it should: "
                           f"{done.stdout.decode()}{done.stderr.decode()}")


def virtio_user(contestant, seconds, size, packed=False, ring=1024):
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
