# SPDX-License-Identifier: BSD-3-Clause
"""Verified frames from one fake guest to another."""

import os
import threading

from fakeguest import PATIENCE, wait_until
from fglib import lib


class Stream:
    """Verified frames from one guest to another; in the background between start and stop."""

    _seed = 0

    def __init__(self, src, dst, src_mac, dst_mac, limit=1 << 24, **options):
        Stream._seed += 1
        self.ends = src, dst
        self.s = lib.fg_stream_new(src.g, dst.g, dst_mac, src_mac, Stream._seed, limit)
        self.c = self.s.contents
        for name, value in options.items():
            setattr(self.c, name, value)
        self._stop = threading.Event()
        self._thread = None
        self._error = None

    def run(self, n, timeout=2 * PATIENCE):
        """Send n frames; all must arrive."""
        rc = lib.fg_stream_run(self.s, n, int(timeout * 1000))
        assert rc == 0, f"{os.strerror(-rc)}: {self}"
        self.assert_good()

    def start(self):
        def work():
            while not self._stop.is_set():
                rc = lib.fg_stream_run(self.s, 64, int(PATIENCE * 1000))
                if rc < 0:
                    self._error = f"{os.strerror(-rc)}: {self}"
                    return
        self._thread = threading.Thread(target=work, daemon=True)
        self._thread.start()
        return self

    def halt(self):
        """Ends the background thread, which must be gone before its guests are."""
        if self._thread is not None:
            self._stop.set()
            self._thread.join()
            self._thread = None
            self._stop.clear()

    def stop(self):
        """Ends and checks the stream; how many frames arrived."""
        self.halt()
        assert self._error is None, self._error
        self.assert_good()
        return self.c.check.received

    def moving(self, n=64, timeout=2 * PATIENCE):
        """n more frames arrive."""
        goal = self.c.check.received + n
        assert wait_until(lambda: self.c.check.received >= goal, timeout), f"stuck: {self}"
        assert self._error is None, self._error

    def assert_good(self):
        k = self.c.check
        assert (self.c.lost, k.corrupt, k.duplicate, k.reordered) == (0, 0, 0, 0), str(self)
        for guest in self.ends:
            guest.assert_orderly()

    def free(self):
        self.halt()
        if self.s:
            lib.fg_stream_free(self.s)
        self.s = None

    def __str__(self):
        k = self.c.check
        return (f"sent {self.c.sent} received {k.received} lost {self.c.lost} "
                f"corrupt {k.corrupt} duplicate {k.duplicate} reordered {k.reordered} "
                f"foreign {k.foreign}; next size {self.c.size} in {self.c.desc} pieces")
