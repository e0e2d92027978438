# SPDX-License-Identifier: BSD-3-Clause
"""Network namespaces that end with the test, and the kernel's ends of interfaces in them."""

import contextlib
import ctypes
import fcntl
import os
import random
import socket
import struct
import subprocess
import threading
import time

ETHERTYPE = 0x88B5  # of the fake guest's frames
CLONE_NEWNET = 0x40000000
SIOCETHTOOL, ETHTOOL_STXCSUM, ETHTOOL_SGSO = 0x8946, 0x17, 0x24
_libc = ctypes.CDLL(None, use_errno=True)


def _call(function, *args):
    if function(*args) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _here():
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


class Namespace:
    """A new one. As a context: the calling thread, and what it starts, is in it."""

    def __init__(self):
        old = _here()
        _call(_libc.unshare, CLONE_NEWNET)
        self.fd = _here()
        # The kernel's own talk would be in every count.
        with contextlib.suppress(FileNotFoundError):
            with open("/proc/sys/net/ipv6/conf/default/disable_ipv6", "w") as f:
                f.write("1")
        _call(_libc.setns, old, CLONE_NEWNET)
        os.close(old)
        self._outside = []

    def __enter__(self):
        self._outside.append(_here())
        _call(_libc.setns, self.fd, CLONE_NEWNET)
        return self

    def __exit__(self, *_):
        old = self._outside.pop()
        _call(_libc.setns, old, CLONE_NEWNET)
        os.close(old)

    def run(self, *command):
        with self:
            p = subprocess.run(command, capture_output=True, text=True, timeout=30)
        assert p.returncode == 0, f"{' '.join(command)}: {p.stdout}{p.stderr}"
        return p.stdout

    def ip(self, words):
        return self.run("ip", *words.split())

    def take(self, name, other, address=None):
        """Move an interface here from another namespace, and up."""
        other.run("ip", "link", "set", name, "netns", f"/proc/{os.getpid()}/fd/{self.fd}")
        self.ip(f"link set {name} up")
        if address:
            self.ip(f"addr add {address} dev {name}")

    def no_offloads(self, name):
        """Frames leave it with their checksums, and no longer than its MTU."""
        with self, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            for command in ETHTOOL_STXCSUM, ETHTOOL_SGSO:
                value = ctypes.create_string_buffer(struct.pack("=II", command, 0))
                request = struct.pack("16sQ16x", name.encode(), ctypes.addressof(value))
                fcntl.ioctl(s, SIOCETHTOOL, request)

    def echo_replies(self):
        """That came so far."""
        with self, open("/proc/thread-self/net/snmp") as f:
            names, values = [line.split() for line in f if line.startswith("Icmp:")]
        return int(values[names.index("InEchoReps")])

    def ping(self, address, size=56, count=20, interval=0.01, seconds=10):
        """All are answered. The kernel counts, however late a busy machine answers: ping itself
        does not wait for the last one."""
        want = self.echo_replies() + count
        with self:
            p = subprocess.run(["ping", "-n", "-q", "-c", str(count), "-i", str(interval), "-M",
                                "do", "-s", str(size), address], capture_output=True, text=True,
                               timeout=30 + seconds)
        end = time.monotonic() + seconds
        while (n := self.echo_replies()) < want and time.monotonic() < end:
            time.sleep(0.01)
        assert n >= want, f"{want - n} of {count} answers never came: {p.stdout}{p.stderr}"

    def socket(self):
        with self:
            return socket.socket(socket.AF_INET, socket.SOCK_STREAM)

    def interfaces(self):
        with self:
            return {name for _, name in socket.if_nameindex()} - {"lo"}

    def open(self, name, ethertype=ETHERTYPE):
        with self:
            return Port(name, ethertype)

    def close(self):
        os.close(self.fd)


class Port:
    """What the kernel receives and sends at an interface, frames of one type only."""

    def __init__(self, name, ethertype):
        self.s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ethertype))
        self.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.s.bind((name, ethertype))

    def send(self, data):
        """Waits while the interface's queue is full."""
        for _ in range(1000):
            with contextlib.suppress(OSError):
                self.s.send(data)
                return
            time.sleep(0.001)
        raise AssertionError("the interface takes no more")

    def recv(self, timeout=1.0):
        self.s.settimeout(timeout or 1e-6)
        try:
            return self.s.recv(70000)
        except TimeoutError:
            return None

    def close(self):
        self.s.close()


def transfer(left, right, address, n_bytes=8 << 20):
    """TCP from one namespace to an address of the other; the bytes must be the same."""
    data = random.Random(1).randbytes(n_bytes)
    with right.socket() as server, left.socket() as client:
        server.bind((address, 7000))
        server.listen()
        client.settimeout(20)
        client.connect((address, 7000))
        end, _ = server.accept()
        with end:
            end.settimeout(20)
            got = bytearray()

            def read():
                while chunk := end.recv(1 << 16):
                    got.extend(chunk)
            reader = threading.Thread(target=read)
            reader.start()
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            reader.join(30)
    assert bytes(got) == data
