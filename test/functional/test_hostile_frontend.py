# SPDX-License-Identifier: BSD-3-Clause
"""Front-ends that break the rules of the protocol: fds, lengths, silence, floods."""

import contextlib
import ctypes
import os
import random
import signal
import socket
import statistics
import struct
import threading
import time

import pytest

from fakeguest import (ADD_MEM_REG, GET_FEATURES, GET_VRING_BASE, NEED_REPLY,
                       PATIENCE, REM_MEM_REG, SET_FEATURES, SET_LOG_BASE, SET_MEM_TABLE, SET_OWNER,
                       SET_VRING_ADDR, SET_VRING_BASE, SET_VRING_CALL, SET_VRING_ENABLE,
                       SET_VRING_KICK, SET_VRING_NUM, Guest, HungUp, Refused, frame, lib, mac,
                       wait_until)
from protocol import memfd, u64

E, F = mac(0xe), mac(0xf)
DEADLINE_MS = 1000  # of half a message and of a reply that is not read


def fds_back(arena):
    assert wait_until(lambda: arena.sw.n_fds() == arena.n_fds), arena.sw.fds()


@pytest.mark.parametrize("part", [
    b"\x01", struct.pack("=III", GET_FEATURES, 1, 0)[:11], struct.pack("=III", SET_FEATURES, 1, 8),
    struct.pack("=III", SET_FEATURES, 1, 8) + bytes(7)])
def test_half_a_message_and_silence(arena, part):
    e = arena.evil(boot=False)
    e.send_raw(part)
    started = time.monotonic()
    # Meanwhile every other port's control plane works, without delay.
    with Guest(arena.sw.path("feeder"), boot=False) as other:
        # A second front-end is turned away, long before the silent one's deadline.
        assert other.hung_up(DEADLINE_MS * 0.8)
    assert e.hung_up(5000)
    assert 0.3 < time.monotonic() - started < 4 * DEADLINE_MS / 1000
    assert arena.sw.port("evil")["session_error"] != ""


def test_half_a_message_with_fds_and_silence(arena):
    e = arena.evil(boot=False)
    fds = [memfd() for _ in range(8)]
    e.send_raw(struct.pack("=III", SET_MEM_TABLE, 1, 264) + bytes(20), fds)
    for fd in fds:
        os.close(fd)
    assert e.hung_up(5000)


def test_a_guest_that_dies_with_half_a_message_sent(arena):
    for n in range(1, 20):
        e = arena.evil(boot=False)
        e.send_raw((struct.pack("=III", SET_FEATURES, 1, 8) + u64(0))[:n])
        arena.release(e)


def test_bytes_that_drip_do_not_extend_the_deadline(arena):
    e = arena.evil(boot=False)
    started = time.monotonic()
    with pytest.raises((HungUp, OSError)):
        for byte in struct.pack("=III", SET_FEATURES, 1, 200) + bytes(200):
            e.send_raw(bytes([byte]))
            time.sleep(0.05)
    assert time.monotonic() - started < 4 * DEADLINE_MS / 1000


def test_a_reply_that_is_never_read(arena):
    e = arena.evil(boot=False)
    burst = struct.pack("=III", GET_FEATURES, 1, 0) * 200
    started = time.monotonic()
    with pytest.raises((HungUp, OSError)):
        while time.monotonic() - started < 10:
            e.send_raw(burst)
    assert time.monotonic() - started < 8
    assert arena.sw.port("evil")["session_error"] != ""


def test_a_flood_of_messages_delays_no_other_port(arena):
    e = arena.evil(boot=False)
    over, flooded = threading.Event(), 0

    def flood():
        """Never fewer than a few hundred messages wait to be read."""
        nonlocal flooded
        many, n = struct.pack("=III", GET_FEATURES, 1, 0) * 200, 200 * (12 + 8)
        answers = ctypes.create_string_buffer(n)
        e.send_raw(many)
        while not over.is_set():
            e.send_raw(many)
            e.ok(lib.fg_recv_raw(e.g, answers, n, int(PATIENCE * 1000)))
            flooded += 200

    flooder = threading.Thread(target=flood)
    flooder.start()
    took = []
    try:
        assert wait_until(lambda: flooded > 1000)
        at_start = flooded
        while len(took) < 200 or flooded < at_start + 2000:
            started = time.monotonic()
            arena.feeder.request(SET_OWNER)
            took.append(time.monotonic() - started)
    finally:
        over.set()
        flooder.join()
    # One may be late because the machine is busy, but not most of them.
    assert statistics.median(took) < 0.1


def test_surplus_fds_are_closed(arena):
    e = arena.evil()
    before = arena.sw.n_fds()
    fd = memfd()
    for request, payload in ((GET_FEATURES, b""), (SET_OWNER, b""), (SET_FEATURES, u64(0)),
                             (SET_VRING_NUM, u64(0)), (SET_VRING_ENABLE, u64(0)),
                             (GET_VRING_BASE, u64(0)), (99, b"")):
        for n in (1, 8, 9, 20, 253):
            with pytest.raises((Refused, HungUp, OSError)):
                e.message(request, payload, [fd] * n, NEED_REPLY)
                status = e.answer(request)
                # An answer to a question may come all the same.
                raise Refused if status != u64(0) or request != SET_OWNER else AssertionError
            if e.hung_up(0):
                arena.release(e)
                e = arena.evil()
    os.close(fd)
    assert wait_until(lambda: arena.sw.n_fds() == before), arena.sw.fds()


