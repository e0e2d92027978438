# SPDX-License-Identifier: BSD-3-Clause
"""Switches that can be measured: ours, dpdk-testpmd as a wire, OVS-DPDK.

Each is started on its own between the vhost-user sockets `sockets`, its one worker on the last
CPU, everything else of it on the first. `begin()` and `end()` enclose a measurement; end() says
what the worker did meanwhile.
"""

import os
import re
import subprocess
import time
from dataclasses import dataclass

from vstools.process import Process, cpus, wait_for
from vstools.switch import Switch

@dataclass
class Work:
    """Of one worker. cycles: busy ones per frame; idle: the share without work, None: unknown."""
    cycles: float
    idle: float = None


class Contestant:
    """ports: names of guests."""

    def __init__(self, build, folder, ports, options=()):
        self.build, self.folder, self.ports = build, folder, list(ports)
        self.options = set(options)
        self.sockets = [f"{folder}/{p}.sock" for p in ports]
        try:
            self.start()
            wait_for(lambda: self.check() and all(map(os.path.exists, self.sockets)), 30,
                     f"the sockets of {self.name}")
        except BaseException:
            self.kill()
            raise

    def check(self):
        return True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


class Ours(Contestant):
    name = "vhost-switch"
    folder_of_build = ""

    def start(self):
        config = f"{self.folder}/switch.conf"
        _, worker_cpu = cpus()
        lines = ["[switch]", f"workers = {worker_cpu}", f"socket-dir = {self.folder}",
                 "mac-table = 65536"]
        for port in self.ports:
            lines += ["", f"[port {port}]", "type = vhost-user", f"socket = {port}.sock",
                      "mac-limit = 32768"]
        with open(config, "w") as f:
            f.write("\n".join(lines) + "\n")
        self.process = None
        binary = f"{self.build}{self.folder_of_build}/app/vhost-switch"
        self.process = Switch(binary, config, self.folder)
        self.process.wait_ready()

    def counters(self):
        row = self.process.ask("workers")["0"]
        return {key: row[key] for key in ("frames", "busy_cycles", "idle_cycles")}

    def begin(self):
        self.before = self.counters()

    def end(self):
        d = {k: v - self.before[k] for k, v in self.counters().items()}
        return Work(d["busy_cycles"] / max(1, d["frames"]),
                    d["idle_cycles"] / (d["busy_cycles"] + d["idle_cycles"]))

    def kill(self):
        if self.process:
            self.process.kill()


class OursNative(Ours):
    name = "vhost-switch, native"
    folder_of_build = "-native"


class TestpmdIo(Contestant):
    """Two net_vhost ports, each frame of one to the other: no switching at all."""

    name = "testpmd io"
    __test__ = False

    def start(self):
        control_cpu, worker_cpu = cpus()
        # Its output is waited for: by lines.
        argv = ["stdbuf", "-oL", "dpdk-testpmd", "--lcores",
                f"0@{control_cpu},1@{worker_cpu}", "--no-huge",
                "-m", 512, "--no-pci", "--file-prefix", "peer"]
        tso = ",tso=1" if "tso" in self.options else ""
        for i, port in enumerate(self.ports):
            argv += ["--vdev", f"net_vhost{i},iface={self.folder}/{port}.sock{tso}"]
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

    def kill(self):
        self.process.kill()


class Ovs(Contestant):
    """OVS-DPDK, all its files in our folder. NORMAL: it learns, as we do."""

    name = "OVS NORMAL"
    flows = False
    vswitchd = "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk"
    schema = "/usr/share/openvswitch/vswitch.ovsschema"

    def run(self, *argv):
        done = subprocess.run([str(a) for a in argv], env=self.env, capture_output=True,
                              text=True, timeout=60)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(map(str, argv))}: {done.stderr}")
        return done.stdout

    def vsctl(self, *words):
        return self.run("ovs-vsctl", f"--db=unix:{self.folder}/db.sock", "--timeout=8", *words)

    def appctl(self, *words):
        return self.run("ovs-appctl", "-t", f"{self.folder}/vswitchd.ctl", *words)

    def start(self):
        control_cpu, worker_cpu = cpus()
        folder = self.folder
        self.env = dict(os.environ, OVS_RUNDIR=folder, OVS_LOGDIR=folder, OVS_DBDIR=folder)
        self.processes = []
        self.run("ovsdb-tool", "create", f"{folder}/conf.db", self.schema)
        self.spawn("ovsdb", ["ovsdb-server", f"{folder}/conf.db", "--no-chdir",
                             f"--remote=punix:{folder}/db.sock",
                             f"--unixctl={folder}/ovsdb.ctl"], control_cpu)
        wait_for(lambda: os.path.exists(f"{folder}/db.sock"), 10, "ovsdb-server")
        self.vsctl("--no-wait", "init")
        extra = "--legacy-mem --no-huge -m 1536 --no-pci --file-prefix ovs"
        settings = {"dpdk-init": "true", "pmd-cpu-mask": hex(1 << worker_cpu),
                    "dpdk-lcore-mask": hex(1 << control_cpu), "dpdk-extra": f'"{extra}"',
                    "n-handler-threads": 1, "n-revalidator-threads": 1,
                    "userspace-tso-enable": "true" if "tso" in self.options else "false"}
        self.vsctl("--no-wait", "set", "Open_vSwitch", ".",
                   *(f"other_config:{k}={v}" for k, v in settings.items()))
        self.spawn("vswitchd", [self.vswitchd, f"unix:{folder}/db.sock", "--no-chdir",
                                f"--unixctl={folder}/vswitchd.ctl"], None)
        self.vsctl("add-br", "br0", "--", "set", "Bridge", "br0", "datapath_type=netdev",
                   "other-config:mac-table-size=65536")
        for i, port in enumerate(self.ports):
            name = f"{port}.sock"
            self.vsctl("add-port", "br0", name, "--", "set", "Interface", name,
                       "type=dpdkvhostuser", f"ofport_request={i + 1}")
        if self.flows:
            self.run("ovs-ofctl", "del-flows", f"unix:{folder}/br0.mgmt")
            for a, b in (1, 2), (2, 1):
                self.run("ovs-ofctl", "add-flow", f"unix:{folder}/br0.mgmt",
                         f"in_port={a},actions=output:{b}")

    def spawn(self, name, argv, cpu):
        self.processes.append(Process(name, ["env", *(
            f"{k}={v}" for k, v in self.env.items() if k.startswith("OVS_")), *argv],
            self.folder, cpu))

    def check(self):
        return all(p.check_running() for p in self.processes)

    def begin(self):
        self.appctl("dpif-netdev/pmd-stats-clear")

    def end(self):
        text = self.appctl("dpif-netdev/pmd-stats-show")
        cycles = re.search(r"avg processing cycles per packet: ([\d.]+)", text)
        idle = re.search(r"idle cycles: \d+ \(([\d.]+)%\)", text)
        if not cycles or not idle:
            raise RuntimeError(f"no frames at all: {text}")
        return Work(float(cycles[1]), float(idle[1]) / 100)

    def kill(self):
        for p in reversed(self.processes):
            p.kill()


class OvsFlows(Ovs):
    name = "OVS in_port flows"
    flows = True
