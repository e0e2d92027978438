# SPDX-License-Identifier: BSD-3-Clause
"""A Linux guest in QEMU, under software emulation, on a vhost-user port."""

import os

from machine import SLOW, Machine
from vstools.process import cpus, wait_for

BOOT_SECONDS = 90  # three on a quiet machine

# virtio-net's feature bits, as its properties are called in QEMU.
FEATURE_BITS = {"csum": 0, "guest_csum": 1, "guest_tso4": 7, "guest_tso6": 8, "guest_ecn": 9,
                "host_tso4": 11, "host_tso6": 12, "host_ecn": 13, "mrg_rxbuf": 15, "mq": 22,
                "guest_announce": 21, "indirect_desc": 28, "event_idx": 29, "packed": 34,
                "in_order": 35, "queue_reset": 40}


class Guest(Machine):
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
        self.wait_agent(BOOT_SECONDS)
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
