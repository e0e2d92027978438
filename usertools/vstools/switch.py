# SPDX-License-Identifier: BSD-3-Clause
"""Run vhost-switch on a config of one's own."""

import signal

from vstools.process import Process, cpus, wait_for
from vstools.telemetry import Telemetry


class Switch(Process):
    """The switch, started on a config file; its worker runs on the last CPU."""

    def __init__(self, binary, config, folder, name="vhost-switch"):
        self.folder = folder
        self.prefix = name
        self.telemetry = None
        self.killed = False  # before it had ended
        argv = [binary, "--config", config, "--", "--file-prefix", self.prefix]
        super().__init__(name, argv, folder)

    def wait_ready(self, seconds=20):
        """Until it answers questions."""

        def ready():
            self.check_running()
            try:
                self.telemetry = self.telemetry or Telemetry(self.folder, self.prefix)
            except OSError:
                return False
            return self.telemetry("/vhost_switch/version")

        wait_for(ready, seconds, "the switch to answer")

    def ask(self, command):
        """The answer to /vhost_switch/COMMAND."""
        return self.telemetry(f"/vhost_switch/{command}")

    def report(self):
        """What one wants to see of it when a test failed."""
        lines = [f"--- {self.name}, exit code {self.child.poll()}"]
        try:
            lines.append(str(self.ask("workers")))
            for port in self.ask("ports").values():
                if isinstance(port, dict):
                    lines += [str(self.ask(f"{what},{port['name']}")) for what in ("port", "queues")]
        except (OSError, ValueError) as error:
            lines.append(f"no answer: {error}")
        return "\n".join(lines + [self.output()[-3000:]])

    def stop(self, seconds=10):
        """SIGTERM; its exit code, which is 0 when it ended in order."""
        if self.running():
            self.child.send_signal(signal.SIGTERM)
        code = self.wait(seconds)
        self.kill()
        return code

    def kill(self):
        if self.telemetry:
            self.telemetry.close()
            self.telemetry = None
        self.killed = self.killed or self.running()
        super().kill()


def write_config(path, socket_dir, ports, switch=None):
    """A config file with vhost-user ports.

    ports: {name: {key: value}}, `type` is given and `socket` has a default; switch: keys
    of [switch] beside workers and socket-dir.
    """
    _, worker_cpu = cpus()
    lines = ["[switch]", f"workers = {worker_cpu}", f"socket-dir = {socket_dir}"]
    lines += [f"{key} = {value}" for key, value in (switch or {}).items()]
    for name, keys in ports.items():
        keys = {"type": "vhost-user", "socket": f"{name}.sock", **keys}
        lines += ["", f"[port {name}]"] + [f"{key} = {value}" for key, value in keys.items()]
    with open(path, "w") as f:
        f.write("\n".join(lines) + "\n")
