# SPDX-License-Identifier: BSD-3-Clause
"""A fake guest with the kernel's network stack (test/fakeguest/station.c), in a namespace."""

import json
import os
import signal
import subprocess

from fakeguest import wait_until
from fglib import BUILD_DIR
from netns import Namespace

INTERFACE = "eth9"


class Station:
    """The guest of a port. Programs run in its namespace, `ns`."""

    def __init__(self, socket_path, mac, address=None):
        self.ns = Namespace()
        self.mac = mac.hex(":")
        with self.ns:
            self.proc = subprocess.Popen(
                [os.path.join(BUILD_DIR, "test/fakeguest/station"), socket_path, INTERFACE,
                 self.mac], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert self.proc.stdout.readline() == b"ready\n", f"station: exit code {self.proc.wait()}"
        self.ns.ip("link set lo up")
        self.ns.ip(f"link set {INTERFACE} up")
        if address:
            self.ns.ip(f"addr add {address} dev {INTERFACE}")

    def counts(self):
        """sent, sent_long (above the copybreak), received, bad, refused"""
        self.proc.send_signal(signal.SIGUSR1)
        return json.loads(self.proc.stdout.readline())

    def settled_counts(self):
        """When nothing more comes."""
        last = []

        def same():
            last.append(self.counts())
            return len(last) > 3 and last[-1] == last[-4]

        assert wait_until(same, step=0.05), last
        return last[-1]

    def kill(self):
        """At once, as a guest dies."""
        if self.proc is not None:
            self.proc.kill()
            self.proc.wait()
            self.proc.stdout.close()
            self.proc = None
            self.ns.close()

    close = kill
