# SPDX-License-Identifier: BSD-3-Clause
"""The fake guest (test/fakeguest, C) for Python: class Guest makes tests short,
`lib` reaches every function of fg.h."""

import ctypes as c
import errno
import os
import struct
import time

from fglib import Buf, Head, lib, u16, u32, u64

# vhost-user requests
GET_FEATURES, SET_FEATURES, SET_OWNER, RESET_OWNER, SET_MEM_TABLE = 1, 2, 3, 4, 5
SET_LOG_BASE, SET_LOG_FD = 6, 7
SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE, GET_VRING_BASE = 8, 9, 10, 11
SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR = 12, 13, 14
GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES = 15, 16
GET_QUEUE_NUM, SET_VRING_ENABLE, SEND_RARP, NET_SET_MTU = 17, 18, 19, 20
GET_INFLIGHT_FD, SET_INFLIGHT_FD = 31, 32
GET_CONFIG, SET_CONFIG = 24, 25
GET_MAX_MEM_SLOTS, ADD_MEM_REG, REM_MEM_REG, SET_STATUS, GET_STATUS = 36, 37, 38, 39, 40
NO_FD = 1 << 8
NEED_REPLY = 1 << 3

# virtio features
F_MTU, F_MRG_RXBUF, F_CTRL_VQ, F_MQ = 1 << 3, 1 << 15, 1 << 17, 1 << 22
F_INDIRECT, F_EVENT_IDX, F_PROTOCOL, F_VERSION_1 = 1 << 28, 1 << 29, 1 << 30, 1 << 32
F_PACKED, F_IN_ORDER, F_RING_RESET = 1 << 34, 1 << 35, 1 << 40
F_CSUM, F_GUEST_CSUM, F_MAC, F_STATUS = 1 << 0, 1 << 1, 1 << 5, 1 << 16
F_GUEST_TSO4, F_GUEST_TSO6, F_GUEST_ECN, F_GUEST_UFO = 1 << 7, 1 << 8, 1 << 9, 1 << 10
F_HOST_TSO4, F_HOST_TSO6, F_HOST_ECN, F_HOST_UFO = 1 << 11, 1 << 12, 1 << 13, 1 << 14
F_GUEST_ANNOUNCE, F_GUEST_USO4, F_GUEST_USO6, F_HOST_USO = 1 << 21, 1 << 54, 1 << 55, 1 << 56
P_MQ, P_RARP, P_REPLY_ACK, P_MTU = 1 << 0, 1 << 2, 1 << 3, 1 << 4
P_CONFIG, P_MEM_SLOTS, P_STATUS = 1 << 9, 1 << 15, 1 << 16
FEATURES = F_MRG_RXBUF | F_INDIRECT | F_EVENT_IDX | F_PROTOCOL | F_VERSION_1 | F_MQ | F_CTRL_VQ
PROTO = P_MQ | P_REPLY_ACK | P_MTU | P_MEM_SLOTS

NEXT, WRITE, INDIRECT = 1, 2, 4
SHARED, OWN, SPLIT = 0, 1, 2

# Two regions with a hole between them and different file offsets, as a PC has.
REGIONS = ((0, 8 << 20), (4 << 30, 40 << 20))


class Refused(Exception):
    """The back-end answered a request with an error."""


class HungUp(Exception):
    """The back-end closed the connection."""


def mac(n):
    return bytes((2, 0, 0, n >> 16 & 255, n >> 8 & 255, n & 255))


BROADCAST = b"\xff" * 6


def frame(dst, src, size=60, seed=0xE000, seq=0):
    """A frame whose content is told by its seed and number."""
    out = c.create_string_buffer(size)
    lib.fg_frame_make(out, size, dst, src, seed, seq)
    return out.raw


# Long enough for a machine that does ten other things; nobody waits for it who need not.
PATIENCE = 10.0


