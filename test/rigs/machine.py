# SPDX-License-Identifier: BSD-3-Clause
"""A Linux machine in QEMU that does what its agent is told (guest-image, host-image)."""

import os
import re
import socket

from vstools.process import Process, wait_for

SLOW = 60  # seconds that a command may take that takes one on a quiet machine


class CommandFailed(AssertionError):
    """A command in the machine ended with another code than 0."""


class Machine(Process):
    """Boots, and then does what sh() says. `argv` is QEMU's, without what is added here: a
    console, the agent's line and a monitor."""

    def __init__(self, name, argv, folder, cpu=None):
        self.console_log = os.path.join(folder, f"{name}.console")
        self.agent_path = os.path.join(folder, f"{name}.agent")
        self.monitor_path = os.path.join(folder, f"{name}.monitor")
        self.agent = None
        self.n_commands = 0
        super().__init__(name, argv + [
            "-nodefaults", "-display", "none", "-no-reboot",
            "-serial", f"file:{self.console_log}",
            "-chardev", f"socket,id=agent,path={self.agent_path},server=on,wait=off",
            "-serial", "chardev:agent",
            "-monitor", f"unix:{self.monitor_path},server=on,wait=off"], folder, cpu=cpu)

    def wait_agent(self, seconds):
        """Until it has booted."""

        def ready():
            self.check_running()
            return "agent: ready" in self.console()

        wait_for(ready, seconds, f"{self.name} to boot")
        self.agent = socket.socket(socket.AF_UNIX)
        self.agent.connect(self.agent_path)

    def kill(self):
        if self.agent:
            self.agent.close()
            self.agent = None
        super().kill()

    def sh(self, command, seconds=SLOW, check=True):
        """Its output. With check, CommandFailed when it fails; without, (code, output)."""
        assert "\n" not in command
        self.n_commands += 1
        end = rb"agent: %d (\d+)\r?\n|agent: again\r?\n" % self.n_commands
        try:
            while True:
                self.agent.sendall(f"{len(command)} {command}\n".encode())
                output, match = self._read_until(end, seconds)
                if match[1]:
                    break
        except TimeoutError as error:
            raise TimeoutError(f"{self.name}: {command!r}: {error}") from None
        output, code = output.decode(errors="replace"), int(match[1])
        if not check:
            return code, output
        if code:
            raise CommandFailed(f"{self.name}: {command!r} ended with {code}:\n{output}")
        return output

    def start(self, job, command):
        """Run it in the background; `job` names it for result()."""
        self.sh(f"rm -f {job}.code; {{ ( {command} ); echo $? >{job}.code; }} >{job}.out 2>&1 &")

    def until(self, command, seconds=SLOW):
        """Repeat a command until it succeeds."""
        code, output = self.sh(f"for i in $(seq {seconds * 10}); do {command} && exit 0; "
                               "usleep 100000; done; exit 1", seconds + SLOW, check=False)
        if code:
            raise TimeoutError(f"{self.name}: {command}: not after {seconds} s:\n{output}")

    def result(self, job, seconds=SLOW, check=True):
        """Wait for it to end; (code, output), or the output with check."""
        self.until(f"[ -s {job}.code ]", seconds)
        output = self.sh(f"cat {job}.out")
        code = int(self.sh(f"cat {job}.code"))
        if not check:
            return code, output
        if code:
            raise CommandFailed(f"{self.name}: {job} ended with {code}:\n{output}")
        return output

    def _read_until(self, pattern, seconds):
        """What comes before the pattern, and its match."""
        data = b""
        self.agent.settimeout(seconds)
        while not (match := re.search(pattern, data)):
            try:
                more = self.agent.recv(65536)
            except TimeoutError:
                more = None
            if not more:
                self.check_running()
                raise TimeoutError(f"no answer, only {data[-500:]!r}\n{self.console()[-2000:]}")
            data += more
        return data[:match.start()], match

    def monitor(self, command):
        """One command to QEMU's human monitor."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(SLOW)
            s.connect(self.monitor_path)
            data = b""
            for text in (None, command):
                if text is not None:
                    s.sendall(text.encode() + b"\n")
                    data = b""
                while not data.endswith(b"(qemu) "):
                    data += s.recv(65536)
        return data.decode(errors="replace")

    def console(self):
        try:
            with open(self.console_log, errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""
