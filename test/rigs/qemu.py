# SPDX-License-Identifier: BSD-3-Clause
"""The versions of QEMU that guests run in, and where DPDK's next version is."""

import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))


def make(script, *args):
    """Run one of the scripts here that download and unpack; what is there is kept."""
    subprocess.run([os.path.join(HERE, script), *args], check=True, stdin=subprocess.DEVNULL)


class Installed:
    """Debian 12's QEMU 7.2."""

    # Under emulation it crashes with MSI-X on vhost-user.
    nic = "vectors=0"

    def __init__(self, cache):
        self.cache = cache

    def command(self, folder):
        """How a command line begins whose process may use the files in `folder`."""
        return ["qemu-system-x86_64"]

    def reconnect(self, on):
        """Options of a client's socket: whether it tries again, and how soon."""
        return ",reconnect=1" if on else ""


class Backported(Installed):
    """QEMU 10, unpacked beside the installed one, whose firmware it uses."""

    nic = "vectors=4"

    def command(self, folder):
        top = os.path.join(self.cache, "qemu10")
        make("qemu10", top)
        return ["env", f"QEMU_MODULE_DIR={top}/usr/lib/x86_64-linux-gnu/qemu",
                f"{top}/usr/bin/qemu-system-x86_64", "-L", f"{top}/usr/share/qemu",
                "-L", "/usr/share/seabios"]

    def reconnect(self, on):
        return ",reconnect-ms=100" if on else ""


class Debian13(Backported):
    """QEMU 11, in a Debian 13 of its own."""

    def command(self, folder):
        return in_debian13(self.cache, folder) + ["qemu-system-x86_64"]


def in_debian13(cache, folder):
    """The same for a command of Debian 13."""
    top = os.path.join(cache, "debian13")
    make("debian13", "make", top)
    return [os.path.join(HERE, "debian13"), "run", top, str(folder),
            os.path.join(cache, "guest-image"), "--"]


VERSIONS = {"qemu7": Installed, "qemu10": Backported, "qemu11": Debian13}
