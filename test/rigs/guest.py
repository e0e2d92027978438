# SPDX-License-Identifier: BSD-3-Clause
"""A Linux guest in QEMU, under software emulation, on a vhost-user port."""

import os
import re
import socket

from vstools.process import Process, cpus, wait_for

BOOT_SECONDS = 90  # three on a quiet machine
SLOW = 60  # what a command may take that takes a second on a quiet machine

# virtio-net's feature bits, as its properties are called in QEMU.
FEATURE_BITS = {"csum": 0, "guest_csum": 1, "guest_tso4": 7, "guest_tso6": 8, "guest_ecn": 9,
                "host_tso4": 11, "host_tso6": 12, "host_ecn": 13, "mrg_rxbuf": 15, "mq": 22,
                "guest_announce": 21, "indirect_desc": 28, "event_idx": 29, "packed": 34,
                "in_order": 35, "queue_reset": 40}


class CommandFailed(AssertionError):
    """A command in the guest ended with another code than 0."""


class Guest(Process):
    """Boots and then does what sh() says. Commands run in busybox's shell, in /data, a tmpfs.

    nic: properties of virtio-net, {"packed": "on"}. listen: QEMU makes the socket and the
    switch connects. retry: without `listen`, QEMU connects again when the switch is gone.
    """

    def __init__(self, qemu, folder, name, socket_path, mac, address, nic=None, pairs=1,
                 memory=128, listen=False, retry=False, disk=None, plug=True):
        guest_cpu, _ = cpus()
        image = os.path.join(qemu.cache, "guest-image")
        self.mac, self.address = mac, address
        self.pairs = pairs
        self.console_log = os.path.join(folder, f"{name}.console")
        self.agent_path = os.path.join(folder, f"{name}.agent")
        self.monitor_path = os.path.join(folder, f"{name}.monitor")
        self.agent = None
        self.n_commands = 0
        role = "server=on,wait=off" if listen else "server=off" + qemu.reconnect(retry)
        properties = {"mac": mac, "mq": "on" if pairs > 1 else "off", **(nic or {})}
        argv = qemu.command(folder) + [
            "-machine", "q35,memory-backend=m0", "-accel", "tcg", "-cpu", "max",
            "-smp", pairs, "-m", memory,
            "-object", f"memory-backend-memfd,id=m0,size={memory}M,share=on",
            "-chardev", f"socket,id=c0,path={socket_path},{role}",
            "-netdev", f"vhost-user,id=n0,chardev=c0,queues={pairs}",
            "-device", f"virtio-net-pci,netdev=n0,{qemu.nic}"
            + "".join(f",{key}={value}" for key, value in properties.items()),
            "-nodefaults", "-display", "none", "-no-reboot",
            "-serial", f"file:{self.console_log}",
            "-chardev", f"socket,id=agent,path={self.agent_path},server=on,wait=off",
            "-serial", "chardev:agent",
            "-monitor", f"unix:{self.monitor_path},server=on,wait=off",
            "-kernel", os.path.join(image, "vmlinuz"),
            "-initrd", os.path.join(image, "initrd"),
            "-append", "console=ttyS0 quiet panic=-1"]
        if disk:
            argv += ["-drive", f"file={disk},if=none,id=d0,format=raw",
                     "-device", "virtio-blk-pci,drive=d0,vectors=0"]
        super().__init__(name, argv, folder, cpu=guest_cpu)

    # -- life

    def wait_booted(self, mtu=1500):
        """Until its agent is there; then its network interface gets an address, and this MTU,
        or with None the one that the device has."""

        def ready():
            self.check_running()
            return "agent: ready" in self.console()

        wait_for(ready, BOOT_SECONDS, f"{self.name} to boot")
        self.agent = socket.socket(socket.AF_UNIX)
        self.agent.connect(self.agent_path)
        self.sh(f"ip addr add {self.address}/24 dev eth0 && "
                f"ip link set eth0 {f'mtu {mtu}' if mtu else ''} up")

    def enable_ipv6(self):
        """An address without the search for duplicates, which would take seconds."""
        self.address6 = f"fd00::{self.address.rpartition('.')[2]}"
        self.sh("cd /proc/sys/net/ipv6/conf/eth0 && echo 0 >accept_dad && echo 0 >disable_ipv6 && "
                f"ip addr add {self.address6}/64 dev eth0")

    def power_off(self):
        """Shut down in order; QEMU's exit code."""
        command = "ip link set eth0 down; poweroff -f"
        self.agent.sendall(f"{len(command)} {command}\n".encode())
        return self.wait(SLOW)

    def kill(self):
        if self.agent:
            self.agent.close()
            self.agent = None
        super().kill()

    # -- commands

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

    # -- its device

    def features(self):
        """Names of the features that its driver has negotiated, as far as they are known here."""
        bits = self.sh("cat /sys/class/net/eth0/device/features").strip()
        return {name for name, bit in FEATURE_BITS.items() if bits[bit] == "1"}

    def ping(self, peer, count=50, interval=0.02, size=56, cpu=0):
        """None may be lost. The kernel counts the answers, however late a busy machine makes
        them: ping itself waits only for twice the time that the others took."""
        want = self.echo_replies() + count
        output = self.sh(f"taskset -c {cpu} /usr/bin/ping -n -q -c {count} -i {interval} "
                         f"-s {size} {peer}", check=False)[1]
        try:
            wait_for(lambda: self.echo_replies() >= want, SLOW / 2, "answers")
        except TimeoutError:
            missing = want - self.echo_replies()
            raise AssertionError(
                f"{self.name}: {missing} of {count} answers never came\n{output}") from None

    def echo_replies(self):
        names, values = self.sh("grep ^Icmp: /proc/net/snmp").splitlines()
        return int(values.split()[names.split().index("InEchoReps")])

    def wait_for_peer(self, peer, seconds=SLOW):
        self.sh(f"for i in $(seq {seconds}); do /usr/bin/ping -n -q -c 1 -W 1 {peer} && exit 0; done; "
                "exit 1", seconds + SLOW)

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