def lingering_socket(seconds=20):
    """A socket whose last close waits for a reader that does not read; and that reader."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        s = socket.create_connection(listener.getsockname())
        reader, _ = listener.accept()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            s.send(bytes(65536))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, seconds))
    return s, reader


@contextlib.contextmanager
def standing_still(sw):
    """What is sent and closed meanwhile is the switch's alone when it goes on."""
    sw.proc.send_signal(signal.SIGSTOP)
    yield
    sw.proc.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("n_fds,read", [(1, True), (9, True), (1, False), (1, None)],
                         ids=["surplus", "too many", "never read", "turned away"])
def test_a_file_that_does_not_close_delays_no_other_port(arena, n_fds, read):
    e = arena.evil(boot=False)
    second = Guest(boot=False)
    culprit = second if read is None else e
    sockets = [lingering_socket() for _ in range(n_fds)]
    with standing_still(arena.sw):
        if read is None:
            second.connect(arena.sw.path("evil"))
        elif read is False:
            e.message(99)  # ends the session
        culprit.message(GET_FEATURES, fds=[s.fileno() for s, _ in sockets])
        for s, _ in sockets:
            s.close()
    try:
        assert culprit.hung_up()
        started = time.monotonic()
        arena.feeder.request(SET_OWNER)
        arena.sw.port("evil")
        assert time.monotonic() - started < 2
    finally:
        for _, reader in sockets:
            reader.close()
        second.close()


def test_a_port_with_many_files_that_do_not_close_takes_no_more(arena):
    e = arena.evil(boot=False)
    sockets = [lingering_socket() for _ in range(70)]
    with standing_still(arena.sw):
        e.message(GET_FEATURES, fds=[s.fileno() for s, _ in sockets])
        for s, _ in sockets:
            s.close()
    assert e.hung_up()
    arena.release(e)
    with Guest(arena.sw.path("evil"), boot=False) as late:
        late.message(GET_FEATURES)
        try:
            with pytest.raises(TimeoutError):
                late.answer(GET_FEATURES, 500)
            arena.feeder.request(SET_OWNER)
        finally:
            for _, reader in sockets:
                reader.close()
        late.answer(GET_FEATURES)


def test_fds_of_refused_messages_are_closed(arena):
    e = arena.evil()
    before = arena.sw.n_fds()
    fd, ev = memfd(), os.eventfd(0)
    for _ in range(20):
        for request, payload, fds in (
                (ADD_MEM_REG, u64(0) + struct.pack("=QQQQ", 0, 1 << 40, 1, 0), [fd]),
                (ADD_MEM_REG, u64(0) * 5, [fd]),
                (REM_MEM_REG, u64(0) + struct.pack("=QQQQ", 5, 1 << 40, 1, 0), [fd]),
                (SET_MEM_TABLE, struct.pack("=II", 3, 0) + bytes(96), [fd] * 3),
                (SET_MEM_TABLE, struct.pack("=II", 9, 0) + bytes(9 * 32), [fd] * 9),
                (SET_VRING_KICK, u64(77), [ev]), (SET_VRING_CALL, u64(0x1000), [ev]),
                (SET_VRING_CALL, u64(0), [ev, ev])):
            try:
                e.request(request, payload, fds)
                raise AssertionError(f"request {request} was accepted")
            except Refused:
                pass
            except HungUp:
                arena.release(e)
                e = arena.evil()
    os.close(fd)
    os.close(ev)
    assert wait_until(lambda: arena.sw.n_fds() == before), arena.sw.fds()


def test_replaced_notification_fds_are_closed(arena):
    e = arena.evil()
    before = arena.sw.n_fds()
    for i in range(300):
        ev = os.eventfd(0)
        e.vring_fd((SET_VRING_KICK, SET_VRING_CALL, 14)[i % 3], i % 2, [ev])
        os.close(ev)
    # One err fd for each of the two rings came to stay.
    assert wait_until(lambda: arena.sw.n_fds() == before + 2), arena.sw.fds()


def test_a_full_call_fd_that_blocks_stops_no_worker(arena):
    e = arena.evil()
    fd = os.eventfd(2 ** 32 - 1)
    os.eventfd_write(fd, 2 ** 64 - 2 ** 32 - 1)
    for index in (0, 1):
        e.vring_fd(SET_VRING_CALL, index, [fd])
    # At any time, by whoever else has the file: from now on a write waits for a reader.
    os.set_blocking(fd, True)
    for i in range(20):
        for q in (e.rx[0], e.tx[0]):
            lib.fg_ring_want_call(q.ring, True)
        e.send(frame(F, E, 500, seq=i))
        assert arena.feeder.recv() == frame(F, E, 500, seq=i)
        arena.feed(E, 500)
        assert e.recv() is not None
    arena.stream.moving(500)
    e.stop_queue(e.rx[0])
    e.start_queue(e.rx[0])
    arena.feed(E, 60)
    assert e.recv() is not None
    arena.release(e)
    os.close(fd)


