#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""bench.py BUILD OUT [--full] [--rounds N] [--seconds S] [--only SETUP,...]: measure all.

Rounds are interleaved (A B C, C B A, ...), since machines drift: a ratio holds within a run. Each
contestant first has to deliver every byte, in order, or is left out. A contestant that fails in a
setup is told and has no result there; the others go on. What is measured is in setups.py, what is
to be reached in goals.py. Writes OUT/bench.json, bench.md and bench.svg.
"""

import argparse
import os
import platform
import signal
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(TOP, "usertools"), os.path.dirname(os.path.abspath(__file__))]

import loads  # noqa: E402
import report  # noqa: E402
import stages  # noqa: E402
from placement import LOOK_S, Placement  # noqa: E402
from setups import SETUPS  # noqa: E402

ATTEMPTS = 4  # at a measurement that something else disturbed


def cpu_model():
    with open("/proc/cpuinfo") as f:
        return next(line.split(":")[1].strip() for line in f if line.startswith("model name"))


class Bench:
    def __init__(self, args):
        self.args = args
        self.quick = not args.full
        self.rounds = args.rounds or (6 if args.full else 2)
        self.seconds = args.seconds or (1.5 if args.full else 0.8)
        self.started = time.monotonic()
        known = {s.name for s in SETUPS}
        only = args.only.split(",") if args.only else known
        if not known.issuperset(only):
            sys.exit(f"--only takes some of {', '.join(s.name for s in SETUPS)}")
        self.setups = [s for s in SETUPS if s.name in only]
        self.placement = Placement(args.build, (240 if args.full else 45) * self.rounds)
        self.data = report.Data(
            {"date": time.strftime("%Y-%m-%d"), "cpu": cpu_model(), "kernel": platform.release(),
             "rounds": self.rounds, "done": 0, "seconds": self.seconds,
             "command": "usertools/bench" + " --full" * args.full
             + f" --only {args.only}" * bool(args.only)})

    def say(self, text):
        print(f"{time.monotonic() - self.started:5.0f} s  {text}", flush=True)

    def failed(self, setup, kind, case, error):
        words = str(error).strip().splitlines() or [type(error).__name__]
        self.say(f"FAILED: {setup.name}, {case}: {kind.name}: {words[0]}")
        print("\n".join(f"        | {line}" for line in words[1:20]), flush=True)
        self.data.failures.append(f"{setup.name}, {case}, {kind.name}: {words[0]}")

    def measure(self, contestant, case):
        place = self.placement
        for attempt in range(ATTEMPTS):
            before, t0 = place.wait_near(contestant.pid()), time.monotonic()
            try:
                r = case.run(contestant, self.seconds, self.data.results)
            except loads.Noise as noise:
                self.say(f"again: {noise}")
                if attempt == ATTEMPTS - 1:
                    raise
                continue
            after = place.look(contestant.pid())
            r.distance = max(before, after)
            if not place.far(r.distance) or place.patience <= 0:
                break
            self.say(f"again: the CPUs moved, {before:.0f} to {after:.0f} ns apart")
            place.patience -= time.monotonic() - t0
        return r

    def verify(self, setup, contestant):
        if setup.verify is not None and not contestant.wiring.tso:
            for size in 64, 1514 if contestant.wiring.nic else 1518:
                loads.verify(contestant, size, both=len(contestant.sockets) > 1, **setup.verify)

    def run_cases(self, setup, kind, wiring, cases, first):
        """On one start of the contestant."""
        case = "start"
        try:
            # In memory, as /run is: what is kept beside the sockets must not wait for a disk.
            with tempfile.TemporaryDirectory(prefix="vs-bench-", dir="/dev/shm") as folder, \
                    kind(self.args.build, folder, wiring) as contestant:
                if first:
                    case = "verification"
                    self.verify(setup, contestant)
                for c in cases:
                    case = c.name
                    r = self.measure(contestant, c)
                    self.data.add(setup.name, c.name, kind.name, r)
                    far = ", CPUs far apart" * self.placement.far(r.distance)
                    self.say(f"{setup.name}, {c.name}: {kind.name}: {r}{far}")
        except Exception as error:  # noqa: BLE001 # whatever it is, the others are to be measured
            self.failed(setup, kind, case, error)

    def run_setup(self, setup, i):
        kinds = setup.kinds(self.quick)
        for kind in kinds if i % 2 == 0 else kinds[::-1]:
            wirings = []
            for case in setup.cases:
                wiring = case.wiring or setup.wiring
                if not wirings or wirings[-1][0] is not wiring:
                    wirings.append((wiring, []))
                wirings[-1][1].append(case)
            for n, (wiring, cases) in enumerate(wirings):
                self.run_cases(setup, kind, wiring, cases, i == 0 and n == 0)

    def run(self):
        self.say("instructions per frame, by stage")
        try:
            self.data.stages = stages.count_all(self.args.build)
        except Exception as error:  # noqa: BLE001
            self.say(f"FAILED: {error}")
            self.data.failures.append(f"instructions by stage: {error}")
        for _ in range(10):
            self.placement.look()
            time.sleep(LOOK_S)
        for i in range(self.rounds):
            self.say(f"round {i + 1} of {self.rounds}")
            for setup in self.setups:
                if not (setup.once and self.quick and i > 0):
                    self.run_setup(setup, i)
            # After each round, so that a run that is cut short has something to show.
            self.data.about["done"] = i + 1
            self.data.about["minutes"] = round((time.monotonic() - self.started) / 60, 1)
            report.write(self.args.out, self.data)
        self.say("done")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("out")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--only")
    args = parser.parse_args()
    args.build = os.path.abspath(args.build)
    os.makedirs(args.out, exist_ok=True)
    # Children die with us; an orderly end also removes their folders.
    for number in signal.SIGTERM, signal.SIGHUP:
        signal.signal(number, lambda *_: sys.exit(130))
    bench = Bench(args)
    try:
        bench.run()
    except KeyboardInterrupt:
        print("\nended early; everything is cleaned up")
        return 130
    with open(os.path.join(args.out, "bench.md")) as f:
        print("\n" + f.read())
    return 1 if bench.data.failures else 0


if __name__ == "__main__":
    sys.exit(main())
