# SPDX-License-Identifier: BSD-3-Clause
"""Switches that can be measured: ours, and dpdk-testpmd as a wire. ovs.py has OVS-DPDK.

Each is started on its own between the vhost-user sockets `sockets`, its one worker on the last
CPU, everything else of it on the first. `begin()` and `end()` enclose a measurement; end() says
what the worker did meanwhile.
"""

import os
import re
import time
from dataclasses import dataclass

from vstools.process import Process, cpus, wait_for
from vstools.switch import Switch
from vstools.telemetry import Telemetry
from wiring import PARTNER


class Noise(RuntimeError):
    """Something else had a CPU: the run says nothing."""


@dataclass
class Work:
    """Of one worker. cycles: busy ones per frame; idle: the share without work, None: unknown."""
    cycles: float
    idle: float = None


class Contestant:
    """In `folder`, where its sockets are, too."""

    def __init__(self, build, folder, wiring):
        self.build, self.folder, self.wiring = build, folder, wiring
        self.sockets = [f"{folder}/{name}.sock" for name in wiring.guests]
        self.prepare()
        self.run_until_killed(self.start)

    def run_until_killed(self, start):
        try:
            start()
            if not self.wiring.client:
                wait_for(lambda: self.check() and all(map(os.path.exists, self.sockets)), 30,
                         f"the sockets of {self.name}")
        except BaseException:
            self.kill()
            raise

    def prepare(self):
        """Before the first start()."""

    def check(self):
        return True

    def die(self):
        """SIGKILL, of the process that forwards."""
        self.kill()

    def revive(self):
        """After die(): as it was, from what it keeps on disk."""
        for path in self.sockets:
            if not self.wiring.client and os.path.exists(path):
                os.unlink(path)
        self.run_until_killed(self.start)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


class Ours(Contestant):
    name = "vhost-switch"
    folder_of_build = ""
    switch, port, nic = {}, {}, {}  # further keys
    process = None

    def sections(self):
        w, (_, worker_cpu) = self.wiring, cpus()
        yield "switch", {"workers": worker_cpu, "socket-dir": self.folder, "mac-table": 65536,
                         **self.switch, **w.switch}
        limit = 65536 // (2 * len(w.guests))
        for name in w.guests:
            yield f"port {name}", {
                "type": "vhost-user", "socket": f"{name}.sock", "mac-limit": limit,
                "role": "client" if w.client else "server", "queues": w.queues,
                **self.port, **w.port}
        if w.nic == "net_ring":
            yield "port nic", {"type": "ethdev", "device": "net_ring0", "peer": w.guests[0],
                               **self.nic}
        elif w.nic:
            yield "port nic", {"type": "ethdev", "device": f"{w.nic}0,no-rx=1",
                               "static-mac": PARTNER, **self.nic}

    def prepare(self):
        self.config = f"{self.folder}/switch.conf"
        with open(self.config, "w") as f:
            for title, keys in self.sections():
                f.write(f"[{title}]\n" + "".join(f"{k} = {v}\n" for k, v in keys.items()) + "\n")

    def start(self):
        self.process = None
        binary = f"{self.build}{self.folder_of_build}/app/vhost-switch"
        self.process = Switch(binary, self.config, self.folder)
        if not self.wiring.client:
            self.process.wait_ready()

    def counters(self):
        if self.process.telemetry is None:
            self.process.wait_ready()
        row = self.process.ask("workers")["0"]
        return {key: row[key] for key in ("frames", "busy_cycles", "idle_cycles")}

    def begin(self):
        self.before = self.counters()

    def end(self):
        d = {k: v - self.before[k] for k, v in self.counters().items()}
        if d["frames"] == 0:
            raise Noise("no frames at all")
        return Work(d["busy_cycles"] / d["frames"],
                    d["idle_cycles"] / max(1, d["busy_cycles"] + d["idle_cycles"]))

    def nic_sent(self):
        """Frames that left by the NIC's stand-in: all, those lent, those copied."""
        port = self.process.ask("port,nic")
        return port["tx_frames"], port["tx_loaned"], port["tx_copied"]

    def check(self):
        return self.process.check_running()

    def pid(self):
        return self.process.child.pid

    def kill(self):
        if self.process:
            self.process.kill()