def test_a_ring_size_that_changes_after_validation(arena):
    e = arena.evil()
    for num in (32768, 2, 0, 65535):
        with pytest.raises((Refused, HungUp)):
            e.vring(SET_VRING_NUM, 1, num)
    # The ring lies at the end of its region: with the larger size it would leave it.
    e.stop_queue(e.tx[0])
    e.vring(SET_VRING_NUM, 1, 32768)
    r = e.tx[0].ring
    end = e.region(0).uva + e.region(0).size
    at = end - 16 * 1024 & ~15
    try:
        e.request(SET_VRING_ADDR, struct.pack("=IIQQQQ", 1, 0, at, at, at, 0))
        e.vring_fd(SET_VRING_KICK, 1, [r.kick])
    except (Refused, HungUp):
        return
    assert arena.state("rx") != "running"


def test_a_ring_address_that_changes_after_validation(arena):
    e = arena.evil()
    for at in (0, 16, 2 ** 64 - 16, e.region(0).uva + e.region(0).size - 16):
        try:
            e.request(SET_VRING_ADDR, struct.pack("=IIQQQQ", 1, 0, at, at, at, 0))
        except Refused:
            pass
        lib.fg_ring_kick(e.tx[0].ring)
    arena.sw.assert_alive()


def test_a_log_area_that_was_not_negotiated(arena):
    e = arena.evil()
    fd = memfd()
    with pytest.raises((Refused, HungUp)):
        e.request(SET_LOG_BASE, struct.pack("=QQ", 1 << 20, 2 ** 64 - 4096), [fd])
    os.close(fd)


def test_a_log_offset_outside_everything_is_never_written(arena):
    e = arena.evil(start=False)
    r = e.tx[0].ring
    e.canary_fill()
    for log in (0, 2 ** 64 - 1, e.region(0).gpa, e.region(1).gpa + (1 << 20)):
        try:
            e.request(SET_VRING_ADDR, struct.pack(
                "=IIQQQQ", 1, 1, lib.fg_uva(e.g, r.desc_gpa), lib.fg_uva(e.g, r.used_gpa),
                lib.fg_uva(e.g, r.avail_gpa), log))
        except Refused:
            pass
    e.start()
    e.send(frame(F, E, 700))
    assert arena.feeder.recv() == frame(F, E, 700)
    e.canary_check()


def test_many_connections_that_are_turned_away_leak_nothing(arena):
    e = arena.evil()
    before = arena.sw.n_fds()
    crowd = [Guest(arena.sw.path("evil"), boot=False) for _ in range(100)]
    for g in crowd:
        g.close()
    assert wait_until(lambda: arena.sw.n_fds() == before)
    e.request(SET_OWNER)


def test_messages_out_of_order(arena):
    rnd = random.Random(3)
    for _ in range(30):
        e = arena.evil()
        steps = [lambda: e.stop_queue(e.tx[0]), lambda: e.stop_queue(e.rx[0]),
                 lambda: e.ok(lib.fg_ring_start(e.tx[0].ring)),
                 lambda: e.ok(lib.fg_ring_start(e.rx[0].ring)), e.share_memory,
                 lambda: e.ok(lib.fg_rem_mem_reg(e.g, 0)),
                 lambda: e.ok(lib.fg_add_mem_reg(e.g, 0)),
                 lambda: e.vring(SET_VRING_ENABLE, rnd.randrange(2), rnd.randrange(2)),
                 lambda: e.vring(SET_VRING_BASE, 1, rnd.randrange(65536)),
                 lambda: e.request(SET_FEATURES, u64(e.head.features))]
        for _ in range(40):
            try:
                rnd.choice(steps)()
            except (Refused, OSError):
                pass
            except HungUp:
                break
        arena.release(e)


@pytest.mark.parametrize("seed", range(4))
def test_random_messages_harm_only_their_own_port(arena, seed):
    rnd = random.Random(seed)
    fds = [memfd(), os.eventfd(0), os.open("/dev/null", os.O_RDWR)]
    requests = list(range(1, 42)) + [2 ** 32 - 1]
    for _ in range(40):
        e = arena.evil(boot=rnd.random() < 0.7)
        try:
            for _ in range(60):
                payload = rnd.randbytes(rnd.choice([0, 4, 8, 8, 8, 12, 16, 40, 40, 72, 264]))
                if rnd.random() < 0.5:  # small numbers get further
                    payload = bytes(b if rnd.random() < 0.1 else 0 for b in payload)
                e.message(rnd.choice(requests), payload,
                          rnd.choices(fds, k=rnd.choice([0, 0, 1, 1, 2, 8, 9])),
                          flags=rnd.choice([0, NEED_REPLY]),
                          size=len(payload) if rnd.random() < 0.95 else rnd.randrange(5000))
        except (OSError, HungUp):
            pass
        arena.release(e)
    for fd in fds:
        os.close(fd)
    fds_back(arena)
