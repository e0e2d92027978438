#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""compare.py BUILD [ROUNDS]: busy cycles per frame of the switch, and of dpdk-testpmd as a wire.

Both run on the last CPU, in turn (A B B A), between the same two guests: the light pump on the
first CPU, both ways, rings of 1024. testpmd forwards in io mode between two net_vhost ports: no
switching at all, the hardest peer. Nothing else may run on the machine.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "usertools"))

from vstools.process import Process, cpus, wait_for  # noqa: E402
from vstools.switch import Switch, write_config  # noqa: E402

SIZES = (64, 1518)
SECONDS = 2
PORTS = ("a", "b")


def pump(build, size, sockets):
    """Million frames a second, both ways together."""
    guest_cpu, _ = cpus()
    argv = [f"{build}/test/fakeguest/pump", "--both", "--size", str(size), "--seconds",
            str(SECONDS), "--cpu", str(guest_cpu), *sockets]
    result = json.loads(subprocess.run(argv, check=True, capture_output=True, timeout=60).stdout)
    if result["stalled"] > 0.1:
        raise RuntimeError(f"the pump had no CPU for {result['stalled']:.0%} of the time")
    return result["mpps"]


def switch(build, folder):
    """{size: (Mpps, cycles)} of vhost-switch."""
    config = os.path.join(folder, "switch.conf")
    write_config(config, folder, {name: {} for name in PORTS})
    s = Switch(f"{build}/app/vhost-switch", config, folder)
    results = {}
    try:
        s.wait_ready()
        for size in SIZES:
            before = s.ask("workers")["0"]
            mpps = pump(build, size, [f"{folder}/{name}.sock" for name in PORTS])
            after = s.ask("workers")["0"]
            frames = after["frames"] - before["frames"]
            results[size] = mpps, (after["busy_cycles"] - before["busy_cycles"]) / frames
        s.stop()
    finally:
        s.kill()
    return results


def testpmd(build, folder):
    """{size: (Mpps, cycles)} of testpmd."""
    control_cpu, worker_cpu = cpus()
    sockets = [f"{folder}/{name}.sock" for name in PORTS]
    argv = ["dpdk-testpmd", "--lcores", f"0@{control_cpu},1@{worker_cpu}", "--no-huge", "-m", 256,
            "--no-pci", "--file-prefix", "peer"]
    for i, path in enumerate(sockets):
        argv += ["--vdev", f"net_vhost{i},iface={path}"]
    argv += ["--", "-i", "--nb-cores=1", "--forward-mode=io", "--record-core-cycles",
             "--total-num-mbufs=16384", "--auto-start"]
    p = Process("testpmd", argv, folder)
    results = {}
    try:
        wait_for(lambda: p.check_running() and all(map(os.path.exists, sockets)), 20, "testpmd")
        for n, size in enumerate(SIZES):
            p.say("clear fwd stats all")
            mpps = pump(build, size, sockets)
            p.say("show fwd stats all")
            cycles = wait_for(lambda: (found := re.findall(r"cycles/packet=([\d.]+)", p.output()))
                              and len(found) > n and found, 10, "testpmd's cycles")
            results[size] = mpps, float(cycles[-1])
        p.say("quit")
        p.wait(10)
    finally:
        p.kill()
    return results


def main():
    build = os.path.abspath(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 4
    results = {switch: [], testpmd: []}
    for i in range(rounds):
        for contestant in (switch, testpmd) if i % 2 == 0 else (testpmd, switch):
            with tempfile.TemporaryDirectory() as folder:
                results[contestant].append(contestant(build, folder))
    print("| bytes | contestant | Mpps, median (least .. most) | busy cycles per frame |")
    print("| --- | --- | --- | --- |")
    for size in SIZES:
        for contestant, runs in results.items():
            mpps, cycles = ([run[size][i] for run in runs] for i in (0, 1))
            print(f"| {size} | {contestant.__name__}"
                  f" | {statistics.median(mpps):.1f} ({min(mpps):.1f} .. {max(mpps):.1f})"
                  f" | {statistics.median(cycles):.0f} ({min(cycles):.0f} .. {max(cycles):.0f}) |")


if __name__ == "__main__":
    main()
