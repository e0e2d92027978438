# SPDX-License-Identifier: BSD-3-Clause
"""dpdk-testpmd with virtio-user ports: a guest without a virtual machine."""

from vstools.process import Process, cpus, wait_for
from vstools.telemetry import Telemetry

MEMORY_MIB = 128


class Testpmd(Process):
    """testpmd, interactive, with one virtio-user port per socket; it starts idle."""

    __test__ = False  # not a test class, whatever pytest makes of the name

    def __init__(self, folder, sockets, queues=1, mergeable=True, macs=None, ring=256,
                 name="testpmd", command=("stdbuf", "-oL", "dpdk-testpmd"), eal=(), vdev="", app=()):
        """command, eal, vdev, app: how to start another testpmd, whose output must come by
        lines, and further arguments of the process, of each port, and of the application."""
        guest_cpu, _ = cpus()
        # What the receive rings hold, and as much again as before to send; 2.5 KiB each.
        mbufs = 16384 + (len(sockets) * queues * ring if ring > 1024 else 0)
        self.folder = folder
        self.prefix = name
        self.n_ports = len(sockets)
        self.telemetry = None
        # Both lcores on the guests' CPU. Memory that a back-end can map needs no
        # hugepages, but must be few files.
        argv = [*command, "--lcores", f"0@{guest_cpu},1@{guest_cpu}", "--no-huge",
                "-m", MEMORY_MIB + (mbufs - 16384) // 200, "--single-file-segments", "--no-pci",
                "--file-prefix", self.prefix, *eal]
        for i, path in enumerate(sockets):
            port = (f"net_virtio_user{i},path={path},queues={queues},queue_size={ring}"
                    f",mrg_rxbuf={int(mergeable)}{vdev}")
            if macs:
                port += f",mac={macs[i]}"
            argv += ["--vdev", port]
        argv += ["--", "-i", "--nb-cores=1", f"--rxq={queues}", f"--txq={queues}",
                 f"--rxd={ring}", f"--txd={ring}", f"--total-num-mbufs={mbufs}", *app]
        if macs:
            for i in range(len(sockets)):
                argv.append(f"--eth-peer={i},{macs[i ^ 1]}")
        super().__init__(name, argv, folder, cpu=guest_cpu)

    def wait_ready(self, seconds=60):
        """Until all its ports are up."""

        def answers():
            self.check_running()
            try:
                self.telemetry = Telemetry(self.folder, self.prefix)
            except OSError:
                return False
            return True

        wait_for(answers, seconds, "testpmd's telemetry")
        wait_for(self.links_up, seconds, "testpmd's links")

    def links_up(self):
        self.check_running()
        status = [self.telemetry(f"/ethdev/link_status,{i}") for i in range(self.n_ports)]
        return all(s and s.get("status") == "UP" for s in status)

    def stats(self, port):
        """Counters since start, as /ethdev/stats gives them."""
        return self.telemetry(f"/ethdev/stats,{port}")

    def send(self, mode, bursts, size):
        """Each queue of each port sends bursts of 32 frames of `size` bytes; what then comes is
        handled in `mode`: io sends it on to the other port, rxonly counts it."""
        for line in ("stop", f"set txpkts {size}", f"set fwd {mode}", f"start tx_first {bursts}"):
            self.say(line)

    def forward(self, mode):
        """Handle in `mode` what comes from now on."""
        for line in ("stop", f"set fwd {mode}", "start"):
            self.say(line)

    def halt(self, seconds=20):
        """Stop forwarding; what then comes stays in the rings."""
        done = self.output().count("\nDone.")
        self.say("stop")
        wait_for(lambda: self.output().count("\nDone.") > done, seconds, "testpmd to stop")

    def only_count(self):
        """End a circulation: what comes from now on is only counted."""
        self.forward("rxonly")

    def quit(self, seconds=10):
        """End it in order; its exit code."""
        self.say("stop")
        self.say("quit")
        code = self.wait(seconds)
        self.kill()
        return code

    def kill(self):
        if self.telemetry:
            self.telemetry.close()
            self.telemetry = None
        super().kill()
