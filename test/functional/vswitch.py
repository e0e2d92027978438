# SPDX-License-Identifier: BSD-3-Clause
"""The switch as a process under test: config, start, telemetry, orderly end."""

import glob
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from fakeguest import PATIENCE, REGIONS, Guest, wait_until
from fglib import BUILD_DIR
from stream import Stream
from vstools.process import die_with_parent

BINARY = os.path.join(BUILD_DIR, "app/vhost-switch")
WORKER_CPUS = "1"
# An ASan build is several times slower to start.
START_S = 30
BURST = 32  # frames
# VS_IDLE=adaptive: all tests on workers that sleep.
IDLE = os.environ.get("VS_IDLE", "poll")
# As /run is: no disk of a busy machine is waited for.
TMPFS = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
# Tables that never take more than one answer.
UNPAGED = ("/vhost_switch/workers", "/vhost_switch/buffers")


class Switch:
    """Ports: a dict of name to a dict of keys (all vhost-user unless `type` is given), or a
    list of names. cpus: let it believe in so many CPUs (morecpus.c). Guests made by guest()
    are closed before the switch ends."""

    def __init__(self, ports, start=True, eal=(), cpus=0, **switch):
        self.dir = tempfile.mkdtemp(prefix="vs-", dir=TMPFS)
        self.ports = ports if isinstance(ports, dict) else {name: {} for name in ports}
        self.options = {"workers": WORKER_CPUS, "memory": "128", "hugepages": "no",
                        "socket-dir": self.dir, "idle": IDLE}
        self.options.update({k.replace("_", "-"): v for k, v in switch.items()})
        self.eal = list(eal)
        self.cpus = cpus
        self.config = os.path.join(self.dir, "switch.conf")
        self.log_path = os.path.join(self.dir, "log")
        self.guests, self.streams = [], []
        self.proc = None
        if start:
            self.start()

    # -- process

    def write_config(self):
        with open(self.config, "w") as f:
            f.write("[switch]\n")
            for key, value in self.options.items():
                if value is not None:
                    f.write(f"{key} = {value}\n")
            for name, keys in self.ports.items():
                keys = {"type": "vhost-user", **keys}
                if keys["type"] == "vhost-user":
                    keys.setdefault("socket", f"{name}.sock")
                f.write(f"\n[port {name}]\n")
                f.writelines(f"{k} = {v}\n" for k, v in keys.items())

    @property
    def file_prefix(self):
        return os.path.basename(self.dir)

    def command(self):
        return [BINARY, "--config", self.config, "--", "--file-prefix", self.file_prefix,
                *self.eal]

    def env(self):
        more = {"LD_PRELOAD": os.path.join(BUILD_DIR, "test/functional/libmorecpus.so"),
                "MORECPUS": str(self.cpus)} if self.cpus else {}
        return dict(os.environ, RUNTIME_DIRECTORY=self.dir, **more,
                    ASAN_OPTIONS="detect_leaks=0:exitcode=99:verify_asan_link_order=0",
                    UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1:exitcode=99")

    def run_to_end(self, timeout=START_S):
        """For a start that fails: exit code, stdout, stderr."""
        p = subprocess.run(self.command(), capture_output=True, text=True, env=self.env(),
                           timeout=timeout)
        return p.returncode, p.stdout, p.stderr

    def start(self):
        self.launch()
        self.wait_ready()
        self.n_fds_idle = self.n_fds()
        self.buffers_idle = self.free_buffers()

    def launch(self):
        """Without waiting for anything."""
        self.write_config()
        cpus = range(os.cpu_count())

        def in_child():
            die_with_parent()
            os.sched_setaffinity(0, cpus)

        with open(self.log_path, "w") as log:
            self.proc = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                env=self.env(), preexec_fn=in_child)

    def wait_ready(self, step=0.005):
        ready = wait_until(lambda: "ready: " in self.log or self.proc.poll() is not None, START_S,
                           step)
        assert ready and self.proc.poll() is None, f"no start:\n{self.log}"

    @property
    def log(self):
        with open(self.log_path) as f:
            return f.read()

    def n_fds(self):
        return len(os.listdir(f"/proc/{self.proc.pid}/fd"))

    def maps(self):
        """How many guest memory files the switch maps."""
        with open(f"/proc/{self.proc.pid}/maps") as f:
            return sum("memfd:guest" in line for line in f)

    def stop(self):
        """SIGTERM and all that must be true afterwards."""
        for s in self.streams:
            s.free()
        for g in self.guests:
            g.close()
        self.streams, self.guests = [], []
        try:
            if self.proc is not None and self.proc.poll() is None:
                self.assert_idle()
                self.proc.send_signal(signal.SIGTERM)
            if self.proc is not None:
                out, _ = self.proc.communicate(timeout=15)
                assert self.proc.returncode == 0, f"exit {self.proc.returncode}:\n{self.log}"
                assert out == b"", f"stdout: {out}"
                self.assert_no_report()
                left = glob.glob(f"{self.dir}/*.sock")
                assert not left, f"sockets left behind: {left}"
        finally:
            self.kill()
            shutil.rmtree(self.dir, ignore_errors=True)

    def kill(self):
        """Without any farewell."""
        if self.proc is not None and self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()
        if self.proc is not None:
            self.proc.stdout.close()
        self.proc = None

    def dismiss(self):
        """All guests go; the switch stays, for the next test."""
        for s in self.streams:
            s.free()
        for g in self.guests:
            g.close()
        self.streams, self.guests = [], []
        self.assert_alive()
        self.assert_idle()
        self.assert_no_report()

    def assert_no_report(self):
        for word in ("AddressSanitizer", "runtime error", "LeakSanitizer", "PANIC"):
            assert word not in self.log, self.log

    def assert_idle(self):
        """With all guests gone the switch holds no more than at its start."""
        assert wait_until(lambda: self.n_fds() <= self.n_fds_idle), \
            f"{self.n_fds()} fds, {self.n_fds_idle} at start:\n{self.fds()}"
        assert wait_until(lambda: self.maps() == 0), "guest memory is still mapped"
        assert wait_until(lambda: self.free_buffers() == self.buffers_idle), \
            f"packet buffers: {self.free_buffers()}, {self.buffers_idle} at start"

    def fds(self):
        d = f"/proc/{self.proc.pid}/fd"
        return "\n".join(f"{n} {os.readlink(f'{d}/{n}')}" for n in sorted(os.listdir(d), key=int))

    def assert_alive(self):
        assert self.proc.poll() is None, f"exit {self.proc.returncode}:\n{self.log}"

    # -- guests

    def path(self, port):
        return os.path.join(self.dir, self.ports[port].get("socket", f"{port}.sock"))

    def guest(self, port, **options):
        g = Guest(self.path(port), **options)
        g.switch = self
        self.guests.append(g)
        return g

    def listener(self, port, **options):
        """A front-end that the port, in the client role, connects to; booted if `boot`."""
        g = Guest(boot=False, regions=options.pop("regions", REGIONS))
        g.switch = self
        self.guests.append(g)
        g.listen(self.path(port))
        if options.pop("boot", True):
            g.accept()
            g.boot(**options)
        return g

    def stream(self, *args, **options):
        s = Stream(*args, **options)
        self.streams.append(s)
        return s

    # -- telemetry

    def telemetry_raw(self, *commands):
        path, = glob.glob(f"{self.dir}/dpdk_telemetry.v2*") + glob.glob(
            f"{self.dir}/*/dpdk_telemetry.v2*") + glob.glob(f"{self.dir}/*/*/dpdk_telemetry.v2*")
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
            s.settimeout(PATIENCE)
            s.connect(path)
            hello = json.loads(s.recv(1024))
            out = []
            for command in commands:
                s.send(command.encode())
                out.append(json.loads(s.recv(hello["max_output_len"])))
            return out

    def telemetry(self, command):
        answer, = self.telemetry_raw(command)
        value, = answer.values()
        return value

    def free_buffers(self):
        """Free packet buffers of each pool, those in the caches of threads included."""
        return {row["name"]: row["free"] for row in self.table("/vhost_switch/buffers")}

    def port(self, name):
        return self.telemetry(f"/vhost_switch/port,{name}")

    def mark(self):
        """From here on new() and new_drops() count."""
        self.marked = {name: self.port(name) for name in self.ports}

    def new(self, name, *counters):
        port = self.port(name)
        return {k: port[k] - self.marked[name][k] for k in counters}

    def new_drops(self, name):
        before = self.marked[name]["drop_reasons"]
        return {k: v - before[k] for k, v in self.port(name)["drop_reasons"].items()
                if v > before[k]}

    def drops(self, name):
        """Drop reasons that happened."""
        return {k: v for k, v in self.port(name)["drop_reasons"].items() if v}

    def table(self, command, *params):
        """All rows of a long table, however many answers they take."""
        rows, offset = [], 0
        while offset is not None:
            more = [] if command in UNPAGED else [*params, str(offset)]
            answer = self.telemetry(",".join([command, *more]))
            assert "error" not in answer, answer
            page = [v for k, v in answer.items() if k.isdigit()]
            rows += page
            offset = answer.get("next")
        assert len(rows) == answer["total"]
        return rows

    def _passes(self):
        return [row["loops"] for row in self.table("/vhost_switch/workers")]

    def finish_pass(self, n=1):
        """Wait until each worker has ended the pass over its queues that it is in, and n - 1
        more. A pass takes at most a burst from each queue."""
        goal = [passes + n for passes in self._passes()]
        assert wait_until(lambda: all(p >= g or self._sleeps(w)
                                      for w, (p, g) in enumerate(zip(self._passes(), goal))))

    def _sleeps(self, number):
        """It has looked at its queues before, and nothing has woken it."""
        before = self.table("/vhost_switch/workers")[number]
        if before["asleep"]:
            time.sleep(0.05)
        after = self.table("/vhost_switch/workers")[number]
        return before["asleep"] and after["asleep"] and before["sleeps"] == after["sleeps"]

    def empty_rings(self):
        """Wait until the workers have dealt with what guests offer now; rings of up to 1024."""
        self.finish_pass(2 + 1024 // BURST)

    def queues(self, name):
        return self.table("/vhost_switch/queues", name)

    def queue(self, name, direction, queue=0):
        """direction is the switch's: rx is what the guest transmits."""
        return next(q for q in self.queues(name)
                    if (q["dir"], q["queue"]) == (direction, queue))

    def fdb(self, name=""):
        """MAC address (bytes) to port."""
        return {bytes.fromhex(row["mac"].replace(":", "")): row["port"]
                for row in self.table("/vhost_switch/fdb", name)}
