# SPDX-License-Identifier: BSD-3-Clause
"""A Linux guest in QEMU, under software emulation, on a vhost-user port."""

import os
import shutil
import subprocess

from vstools.process import Process, cpus

# The job's exit code comes through isa-debug-exit as ((code + 16) << 1) | 1.
CODE_OFFSET = 16
HERE = os.path.dirname(os.path.abspath(__file__))


class Guest(Process):
    """Boots, runs guest-job against its peer, and exits with the job's code.

    The job's output is in console().
    """

    def __init__(self, image, folder, name, socket, mac, address, peer, pairs=1,
                 mergeable=True, memory=128):
        guest_cpu, _ = cpus()
        self.console_log = os.path.join(folder, f"{name}.console")
        initrd = os.path.join(folder, f"{name}.initrd")
        self.append_job(os.path.join(image, "initrd.gz"), initrd)
        # No MSI-X vectors: QEMU 7.2 crashes with them on vhost-user under emulation.
        nic = (f"virtio-net-pci,netdev=n0,mac={mac},vectors=0"
               f",mrg_rxbuf={'on' if mergeable else 'off'},mq={'on' if pairs > 1 else 'off'}")
        argv = ["qemu-system-x86_64", "-machine", "q35,memory-backend=m0", "-accel", "tcg",
                "-cpu", "max", "-smp", pairs, "-m", memory,
                "-object", f"memory-backend-memfd,id=m0,size={memory}M,share=on",
                "-chardev", f"socket,id=c0,path={socket}",
                "-netdev", f"vhost-user,id=n0,chardev=c0,queues={pairs}", "-device", nic,
                "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
                "-nodefaults", "-display", "none", "-no-reboot",
                "-serial", f"file:{self.console_log}",
                "-kernel", os.path.join(image, "vmlinuz"), "-initrd", initrd,
                "-append", f"console=ttyS0 quiet panic=-1 address={address}/24 peer={peer}"]
        super().__init__(name, argv, folder, cpu=guest_cpu)

    @staticmethod
    def append_job(base, initrd):
        """base and an archive with /guest-job, to initrd."""
        archive = subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], input=b"guest-job\n",
                                 stdout=subprocess.PIPE, cwd=HERE, check=True).stdout
        shutil.copy(base, initrd)
        with open(initrd, "ab") as out:
            # Archives follow each other at a multiple of four bytes.
            out.write(b"\0" * (-out.tell() % 4))
            out.write(archive)

    def console(self):
        try:
            with open(self.console_log, errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def job_code(self, seconds):
        """The job's exit code; None when the guest ended without one."""
        code = self.wait(seconds)
        return (code >> 1) - CODE_OFFSET if code >= CODE_OFFSET << 1 and code & 1 else None
