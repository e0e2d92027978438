# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of the protocol share."""

import os
import struct

from fakeguest import frame, mac

A, B = mac(1), mac(2)


def u64(n):
    return struct.pack("=Q", n)


def state(index, num):
    return struct.pack("=II", index, num)


def region(gpa, size, uva, offset=0):
    return struct.pack("=QQQQ", gpa, size, uva, offset)


def memfd(size=1 << 20):
    fd = os.memfd_create("guest")
    os.ftruncate(fd, size)
    return fd


def pair(switch, ports=("a", "b"), **options):
    sw = switch(list(ports))
    a, b = sw.guest("a", **options), sw.guest("b")
    return sw, a, b


def talk(a, b):
    """Frames pass both ways."""
    for src, dst, ms, md in ((a, b, A, B), (b, a, B, A)):
        for size in (60, 1200):
            src.send(frame(md, ms, size))
            assert dst.recv() == frame(md, ms, size)
    a.assert_orderly()
    b.assert_orderly()
