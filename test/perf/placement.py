# SPDX-License-Identifier: BSD-3-Clause
"""How far apart the two CPUs are, which changes under a hypervisor, for seconds at a time.

What a guest and a worker do together takes up to four times as long where they share no cache. So
runs are compared with each other only if their CPUs were equally near, and a bench waits, for a
while, until they are near.
"""

import contextlib
import os
import signal
import subprocess
import time

from vstools.process import cpus

FAR = 2  # times the least that was seen
LOOK_S = 0.3  # between two looks


@contextlib.contextmanager
def stopped(pid):
    """Its worker polls, and would not share its CPU."""
    if pid:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        if pid:
            os.kill(pid, signal.SIGCONT)


class Placement:
    def __init__(self, build, patience):
        """patience: seconds to be spent on waiting, in all."""
        self.argv = [f"{build}/test/perf/distance", *map(str, cpus())]
        self.patience = patience
        self.least = float("inf")

    def look(self, pid=None):
        """Nanoseconds from one CPU to the other and back."""
        with stopped(pid):
            done = subprocess.run(self.argv, capture_output=True, text=True, timeout=30, check=True)
        ns = float(done.stdout)
        self.least = min(self.least, ns)
        return ns

    def far(self, ns):
        return ns > FAR * self.least

    def wait_near(self, pid):
        """Until they are near, or patience is at its end. How near."""
        ns = self.look(pid)
        while self.far(ns) and self.patience > 0:
            self.patience -= LOOK_S
            time.sleep(LOOK_S)
            ns = self.look(pid)
        return ns


def comparable(by_name, least, aside=None):
    """({contestant: runs with equally near CPUs}, "" or what else is to be said of them). The one
    aside has no say in it, and is left out if it has no such runs."""
    near = {name: [r for r in runs if r.distance <= FAR * least] for name, runs in by_name.items()}
    far = {name: [r for r in runs if r.distance > FAR * least] for name, runs in by_name.items()}
    for found, mark in (near, ""), (far, "CPUs far apart"):
        if all(runs for name, runs in found.items() if name != aside):
            return {name: runs for name, runs in found.items() if runs}, mark
    return by_name, "CPUs not equally near"