def wait_until(condition, timeout=PATIENCE, step=0.005):
    """True as soon as condition() is; its last value after the timeout."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value
        time.sleep(step)


class Guest:
    """One front-end with one virtio-net device. Without `path` nothing is connected;
    without `boot` the protocol is up to the test."""

    def __init__(self, path=None, boot=True, regions=REGIONS, **options):
        self.g = lib.fg_new()
        self.path = path
        self.switch = None
        self.rx, self.tx = [], []
        self.head = Head.from_address(self.g)
        self._in = c.create_string_buffer(65600)
        for i, (gpa, size) in enumerate(regions):
            self.ok(lib.fg_mem_add(self.g, gpa, size, 0, i * 65536))
        if path is not None:
            self.connect(path)
            if boot:
                self.boot(**options)

    # -- life

    def connect(self, path=None):
        self.ok(lib.fg_connect(self.g, os.fsencode(path or self.path)))

    def boot(self, features=FEATURES, proto=PROTO, enable=True, fill=True, **queues):
        """What a front-end and driver do from connecting to the first frame."""
        self.negotiate(features, proto)
        self.share_memory()
        self.make_queues(**queues)
        self.start(enable, fill)

    def negotiate(self, features=FEATURES, proto=PROTO):
        self.ok(lib.fg_negotiate(self.g, features, proto))

    def share_memory(self):
        self.ok(lib.fg_set_mem_table(self.g))

    def make_queue(self, is_rx, pair, ring=256, slot=2304, slots=None, rx_cuts=1,
                   rx_indirect=False, ring_region=0, slot_region=-1):
        """Ring and buffers, in place of those that were; nobody is told."""
        q = lib.fg_queue_new(self.g, is_rx, pair, ring, slot, slots or ring, ring_region,
                             slot_region % self.n_regions)
        assert q, lib.fg_error(self.g)
        if is_rx:
            q.contents.rx_cuts, q.contents.rx_indirect = rx_cuts, rx_indirect
        return q.contents

    def make_queues(self, pairs=1, rx_slot=None, **options):
        rx_options = {**options, "slot": rx_slot} if rx_slot else options
        self.rx = [self.make_queue(True, i, **rx_options) for i in range(pairs)]
        self.tx = [self.make_queue(False, i, **options) for i in range(pairs)]

    def start(self, enable=True, fill=True):
        """In vring order. enable: after the start, as DPDK's virtio-user does; or "before",
        as QEMU does, so that nothing is dropped between the two; or not at all."""
        for q in self.queues():
            self.start_queue(q, enable, fill)

    def start_queue(self, q, enable=True, fill=True):
        if q.rx and fill:
            lib.fg_net_fill(q)
        if enable == "before":
            self.enable(q)
        self.ok(lib.fg_ring_start(q.ring))
        if enable is True and self.head.features & F_PROTOCOL:
            self.ok(lib.fg_ring_enable(q.ring, True))

    def queues(self):
        return [q for pair in zip(self.rx, self.tx) for q in pair]

    def disconnect(self):
        lib.fg_disconnect(self.g)

    def listen(self, path=None):
        """The other role: a switch in the client role connects."""
        self.path = path or self.path
        self.ok(lib.fg_listen(self.g, os.fsencode(self.path)))

    def accept(self, timeout=PATIENCE * 1000):
        self.ok(lib.fg_accept(self.g, int(timeout)))

    def unlisten(self):
        lib.fg_unlisten(self.g)

    def come_back(self, features=FEATURES, proto=PROTO, enable="before"):
        """After connect or accept, with a back-end that died: what QEMU does. Rings keep what
        is posted and go on from where QEMU thinks they stood."""
        for q in self.queues():
            q.ring.base = lib.fg_ring_stale_base(q.ring)
        self.negotiate(features, proto)
        self.share_memory()
        self.start(enable, fill=False)

    def close(self):
        if self.g:
            lib.fg_free(self.g)
        self.g, self.rx, self.tx = None, [], []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # -- protocol

    def ok(self, rc):
        if rc >= 0:
            return rc
        words = f"{os.strerror(-rc)}: {lib.fg_error(self.g).decode()}"
        if rc == -errno.EPROTO:
            raise Refused(words)
        if rc in (-errno.ECONNRESET, -errno.EPIPE):
            raise HungUp(words)
        raise OSError(-rc, words)

    def send_raw(self, data, fds=()):
        self.ok(lib.fg_send_raw(self.g, data, len(data), (c.c_int * len(fds))(*fds), len(fds)))

    def message(self, request, payload=b"", fds=(), flags=0, size=None, version=1):
        """One message, sent without waiting for anything; its header may lie."""
        size = len(payload) if size is None else size
        self.send_raw(struct.pack("=III", request, flags | version, size) + payload, fds)

    def answer(self, request, timeout=PATIENCE * 1000):
        out = c.create_string_buffer(4096)
        n = self.ok(lib.fg_recv(self.g, request, out, 4096, int(timeout)))
        return out.raw[:n]

    def ask(self, request, payload=b""):
        self.message(request, payload)
        return self.answer(request)

    def get(self, request):
        return struct.unpack("=Q", self.ask(request))[0]

    def request(self, request, payload=b"", fds=()):
        """Acknowledged (REPLY_ACK) or followed by a round trip. Raises Refused or HungUp."""
        self.ok(lib.fg_request(self.g, request, payload, len(payload),
                               (c.c_int * len(fds))(*fds), len(fds)))

    def vring(self, request, index, num):
        self.request(request, struct.pack("=II", index, num))

    def vring_fd(self, request, index, fds=(), flags=0):
        self.request(request, struct.pack("=Q", index | flags), fds)

    def stop_queue(self, q):
        """GET_VRING_BASE"""
        self.ok(lib.fg_ring_stop(q.ring))
        return q.ring.base

    def enable(self, q, on=True):
        self.ok(lib.fg_ring_enable(q.ring, on))

    def hung_up(self, timeout=PATIENCE * 1000):
        return lib.fg_hung_up(self.g, int(timeout))

    # -- memory

    @property
    def n_regions(self):
        i = 0
        while lib.fg_region_of(self.g, i):
            i += 1
        return i

    def region(self, i):
        return lib.fg_region_of(self.g, i).contents

    def alloc(self, size, region=0, align=64):
        gpa = lib.fg_alloc(self.g, region, size, align)
        assert gpa, lib.fg_error(self.g)
        return gpa

    def read(self, gpa, size):
        at = lib.fg_ptr(self.g, gpa, size)
        assert at, f"{gpa:#x} is not guest memory"
        return c.string_at(at, size)

    def write(self, gpa, data):
        at = lib.fg_ptr(self.g, gpa, len(data))
        assert at, f"{gpa:#x} is not guest memory"
        c.memmove(at, data, len(data))

    def canary_fill(self):
        lib.fg_canary_fill(self.g)

    def canary_check(self):
        first = u64()
        bad = lib.fg_canary_check(self.g, c.byref(first))
        assert bad == 0, f"{bad} bytes outside any buffer changed, the first at {first.value:#x}"

    # -- rings, raw

    def post(self, q, bufs, indirect=False, publish=True):
        """A chain of buffers (gpa, length, device may write), whatever they are."""
        array = (Buf * len(bufs))(*[Buf(*b) for b in bufs])
        head = self.ok(lib.fg_ring_post(q.ring, array, len(bufs), indirect, 0xffffffff))
        if publish:
            lib.fg_ring_publish(q.ring)
        return head

    def desc(self, q, i, addr, length, flags=0, following=0):
        lib.fg_ring_raw_desc(q.ring, i, addr & (1 << 64) - 1, length, flags, following)

    def offer(self, q, *heads):
        """Make descriptors available, whatever they are."""
        for head in heads:
            lib.fg_ring_raw_avail(q.ring, head)
        lib.fg_ring_publish(q.ring)

    def table(self, *entries):
        """An indirect table of (address, length, flags, next); its address."""
        at = self.alloc(16 * max(len(entries), 1) + 16)
        self.write(at, b"".join(struct.pack("=QIHH", *x) for x in entries))
        return at

    def drain(self, q):
        """Forget completions."""
        head, length, cookie = u16(), u32(), u32()
        while lib.fg_ring_take(q.ring, head, length, cookie):
            pass

    # -- frames

    def send(self, data, queue=0, n_desc=1, header=SHARED, indirect=False, publish=True,
             hdr=None):
        """Waits for room in the ring."""
        q = self.tx[queue]
        rc = wait_until(lambda: lib.fg_net_reap(q) is not None and -errno.EAGAIN !=
                        (rc := lib.fg_net_send(q, hdr, data, len(data), n_desc, header, indirect,
                                               publish)) and (rc,))
        self.ok(rc[0] if rc else -errno.EAGAIN)

    def send_cuts(self, data, cuts, queue=0, hdr=None, indirect=False):
        q = self.tx[queue]
        lib.fg_net_reap(q)
        self.ok(lib.fg_net_send_cuts(q, hdr, data, len(data), (u32 * len(cuts))(*cuts),
                                     len(cuts), indirect, True))

    def greet(self, other, mine, its):
        """Wait until frames pass to the other guest: some of no stream do."""
        self.ok(lib.fg_greet(self.g, other.g, its, mine, int(PATIENCE * 1000)))
        if self.switch:
            # A second greeting would take a buffer that a test counts on.
            self.switch.finish_pass(2)
            while other.recv(0):
                pass

    def taken(self, queue=0, timeout=PATIENCE):
        """Wait until the switch has completed all that was sent, and dealt with it."""
        q = self.tx[queue]
        done = wait_until(lambda: lib.fg_net_reap(q) is not None and
                          q.ring.n_free == q.ring.size, timeout)
        if done and self.switch:
            self.switch.finish_pass()
        return done

    def recv(self, timeout=PATIENCE):
        """One frame, or None if none comes."""
        end = time.monotonic() + timeout
        while True:
            n = self.ok(lib.fg_net_recv_any(self.g, self._in, len(self._in), None))
            if n > 0:
                return self._in.raw[:n]
            if time.monotonic() > end:
                return None
            time.sleep(0.0005)

    def recv_all(self, quiet=0.05):
        """All frames until none has come for `quiet` seconds, after all that is in rings now."""
        if self.switch:
            self.switch.empty_rings()
        out = []
        while (f := self.recv(quiet)) is not None:
            out.append(f)
        return out

    def assert_orderly(self):
        """Nothing that came back from the switch broke the rules of a ring."""
        for q in self.queues():
            r = q.ring
            bad = {"out_of_order": r.n_out_of_order, "bad_id": r.n_bad_id,
                   "bad_len": q.n_bad_len, "bad_buffers": q.n_bad_buffers}
            assert not any(bad.values()), f"ring {r.index}: {bad}"
