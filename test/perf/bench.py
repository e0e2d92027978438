#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""bench.py BUILD OUT [--rounds N] [--seconds S] [--only SETUP,...]: measure all contestants.

Rounds are interleaved (A B C, C B A, ...), since machines drift: a ratio holds within a run. Each
contestant first has to deliver every byte, in order, or the run ends. What is measured, and
against which targets, is in setups.py. Writes OUT/bench.json, bench.md and bench.svg.
"""

import argparse
import json
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
from setups import SETUPS  # noqa: E402

ATTEMPTS = 4  # at a measurement that something else disturbed


def cpu_model():
    with open("/proc/cpuinfo") as f:
        return next(line.split(":")[1].strip() for line in f if line.startswith("model name"))


def measure(contestant, case, seconds, results):
    for attempt in range(ATTEMPTS):
        try:
            if case.rate is not None:
                return loads.paced(contestant, seconds, case.rate(results))
            return case.run(contestant, seconds)
        except loads.Noise as noise:
            print(f"    again: {noise}", flush=True)
            if attempt == ATTEMPTS - 1:
                raise


def run_contestant(build, setup, kind, seconds, verify, results):
    with tempfile.TemporaryDirectory(prefix="vs-bench-") as folder, \
            kind(build, folder, setup.ports, setup.options) as contestant:
        if verify and setup.verify:
            setup.verify(contestant)
        for case in setup.cases:
            r = measure(contestant, case, seconds, results)
            results.setdefault((setup.name, case.name), {}).setdefault(kind.name, []).append(r)
            print(f"  {setup.name}, {case.name}: {kind.name}: {r}", flush=True)


def bench(args):
    results, started = {}, time.strftime("%Y-%m-%d")
    setups = [s for s in SETUPS if not args.only or s.name in args.only.split(",")]
    for i in range(args.rounds):
        print(f"round {i + 1} of {args.rounds}", flush=True)
        for setup in setups:
            kinds = setup.contestants if i % 2 == 0 else setup.contestants[::-1]
            for kind in kinds:
                run_contestant(args.build, setup, kind, args.seconds, i == 0, results)
        # After each round, so that a run that is cut short has something to show.
        about = {"date": started, "cpu": cpu_model(), "kernel": platform.release(),
                 "rounds": i + 1, "seconds": args.seconds, "command": "usertools/bench"}
        report.write(args.out, about, setups, results)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("out")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--only")
    args = parser.parse_args()
    args.build = os.path.abspath(args.build)
    os.makedirs(args.out, exist_ok=True)
    # Children die with us; an orderly end also removes their folders.
    for number in signal.SIGTERM, signal.SIGHUP:
        signal.signal(number, lambda *_: sys.exit(130))
    try:
        bench(args)
    except KeyboardInterrupt:
        print("\nended early; everything is cleaned up")
        return 130
    with open(os.path.join(args.out, "bench.md")) as f:
        print("\n" + f.read())
    return 0


if __name__ == "__main__":
    sys.exit(main())
