# SPDX-License-Identifier: BSD-3-Clause
"""Frames that are verified byte by byte, between fake guests (test/fakeguest)."""

import contextlib
import os
import time

from fakeguest import Guest as FakeGuest
from fglib import lib
from stream import Stream
from vstools.process import cpus

__all__ = ["FakeGuest", "Stream", "both_ways", "lib_mac", "step_for"]
STUCK_SECONDS = 20


def lib_mac(guest, flow):
    return bytes((2, 0, 0, 0, guest, flow))


@contextlib.contextmanager
def on_guest_cpu():
    """Leaves its CPU to the worker."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpus()[0]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def both_ways(streams, n, foreign=False):
    """n more frames in each of these streams at the same time; all must arrive, and be good.
    Two streams must not end in the same guest. foreign: frames of others may come too."""
    for s in streams:
        s.c.limit = s.c.sent + n
    with on_guest_cpu():
        step_until_done(streams)
    for s in streams:
        s.assert_good()
        assert foreign or s.c.check.foreign == 0, str(s)


def step_until_done(streams):
    end = time.monotonic() + STUCK_SECONDS
    while any(s.c.check.received < s.c.limit for s in streams):
        if sum(lib.fg_stream_step(s.s) for s in streams):
            end = time.monotonic() + STUCK_SECONDS
        else:
            assert time.monotonic() < end, "stuck: " + "; ".join(map(str, streams))
            time.sleep(0.0002)


def step_for(streams, seconds):
    """Leaves frames on the way."""
    for s in streams:
        s.c.limit = s.c.check.max
    end = time.monotonic() + seconds
    with on_guest_cpu():
        while time.monotonic() < end:
            for s in streams:
                lib.fg_stream_step(s.s)
