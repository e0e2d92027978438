# SPDX-License-Identifier: BSD-3-Clause
"""A host in QEMU, under software emulation: an IOMMU, a NIC with VFs, and the switch."""

import os
import shutil
import subprocess

from machine import Machine
from netns import Namespace
from vstools.process import Process

JOB_SECONDS = 600  # twenty on a quiet machine
BOOT_SECONDS = 240  # fifteen on a quiet machine
HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
# The drivers that the switch needs there, of DPDK's plugins.
DRIVERS = ("bus_pci", "bus_vdev", "mempool_ring", "net_e1000", "net_tap", "net_af_packet")
SOURCES = ("test/functional", "test/rigs", "usertools/vstools")
BINARIES = ("app/vhost-switch", "test/fakeguest/libfakeguest.so", "test/fakeguest/station",
            "test/rigs/libvf_lie.so")
# Its clock goes by instructions, 2^2 ns each: on a busy machine it is slow, but no limit of time
# that the switch keeps runs out because somebody else has the CPU. (And with a thread for each CPU
# QEMU may fail an assertion of its own when a device goes, in iotlb_to_section.)
INSTRUCTIONS = "shift=2,sleep=on"
KERNEL = "console=ttyS0 quiet panic=-1 intel_iommu=on iommu=pt hugepages=150"


def plugin_folder():
    """Where DPDK looks for its drivers."""
    libs = subprocess.run(["pkg-config", "--variable=libdir", "libdpdk"], check=True,
                          stdout=subprocess.PIPE, text=True).stdout.strip()
    (name,) = [n for n in os.listdir(f"{libs}/dpdk") if n.startswith("pmds-")]
    return f"{libs}/dpdk/{name}"


def libraries(*files):
    """What these files are linked with."""
    out = subprocess.run(["ldd", *files], stdout=subprocess.PIPE, text=True).stdout
    return sorted({word for word in out.split() if word.startswith("/")
                   and not word.endswith(":")})


def copy(path, root, to=None):
    target = root + (to or path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if not os.path.exists(target):
        shutil.copy(path, target)


def write_archive(build, folder, out):
    """The switch and its tests in /vs, DPDK's drivers and all libraries, as an archive."""
    root = os.path.join(folder, "root")
    for name in SOURCES:
        shutil.copytree(os.path.join(TOP, name), f"{root}/vs/{name}",
                        ignore=shutil.ignore_patterns("__pycache__"))
    binaries = [os.path.join(build, name) for name in BINARIES]
    for name, path in zip(BINARIES, binaries):
        copy(path, root, f"/vs/build/{name}")
    plugins = plugin_folder()
    files = [f"{plugins}/{name}" for name in os.listdir(plugins)
             if name.split(".")[0].removeprefix("librte_") in DRIVERS]
    os.makedirs(root + plugins)
    for path in files:
        # With its links: EAL would load a driver once by each name.
        shutil.copy(path, root + path, follow_symlinks=False)
    for path in libraries(*binaries, *files):
        copy(path, root)
    names = subprocess.run(["find", "."], cwd=root, stdout=subprocess.PIPE, check=True).stdout
    with open(out, "ab") as f:
        # Archives follow each other at a multiple of four bytes.
        f.write(b"\0" * (-f.tell() % 4))
        f.flush()
        subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], input=names, cwd=root, stdout=f,
                       check=True)
    shutil.rmtree(root)


class Host(Machine):
    """`qemu` is a command line's beginning, of a version that emulates an igb (8.0 or later). Its
    wire ends in a namespace of its own, `outside`, where iperf3 waits."""

    def __init__(self, qemu, image, build, folder):
        initrd = os.path.join(folder, "host.initrd")
        shutil.copy(os.path.join(image, "initrd"), initrd)
        write_archive(build, folder, initrd)
        self.outside = Namespace()
        with self.outside:
            super().__init__("host", qemu + [
                "-machine", "q35", "-accel", "tcg", "-icount", INSTRUCTIONS, "-cpu", "max",
                "-smp", 2, "-m", 1280, "-device", "intel-iommu,intremap=on,caching-mode=on",
                "-netdev", "tap,id=n0,ifname=outside,script=no,downscript=no",
                "-device", "pcie-root-port,id=rp0,slot=1",
                "-device", "igb,netdev=n0,bus=rp0,mac=52:54:00:11:00:01",
                "-kernel", os.path.join(image, "vmlinuz"), "-initrd", initrd,
                "-append", KERNEL], folder)
            self.server = Process("iperf3", ["iperf3", "-s"], folder)

    def wait_booted(self):
        self.wait_agent(BOOT_SECONDS)
        self.outside.ip("link set outside up")
        self.outside.ip("addr add 10.9.0.1/24 dev outside")

    def kill(self):
        self.server.kill()
        super().kill()
        self.outside.close()

    def job(self, name, **env):
        """One of the functions in vf_*.py; its output. What it asks for is done meanwhile."""
        words = "".join(f"{key}={value} " for key, value in env.items())
        self.start("/tmp/job", f"{words}python3 /vs/test/rigs/vf_job.py {name}")
        while True:
            self.until("{ [ -e /tmp/question ] || [ -s /tmp/job.code ]; }", JOB_SECONDS)
            question = self.sh("cat /tmp/question 2>/dev/null; rm -f /tmp/question").strip()
            if not question:
                break
            said = "done"
            try:
                self.answer(question)
            except (AssertionError, OSError, subprocess.SubprocessError) as error:
                said = "failed"  # and so does the job, in order
                print(error)
            self.sh(f"echo {said} >/tmp/answer.new; mv /tmp/answer.new /tmp/answer")
        out = self.result("/tmp/job")
        faults = self.faults()
        assert not faults, "\n".join([out, *faults[-10:]])
        return out

    def answer(self, question):
        kind, what = question.split(" ", 1)
        if kind == "monitor":
            self.monitor(what)
        elif kind == "ping":
            self.outside.ping(what, seconds=60)
        else:
            self.outside.run(*what.split())

    def faults(self):
        """What the IOMMU refused since this was last asked for."""
        lines = self.sh("dmesg -c").splitlines()
        return [line for line in lines if "DMAR" in line and "fault" in line.lower()]
