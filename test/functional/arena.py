# SPDX-License-Identifier: BSD-3-Clause
"""A switch with one port for a culprit and three for those who must not notice: two exchange
verified frames in the background, the third (`feeder`) sends to the culprit and hears it: what the
culprit sends goes there, and not into the rings of the two."""

from fakeguest import BROADCAST, Guest, frame, mac, wait_until
from vswitch import Switch

A, B, E, F = mac(1), mac(2), mac(0xe), mac(0xf)
SMALL = ((0, 8 << 20), (4 << 30, 16 << 20))


class Arena:
    def __init__(self):
        self.sw = Switch(["a", "b", "evil", "feeder"])
        self.a, self.b = (self.sw.guest(n, regions=SMALL) for n in "ab")
        self.feeder = self.sw.guest("feeder", ring=1024, regions=SMALL)
        for g, m in ((self.a, A), (self.b, B), (self.feeder, F)):
            g.send(frame(BROADCAST, m))
        assert wait_until(lambda: {A, B, F} <= set(self.sw.fdb()))
        self.stream = self.sw.stream(self.a, self.b, A, B, size_max=1500, size_step=13,
                                     desc_max=3, header=-1, indirect=-1, window=60)
        self.a.canary_fill()
        self.b.canary_fill()
        self.stream.run(200)
        self.n_fds, self.maps = self.sw.n_fds(), self.sw.maps()
        self.buffers = self.sw.free_buffers()
        self.guests = []

    def begin(self):
        self.feeder.recv_all(0)
        self.stream.start()

    def evil(self, start=True, fill=True, boot=True, regions=SMALL, features=None, **queues):
        """A guest on the culprit's port. Without `fill`, it offers no receive buffers."""
        e = Guest(self.sw.path("evil"), boot=False, regions=regions)
        self.guests.append(e)
        if boot:
            e.negotiate(*([features] if features is not None else []))
            e.share_memory()
            e.make_queues(**queues)
            if start:
                e.start(fill=fill)
        return e

    def release(self, e):
        e.close()
        self.guests.remove(e)
        assert wait_until(lambda: not self.sw.port("evil")["up"])

    def state(self, direction):
        return self.sw.queue("evil", direction)["state"]

    def broken(self, direction, *reasons):
        """The culprit's queue is broken for one of these reasons, and its port says so."""
        wanted = {f"broken: {r}" for r in reasons}
        assert wait_until(lambda: self.state(direction) in wanted), self.state(direction)
        assert wait_until(lambda: self.sw.port("evil")["last_error"] != "")
        self.sw.assert_alive()

    def memory_lost(self):
        """Its port is broken or its session over; no more is promised."""
        def lost():
            port = self.sw.port("evil")
            return not port["up"] or any("broken" in q["state"] for q in self.sw.queues("evil"))
        assert wait_until(lost), self.sw.queues("evil")
        self.sw.assert_alive()

    def feed(self, dst, size=60, n=1):
        """Frames for the culprit."""
        for i in range(n):
            self.feeder.send(frame(dst, F, size, seq=i))

    def end(self):
        """What must be true after every test."""
        try:
            self.sw.assert_alive()
            self.sw.assert_no_report()
            self.stream.moving(50)
            self.stream.stop()
            for g in (self.a, self.b):
                g.canary_check()
        finally:
            self.stream.halt()
            for g in self.guests:
                g.close()
            self.guests = []
        assert wait_until(lambda: self.sw.n_fds() <= self.n_fds), f"fds:\n{self.sw.fds()}"
        assert wait_until(lambda: self.sw.maps() == self.maps), "memory of the culprit is mapped"
        assert wait_until(lambda: self.sw.free_buffers() == self.buffers), \
            f"buffers: {self.sw.free_buffers()}, before: {self.buffers}"
        assert self.feeder.tx[0].ring.n_out_of_order == 0

    def close(self):
        self.sw.stop()
