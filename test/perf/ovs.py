# SPDX-License-Identifier: BSD-3-Clause
"""OVS-DPDK as a contestant, all its files in the contestant's folder."""

import os
import re
import subprocess

from contestants import Contestant, Noise, Work
from vstools.process import Process, cpus, wait_for
from wiring import PARTNER


class Ovs(Contestant):
    """NORMAL: it learns, as we do."""

    name = "OVS NORMAL"
    flows = False
    vswitchd = "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk"
    schema = "/usr/share/openvswitch/vswitch.ovsschema"
    database = process = None

    def run(self, *argv):
        done = subprocess.run([str(a) for a in argv], env=self.env, capture_output=True,
                              text=True, timeout=60)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(map(str, argv))}: {done.stderr}")
        return done.stdout

    def vsctl(self, *words):
        return self.run("ovs-vsctl", f"--db=unix:{self.folder}/db.sock", "--timeout=30", *words)

    def appctl(self, *words):
        return self.run("ovs-appctl", "-t", f"{self.folder}/vswitchd.ctl", *words)

    def ofctl(self, command, *words):
        return self.run("ovs-ofctl", command, f"unix:{self.folder}/br0.mgmt", *words)

    def spawn(self, name, argv, cpu=None):
        # `env`, so that it says the same whoever looks at the process.
        return Process(name, ["env", *(f"{k}={v}" for k, v in self.env.items()
                                       if k.startswith("OVS_")), *argv], self.folder, cpu)

    def prepare(self):
        control_cpu, worker_cpu = cpus()
        folder = self.folder
        self.env = dict(os.environ, OVS_RUNDIR=folder, OVS_LOGDIR=folder, OVS_DBDIR=folder)
        self.run("ovsdb-tool", "create", f"{folder}/conf.db", self.schema)
        self.database = self.spawn("ovsdb", [
            "ovsdb-server", f"{folder}/conf.db", "--no-chdir", f"--remote=punix:{folder}/db.sock",
            f"--unixctl={folder}/ovsdb.ctl"], control_cpu)
        try:
            wait_for(lambda: os.path.exists(f"{folder}/db.sock"), 10, "ovsdb-server")
            self.vsctl("--no-wait", "init")
            extra = "--legacy-mem --no-huge -m 1536 --no-pci --file-prefix ovs"
            settings = {"dpdk-init": "true", "pmd-cpu-mask": hex(1 << worker_cpu),
                        "dpdk-lcore-mask": hex(1 << control_cpu), "dpdk-extra": f'"{extra}"',
                        "n-handler-threads": 1, "n-revalidator-threads": 1,
                        "userspace-tso-enable": "true" if self.wiring.tso else "false"}
            self.vsctl("--no-wait", "set", "Open_vSwitch", ".",
                       *(f"other_config:{k}={v}" for k, v in settings.items()))
        except BaseException:
            self.database.kill()
            raise

    def start(self):
        self.process = None
        self.process = self.spawn("vswitchd", [
            self.vswitchd, f"unix:{self.folder}/db.sock", "--no-chdir",
            f"--unixctl={self.folder}/vswitchd.ctl"])
        self.vsctl("--may-exist", "add-br", "br0", "--", "set", "Bridge", "br0",
                   "datapath_type=netdev", "other-config:mac-table-size=65536")
        for i, (name, path) in enumerate(zip(self.wiring.guests, self.sockets)):
            kind = ("dpdkvhostuserclient", f"options:vhost-server-path={path}") \
                if self.wiring.client else ("dpdkvhostuser",)
            self.add_port(f"{name}.sock", i + 1, *kind)
        if self.wiring.nic:
            vdev = f"{self.wiring.nic}0" + ",no-rx=1" * (self.wiring.nic == "net_null")
            # net_ring has a ring for each queue, and not every PMD thread sends by the first.
            n_rxq = 2 if self.wiring.nic == "net_ring" else 1
            self.add_port("nic", 2, "dpdk", f"options:dpdk-devargs={vdev}",
                          f"options:n_rxq={n_rxq}")
            if not self.flows:
                self.appctl("fdb/add", "br0", "nic", 0, PARTNER)
        if self.flows:
            self.ofctl("del-flows")
            for a, b in (1, 2), (2, 1):
                self.ofctl("add-flow", f"in_port={a},actions=output:{b}")

    def add_port(self, name, number, kind, *options):
        self.vsctl("--may-exist", "add-port", "br0", name, "--", "set", "Interface", name,
                   f"type={kind}", f"ofport_request={number}", *options)
        error = self.vsctl("get", "Interface", name, "error").strip()
        if error != "[]":
            raise RuntimeError(f"{name}: {error}")

    def revive(self):
        """What the database says is all it needs."""
        self.process = self.spawn("vswitchd", [
            self.vswitchd, f"unix:{self.folder}/db.sock", "--no-chdir",
            f"--unixctl={self.folder}/vswitchd.ctl"])

    def check(self):
        return self.database.check_running() and self.process.check_running()

    def begin(self):
        self.appctl("dpif-netdev/pmd-stats-clear")

    def end(self):
        text = self.appctl("dpif-netdev/pmd-stats-show")
        cycles = re.search(r"avg processing cycles per packet: ([\d.]+)", text)
        idle = re.search(r"idle cycles: \d+ \(([\d.]+)%\)", text)
        if not cycles or not idle:
            raise Noise("no frames at all")
        return Work(float(cycles[1]), float(idle[1]) / 100)

    def nic_sent(self):
        text = self.ofctl("dump-ports", "nic")
        return int(re.search(r"tx pkts=(\d+)", text)[1]), None, None

    def pid(self):
        return self.process.child.pid

    def die(self):
        self.process.kill()

    def kill(self):
        for p in self.process, self.database:
            if p:
                p.kill()


class OvsFlows(Ovs):
    name = "OVS in_port flows"
    flows = True
