# SPDX-License-Identifier: BSD-3-Clause
"""A host in QEMU, under software emulation: an IOMMU, a NIC with VFs, and the switch."""

import os
import shutil
import socket
import subprocess

from vstools.process import Process, cpus, wait_for

BOOT_SECONDS = 120  # seven on a quiet machine
HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
# The drivers that the switch needs there, of DPDK's plugins.
DRIVERS = ("bus_pci", "bus_vdev", "mempool_ring", "net_e1000", "net_null")
SOURCES = ("test/functional", "test/rigs", "usertools/vstools")
BINARIES = ("app/vhost-switch", "test/fakeguest/libfakeguest.so")
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


class Host(Process):
    """Boots and then does what sh() says. `qemu` is a command line's beginning, of a version
    that emulates an igb (8.0 or later)."""

    def __init__(self, qemu, image, build, folder):
        self.console_log = os.path.join(folder, "host.console")
        self.agent_path = os.path.join(folder, "host.agent")
        self.agent = None
        self.n_commands = 0
        initrd = os.path.join(folder, "host.initrd")
        shutil.copy(os.path.join(image, "initrd"), initrd)
        write_archive(build, folder, initrd)
        argv = qemu + [
            "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", 2, "-m", 1280,
            "-device", "intel-iommu,intremap=on,caching-mode=on",
            "-netdev", "hubport,id=n0,hubid=0", "-device", "pcie-root-port,id=rp0,slot=1",
            "-device", "igb,netdev=n0,bus=rp0,mac=52:54:00:11:00:01",
            "-nodefaults", "-display", "none", "-no-reboot",
            "-serial", f"file:{self.console_log}",
            "-chardev", f"socket,id=agent,path={self.agent_path},server=on,wait=off",
            "-serial", "chardev:agent",
            "-kernel", os.path.join(image, "vmlinuz"), "-initrd", initrd, "-append", KERNEL]
        super().__init__("host", argv, folder)

    def wait_booted(self):
        def ready():
            self.check_running()
            return "agent: ready" in self.console()

        wait_for(ready, BOOT_SECONDS, "the host to boot")
        self.agent = socket.socket(socket.AF_UNIX)
        self.agent.connect(self.agent_path)

    def console(self):
        try:
            with open(self.console_log, errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def sh(self, command, seconds):
        """Run it; its output. AssertionError when it fails."""
        self.n_commands += 1
        self.agent.settimeout(seconds)
        self.agent.sendall(command.encode() + b"\n")
        out = b""
        end = f"agent: {self.n_commands} "
        while end not in out.decode(errors="replace") or not out.endswith(b"\n"):
            more = self.agent.recv(65536)
            assert more, f"the host is gone:\n{self.console()[-3000:]}"
            out += more
        text, code = out.decode(errors="replace").replace("\r", "").rsplit(end, 1)
        assert code.strip() == "0", f"{command}: exit code {code.strip()}\n{text}"
        return text

    def job(self, name, seconds):
        """A function of vf_job.py; then the kernel must not have seen a fault of the IOMMU."""
        out = self.sh(f"python3 /vs/test/rigs/vf_job.py {name}", seconds)
        faults = [line for line in self.sh("dmesg", 30).splitlines() if "DMAR: [" in line
                  or "fault" in line.lower() and "DMAR" in line]
        assert not faults, "\n".join(faults[-10:])
        return out