class OursNative(Ours):
    name = "vhost-switch, native"
    folder_of_build = "-native"


class OursLending(Ours):
    name = "vhost-switch, copybreak 0"
    port = {"copybreak": 0}


class OursForced(Ours):
    name = "vhost-switch, lend = force"
    port, nic = {"copybreak": 0}, {"lend": "force"}


class OursAdaptive(Ours):
    name = "vhost-switch, idle = adaptive"
    switch = {"idle": "adaptive"}


class TestpmdIo(Contestant):
    """Each frame of one net_vhost port to its neighbour: no switching at all."""

    name = "testpmd io"
    __test__ = False
    process = telemetry = None

    def start(self):
        control_cpu, worker_cpu = cpus()
        w = self.wiring
        self.process = self.telemetry = None
        # Its output is waited for: by lines.
        argv = ["stdbuf", "-oL", "dpdk-testpmd", "--lcores",
                f"0@{control_cpu},1@{worker_cpu}", "--no-huge",
                "-m", 512, "--no-pci", "--file-prefix", "peer"]
        vdev = f",client={int(w.client)}" + ",tso=1" * w.tso
        for i, path in enumerate(self.sockets):
            argv += ["--vdev", f"net_vhost{i},iface={path}{vdev}"]
        if w.nic:
            argv += ["--vdev", f"{w.nic}0" + ",no-rx=1" * (w.nic == "net_null")]
        argv += ["--", "-i", "--nb-cores=1", "--forward-mode=io", "--record-core-cycles",
                 "--total-num-mbufs=65536", "--auto-start"]
        self.n_shown = 0
        self.process = Process("testpmd", argv, self.folder)

    def check(self):
        return self.process.check_running()

    def begin(self):
        self.process.say("clear fwd stats all")
        time.sleep(0.1)

    def end(self):
        self.process.say("show fwd stats all")
        self.n_shown += 1
        cycles = wait_for(
            lambda: len(found := re.findall(r"cycles/packet=([\d.]+)", self.process.output()))
            >= self.n_shown and found, 10, "testpmd's cycles")
        return Work(float(cycles[-1]))

    def nic_sent(self):
        self.telemetry = self.telemetry or Telemetry(self.folder, "peer")
        return self.telemetry(f"/ethdev/stats,{len(self.sockets)}")["opackets"], None, None

    def pid(self):
        return self.process.child.pid

    def kill(self):
        if self.telemetry:
            self.telemetry.close()
            self.telemetry = None
        if self.process:
            self.process.kill()


class Wire(Contestant):
    """The limit: what one copy costs, and nothing else (wire.c). No peer."""

    name = "one-copy wire"
    binary = "test/perf/wire"
    process = None

    def start(self):
        self.n_asked = 0
        self.process = None
        self.process = Process("wire", [f"{self.build}/{self.binary}", cpus()[1], *self.sockets],
                               self.folder)

    def ask(self):
        """(frames, busy cycles, idle cycles) since the last time."""
        self.process.say("")
        self.n_asked += 1
        found = wait_for(
            lambda: len(lines := re.findall(r"frames (\d+) busy (\d+) idle (\d+)\n",
                                            self.process.output()))
            >= self.n_asked and lines, 10, "the wire's counters")
        return map(int, found[-1])

    def begin(self):
        self.ask()

    def end(self):
        frames, busy, idle = self.ask()
        if frames == 0:
            raise Noise("no frames at all")
        return Work(busy / frames, idle / max(1, busy + idle))

    def check(self):
        return self.process.check_running()

    def pid(self):
        return self.process.child.pid

    def kill(self):
        if self.process:
            self.process.kill()
