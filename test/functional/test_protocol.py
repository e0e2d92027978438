# SPDX-License-Identifier: BSD-3-Clause
"""The vhost-user protocol: every message, as it should be and as it should not."""

import os
import struct
import time

import pytest

from fakeguest import (ADD_MEM_REG, BROADCAST, F_CTRL_VQ, F_EVENT_IDX, F_INDIRECT, F_MQ,
                       F_MRG_RXBUF, F_PROTOCOL, F_VERSION_1, FEATURES, GET_FEATURES,
                       GET_INFLIGHT_FD, GET_MAX_MEM_SLOTS, GET_PROTOCOL_FEATURES, GET_QUEUE_NUM,
                       GET_VRING_BASE, NEED_REPLY, NET_SET_MTU, NO_FD, P_MEM_SLOTS, P_MQ, P_MTU,
                       P_REPLY_ACK, PROTO, REM_MEM_REG, RESET_OWNER, SEND_RARP, SET_FEATURES,
                       SET_INFLIGHT_FD, SET_LOG_BASE, SET_LOG_FD, SET_MEM_TABLE, SET_OWNER,
                       SET_PROTOCOL_FEATURES, SET_VRING_ADDR, SET_VRING_BASE, SET_VRING_CALL,
                       SET_VRING_ENABLE, SET_VRING_ERR, SET_VRING_KICK, SET_VRING_NUM, HungUp,
                       Refused, frame, lib, mac, wait_until)

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


# ---- negotiation


def test_what_is_offered(switch):
    sw = switch({"a": {"queues": 3}})
    a = sw.guest("a", boot=False)
    want = F_MRG_RXBUF | F_CTRL_VQ | F_MQ | F_INDIRECT | F_EVENT_IDX | F_PROTOCOL | F_VERSION_1
    assert a.get(GET_FEATURES) & want == want
    want = P_MQ | P_REPLY_ACK | P_MTU | P_MEM_SLOTS
    assert a.get(GET_PROTOCOL_FEATURES) & want == want
    a.request(SET_PROTOCOL_FEATURES, u64(want))
    assert a.get(GET_QUEUE_NUM) == 3
    assert a.get(GET_MAX_MEM_SLOTS) >= 256


@pytest.mark.parametrize("bit", [7, 26, 33, 34, 63])
def test_a_feature_that_was_not_offered_is_refused(switch, bit):
    sw = switch(["a"])
    a = sw.guest("a", boot=False)
    a.negotiate()
    assert not a.head.offered >> bit & 1
    with pytest.raises(Refused):
        a.request(SET_FEATURES, u64(a.head.features | 1 << bit))
    assert "offered" in sw.port("a")["session_error"]


def test_a_protocol_feature_that_was_not_offered_is_refused(switch):
    sw = switch(["a"])
    a = sw.guest("a", boot=False)
    a.negotiate()
    with pytest.raises(Refused):
        a.request(SET_PROTOCOL_FEATURES, u64(PROTO | 1 << 60))


def test_without_reply_ack_a_refused_message_ends_the_session(switch):
    sw = switch(["a"])
    a = sw.guest("a", boot=False)
    a.negotiate(proto=PROTO & ~P_REPLY_ACK)
    a.message(SET_FEATURES, u64(1 << 63))
    assert a.hung_up()
    assert sw.port("a")["session_error"] != ""
    # The port is free for the next front-end.
    sw.guest("a", boot=False).get(GET_FEATURES)


def test_need_reply_without_the_feature_is_not_answered(switch):
    sw = switch(["a"])
    a = sw.guest("a", boot=False)
    a.negotiate(proto=PROTO & ~P_REPLY_ACK)
    a.message(SET_OWNER, flags=NEED_REPLY)
    a.message(GET_FEATURES)
    assert len(a.answer(GET_FEATURES)) == 8


def test_need_reply_on_a_message_with_an_answer_gets_one_answer(switch):
    sw = switch(["a"])
    a = sw.guest("a", boot=False)
    a.negotiate()
    a.message(GET_FEATURES, flags=NEED_REPLY)
    assert struct.unpack("=Q", a.answer(GET_FEATURES))[0] == a.head.offered
    a.message(GET_QUEUE_NUM)
    a.answer(GET_QUEUE_NUM)


def test_feature_names_are_shown(switch):
    sw, a, b = pair(switch)
    port = str(sw.port("a"))
    for name in ("VERSION_1", "MRG_RXBUF", "EVENT_IDX", "REPLY_ACK", "MQ"):
        assert name.lower() in port.lower(), port


# ---- bad framing


@pytest.mark.parametrize("request_", [0, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 33, 34, 35, 39,
                                      40, 255, 1 << 31, 2 ** 32 - 1, SET_LOG_BASE, SET_LOG_FD,
                                      GET_INFLIGHT_FD, SET_INFLIGHT_FD])
def test_an_unknown_message_is_refused(switch, request_):
    sw = switch(["a"])
    a = sw.guest("a", boot=False)
    a.negotiate()
    fds = [memfd()] if request_ in (SET_LOG_BASE, SET_INFLIGHT_FD) else []
    with pytest.raises((Refused, HungUp)):
        a.request(request_, bytes(32), fds)
    for fd in fds:
        os.close(fd)


@pytest.mark.parametrize("version", [0, 2, 3])
def test_another_version_ends_the_session(switch, version):
    sw = switch(["a"])
    a = sw.guest("a", boot=False)
    a.message(GET_FEATURES, version=version)
    assert a.hung_up()
    assert sw.port("a")["session_error"] != ""


@pytest.mark.parametrize("size", [4097, 65536, 1 << 31, 2 ** 32 - 1])
def test_an_enormous_payload_ends_the_session_before_it_is_read(switch, size):
    sw = switch(["a"])
    a = sw.guest("a", boot=False)
    a.message(SET_FEATURES, bytes(64), size=size)
    assert a.hung_up(500)
    assert sw.port("a")["session_error"] != ""


@pytest.mark.parametrize("request_, size", [
    (SET_FEATURES, 8), (SET_PROTOCOL_FEATURES, 8), (SET_VRING_NUM, 8), (SET_VRING_ADDR, 40),
    (SET_VRING_BASE, 8), (GET_VRING_BASE, 8), (SET_VRING_KICK, 8), (SET_VRING_CALL, 8),
    (SET_VRING_ERR, 8), (SET_VRING_ENABLE, 8), (SEND_RARP, 8), (NET_SET_MTU, 8),
    (ADD_MEM_REG, 40), (REM_MEM_REG, 40), (GET_FEATURES, 0), (SET_OWNER, 0), (SET_MEM_TABLE, 40)])
def test_a_payload_of_the_wrong_length_is_refused(switch, request_, size):
    sw = switch(["a"])
    for wrong in {max(size - 1, 0), size + 1, 0} - {size}:
        a = sw.guest("a", boot=False)
        a.negotiate()
        with pytest.raises((Refused, HungUp)):
            a.request(request_, bytes(wrong))
        a.close()
        assert sw.port("a")["session_error"] != ""


def test_a_message_in_single_bytes_is_understood(switch):
    sw = switch(["a"])
    a = sw.guest("a", boot=False)
    a.negotiate()
    for byte in struct.pack("=III", SET_FEATURES, 1 | NEED_REPLY, 8) + u64(a.head.features):
        a.send_raw(bytes([byte]))
        time.sleep(0.001)
    assert a.answer(SET_FEATURES) == u64(0)


def test_many_messages_in_one_write_are_all_answered(switch):
    sw = switch(["a"])
    a = sw.guest("a", boot=False)
    a.send_raw(struct.pack("=III", GET_FEATURES, 1, 0) * 50)
    answers = {a.answer(GET_FEATURES) for _ in range(50)}
    assert len(answers) == 1


# ---- memory


def test_a_table_of_eight_regions_carries_frames(switch):
    sw = switch(["a", "b"])
    regions = [(i << 32, 4 << 20) for i in range(8)]
    a = sw.guest("a", regions=regions, slot_region=7, ring_region=3)
    b = sw.guest("b")
    talk(a, b)
    assert sw.port("a")["memory_slots"] == 8


@pytest.mark.parametrize("n", [1, 8])
def test_a_table_with_fewer_or_more_fds_than_regions_is_refused(switch, n):
    sw = switch(["a"])
    fd = memfd()
    for n_fds in (0, n - 1, n + 1):
        if n_fds == n:
            continue
        a = sw.guest("a", boot=False)
        a.negotiate()
        table = struct.pack("=II", n, 0) + b"".join(
            region(i << 30, 1 << 20, (i + 1) << 40) for i in range(n))
        with pytest.raises((Refused, HungUp)):
            a.request(SET_MEM_TABLE, table, [fd] * n_fds)
        a.close()
    os.close(fd)


@pytest.mark.parametrize("what, regions", {
    "size_0": [(0, 0, 1 << 40)],
    "gpa_wraps": [(2 ** 64 - 4096, 8192, 1 << 40)],
    "uva_wraps": [(0, 8192, 2 ** 64 - 4096)],
    "file_too_short": [(0, 2 << 20, 1 << 40)],
    "offset_beyond_file": [(0, 4096, 1 << 40, 1 << 21)],
    "offset_and_size_wrap": [(0, 8192, 1 << 40, 2 ** 64 - 4096)],
    "offset_not_of_a_page": [(0, 4096, 1 << 40, 2 ** 63)],
    "gpa_overlaps": [(0, 65536, 1 << 40), (32768, 65536, 2 << 40)],
    "uva_overlaps": [(0, 65536, 1 << 40), (1 << 30, 65536, (1 << 40) + 4096)],
    "the_same_twice": [(0, 65536, 1 << 40)] * 2,
}.items())
def test_an_impossible_memory_table_is_refused_and_the_old_one_stays(switch, what, regions):
    sw, a, b = pair(switch)
    talk(a, b)
    fd = memfd()
    with pytest.raises(Refused):
        a.request(SET_MEM_TABLE,
                  struct.pack("=II", len(regions), 0) + b"".join(region(*r) for r in regions),
                  [fd] * len(regions))
    for r in regions[:1]:
        if len(regions) == 1:
            with pytest.raises(Refused):
                a.request(ADD_MEM_REG, u64(0) + region(*r), [fd])
    os.close(fd)
    assert sw.port("a")["session_error"] != ""
    talk(a, b)


def test_memory_that_is_no_memory_file_is_refused(switch, tmp_path):
    sw = switch(["a"])
    r, w = os.pipe()
    path = "/root/.vs-not-tmpfs" if os.access("/root", os.W_OK) else tmp_path / "f"
    disk = os.open(path, os.O_RDWR | os.O_CREAT)
    os.ftruncate(disk, 1 << 20)
    null = os.open("/dev/zero", os.O_RDWR)
    for fd in (r, disk, null):
        a = sw.guest("a", boot=False)
        a.negotiate()
        with pytest.raises(Refused):
            a.request(ADD_MEM_REG, u64(0) + region(0, 1 << 20, 1 << 40), [fd])
        a.close()
    for fd in (r, w, disk, null):
        os.close(fd)
    os.unlink(path)


def test_256_memory_slots_are_usable(switch):
    sw, a, b = pair(switch)
    first = a.n_regions
    for i in range(256 - first):
        n = a.ok(lib.fg_mem_add(a.g, (16 << 30) + (i << 21), 1 << 20, 0, 0))
        a.ok(lib.fg_add_mem_reg(a.g, n))
    assert sw.port("a")["memory_slots"] == 256
    talk(a, b)
    # Frames that lie in the last of them.
    at = a.alloc(4096, a.n_regions - 1)
    a.write(at, bytes(12) + frame(B, A, 700))
    a.post(a.tx[0], [(at, 712, False)])
    assert b.recv() == frame(B, A, 700)
    for i in range(first, 256):
        a.ok(lib.fg_rem_mem_reg(a.g, i))
    assert sw.port("a")["memory_slots"] == first
    talk(a, b)


def test_more_slots_than_there_are_are_refused(switch):
    sw = switch(["a"])
    a = sw.guest("a", boot=False)
    a.negotiate()
    n = a.get(GET_MAX_MEM_SLOTS)
    fd = memfd(4096)
    for i in range(n):
        a.request(ADD_MEM_REG, u64(0) + region(i << 20, 4096, (1 << 40) + (i << 20)), [fd])
    with pytest.raises(Refused):
        a.request(ADD_MEM_REG, u64(0) + region(n << 20, 4096, (2 << 40)), [fd])
    assert sw.port("a")["memory_slots"] == n
    os.close(fd)


def test_removing_a_region_that_is_not_there_is_refused(switch):
    sw, a, b = pair(switch)
    r = a.region(0)
    for gpa, size, uva in ((r.gpa + 4096, r.size, r.uva), (r.gpa, r.size - 4096, r.uva),
                           (r.gpa, r.size, r.uva + 4096)):
        with pytest.raises(Refused):
            a.request(REM_MEM_REG, u64(0) + region(gpa, size, uva))
    talk(a, b)


def test_an_fd_that_comes_with_rem_mem_reg_is_closed(switch):
    sw, a, b = pair(switch)
    n = a.ok(lib.fg_mem_add(a.g, 64 << 30, 1 << 20, 0, 0))
    r = a.region(n)
    before = sw.n_fds()
    a.ok(lib.fg_add_mem_reg(a.g, n))
    a.request(REM_MEM_REG, u64(0) + region(r.gpa, r.size, r.uva, r.offset), [r.fd])
    assert wait_until(lambda: sw.n_fds() == before)


def test_regions_come_and_go_under_traffic(switch):
    sw, a, b = pair(switch)
    talk(a, b)
    s = sw.stream(a, b, A, B, size_max=1500, size_step=37, window=50)
    maps = sw.maps()
    # The stream and the messages share the guest, so they take turns; frames are in flight
    # at every change.
    for i in range(100):
        s.c.limit = s.c.sent + 40
        for _ in range(3):
            lib.fg_stream_step(s.s)
        if i % 2 == 0:
            n = a.ok(lib.fg_mem_add(a.g, (64 << 30) + (i << 21), 1 << 20, 0, 0))
            a.ok(lib.fg_add_mem_reg(a.g, n))
        else:
            a.ok(lib.fg_rem_mem_reg(a.g, n))
            lib.fg_mem_drop(a.g, n)
    s.run(500)
    assert wait_until(lambda: sw.maps() == maps)


def test_a_new_table_under_traffic_with_the_rings_at_new_addresses(switch):
    sw, a, b = pair(switch)
    talk(a, b)
    s = sw.stream(a, b, A, B, size_max=1500, size_step=37, window=50)
    back = sw.stream(b, a, B, A, size_max=1500, size_step=41, window=50)
    for i in range(40):
        for x in (s, back):
            x.c.limit = x.c.sent + 40
        for _ in range(3):
            lib.fg_stream_step(s.s)
            lib.fg_stream_step(back.s)
        # The same pages at other addresses of the front-end's, as after a remap.
        for n in range(2):
            a.region(n).uva += 1 << 36 if i % 2 == 0 else -(1 << 36)
        a.share_memory()
        for q in a.queues():
            a.ok(lib.fg_ring_addr(q.ring))
    s.run(500)
    back.run(500)


def test_memory_and_rings_move_to_new_files_while_stopped(switch):
    sw, a, b = pair(switch)
    s = sw.stream(a, b, A, B, size_max=1500, size_step=37)
    back = sw.stream(b, a, B, A, size_max=1500, size_step=41)
    for i in range(10):
        s.run(100)
        back.run(100)
        for q in a.queues():
            a.stop_queue(q)
        for n in range(2):
            old = a.region(n).gpa
            new = old + (8 << 30) if i % 2 == 0 else old - (8 << 30)
            a.ok(lib.fg_mem_move(a.g, n, new))
            for q in a.queues():
                lib.fg_queue_rebase(q, old, a.region(n).size, new)
        for q in a.queues():
            lib.fg_ring_relocate(q.ring)
        a.share_memory()
        a.start(fill=False)


def test_a_region_lost_under_a_ring_pauses_it_until_it_is_back(switch):
    sw, a, b = pair(switch)
    talk(a, b)
    a.ok(lib.fg_rem_mem_reg(a.g, 0))  # the rings lie there
    a.send(frame(B, A, seq=7))
    assert b.recv(0.1) is None
    assert sw.queue("a", "rx")["state"] != "running"
    a.ok(lib.fg_add_mem_reg(a.g, 0))
    assert b.recv() == frame(B, A, seq=7)
    talk(a, b)


# ---- rings


def test_a_disabled_ring_drops_what_the_guest_sends(switch):
    sw, a, b = pair(switch)
    talk(a, b)
    a.enable(a.tx[0], False)
    for i in range(10):
        a.send(frame(B, A, 60 + 100 * i))
    assert a.taken()
    assert b.recv(0.05) is None
    assert sw.drops("a") == {"rx_disabled": 10}
    a.enable(a.tx[0])
    talk(a, b)


def test_a_disabled_ring_receives_nothing(switch):
    sw, a, b = pair(switch)
    talk(a, b)
    a.enable(a.rx[0], False)
    b.send(frame(A, B))
    b.send(frame(BROADCAST, B))
    assert b.taken()
    assert a.recv(0.05) is None
    assert sw.drops("a") == {"tx_disabled": 2}
    a.enable(a.rx[0])
    talk(a, b)


def test_rings_start_disabled_with_protocol_features(switch):
    sw = switch(["a", "b"])
    a, b = sw.guest("a", enable=False), sw.guest("b")
    a.send(frame(B, A))
    assert a.taken()
    assert sw.drops("a") == {"rx_disabled": 1}
    for q in a.queues():
        a.enable(q)
    talk(a, b)


def test_enabling_before_the_ring_starts_is_remembered(switch):
    sw = switch(["a", "b"])
    b = sw.guest("b")
    a = sw.guest("a", boot=False)
    a.negotiate()
    a.share_memory()
    a.make_queues()
    for q in a.queues():
        a.enable(q)
    a.start(enable=False)
    talk(a, b)


def test_get_vring_base_stops_that_ring_only(switch):
    sw, a, b = pair(switch)
    talk(a, b)
    base = a.stop_queue(a.tx[0])
    assert base == a.tx[0].ring.avail_idx
    a.send(frame(B, A, seq=5))
    b.send(frame(A, B, seq=6))
    assert a.recv() == frame(A, B, seq=6)
    assert b.recv(0.05) is None
    assert sw.queue("a", "rx")["state"] == "stopped"
    a.start_queue(a.tx[0])
    assert b.recv() == frame(B, A, seq=5)
    talk(a, b)


def some_steps(s, n=50, steps=3):
    """Send about n frames and leave some of them in flight."""
    s.c.limit = s.c.sent + n
    for _ in range(steps):
        lib.fg_stream_step(s.s)


def test_a_transmit_ring_stops_and_resumes_exactly_under_traffic(switch):
    sw, a, b = pair(switch)
    talk(a, b)
    s = sw.stream(a, b, A, B, size_max=1500, size_step=37, window=100)
    for _ in range(100):
        some_steps(s)
        a.stop_queue(a.tx[0])
        # The index it stopped at is what it has completed, and nothing happens after it.
        assert a.tx[0].ring.base == lib.fg_ring_raw_used_idx(a.tx[0].ring)
        some_steps(s, 10, 1)
        assert a.tx[0].ring.base == lib.fg_ring_raw_used_idx(a.tx[0].ring)
        a.start_queue(a.tx[0])
    s.run(300)
    assert sw.drops("a") == sw.drops("b") == {}


def test_a_receive_ring_stops_and_resumes_exactly_under_traffic(switch):
    sw, a, b = pair(switch)
    talk(a, b)
    s = sw.stream(a, b, A, B, size_max=1500, size_step=37, window=100)
    k = s.c.check
    for _ in range(100):
        some_steps(s)
        b.stop_queue(b.rx[0])
        assert b.rx[0].ring.base == lib.fg_ring_raw_used_idx(b.rx[0].ring)
        some_steps(s, 10, 1)
        assert a.taken()
        b.start_queue(b.rx[0], fill=False)
        # What came while it stood was lost by name; the stream need not wait for it.
        s.c.lost = sw.drops("b").get("not_ready", 0)
    some_steps(s, 300, 100)
    assert wait_until(lambda: lib.fg_stream_step(s.s) is not None and
                      k.received + sw.drops("b")["not_ready"] == s.c.sent)
    assert (k.duplicate, k.corrupt, k.reordered) == (0, 0, 0)
    a.assert_orderly()
    b.assert_orderly()


def test_a_ring_restarts_empty_after_a_driver_reset(switch):
    sw, a, b = pair(switch)
    for i in range(5):
        talk(a, b)
        for q in a.queues():
            a.stop_queue(q)
        for q in (*a.rx, *a.tx):
            q.ring.base = 0
        # A new driver: new rings of another size, from index 0.
        a.make_queues(ring=128 if i % 2 else 512, slots=128)
        a.start()


def test_a_stopped_ring_may_change_its_size_and_base(switch):
    sw, a, b = pair(switch)
    talk(a, b)
    r = a.tx[0].ring
    with pytest.raises(Refused):
        a.vring(SET_VRING_NUM, 1, 128)
    with pytest.raises(Refused):
        a.vring(SET_VRING_BASE, 1, 3)
    talk(a, b)
    assert r.size == 256


@pytest.mark.parametrize("num", [0, 3, 255, 32769, 65536, 1 << 31])
def test_a_ring_size_that_cannot_be_is_refused(switch, num):
    sw = switch(["a"])
    a = sw.guest("a", boot=False)
    a.negotiate()
    with pytest.raises(Refused):
        a.vring(SET_VRING_NUM, 0, num)


def test_a_base_beyond_16_bits_is_refused(switch):
    sw = switch(["a"])
    a = sw.guest("a", boot=False)
    a.negotiate()
    with pytest.raises(Refused):
        a.vring(SET_VRING_BASE, 0, 65536)


@pytest.mark.parametrize("index", [2, 255, 256, 1 << 16, 2 ** 32 - 1])
def test_a_ring_index_beyond_the_ports_queues_is_refused(switch, index):
    sw = switch(["a"])
    a = sw.guest("a", boot=False)
    a.negotiate()
    a.share_memory()
    for request in (SET_VRING_NUM, SET_VRING_BASE, SET_VRING_ENABLE):
        with pytest.raises(Refused):
            a.vring(request, index, 0 if request == SET_VRING_BASE else 1)
    with pytest.raises(Refused):
        a.request(SET_VRING_ADDR, struct.pack("=IIQQQQ", index, 0, 0, 0, 0, 0))
    fd = os.eventfd(0)
    for request in (SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR):
        with pytest.raises((Refused, HungUp)):
            a.vring_fd(request, index & 0xff, [fd]) if index < 256 else \
                a.vring_fd(request, index & 0xff | 2, [fd])
    os.close(fd)


def test_get_vring_base_of_a_ring_that_is_not_there_ends_the_session(switch):
    sw = switch(["a"])
    a = sw.guest("a", boot=False)
    a.negotiate()
    # Its answer cannot carry an error.
    with pytest.raises(HungUp):
        a.message(GET_VRING_BASE, state(7, 0))
        a.answer(GET_VRING_BASE)


def test_get_vring_base_of_a_ring_that_never_ran_answers_its_base(switch):
    sw = switch(["a"])
    a = sw.guest("a", boot=False)
    a.negotiate()
    a.vring(SET_VRING_BASE, 1, 77)
    a.message(GET_VRING_BASE, state(1, 0))
    assert a.answer(GET_VRING_BASE) == state(1, 77)


@pytest.mark.parametrize("part", ["desc", "avail", "used"])
def test_a_ring_that_is_not_in_guest_memory_never_runs(switch, part):
    sw, a, b = pair(switch)
    a.stop_queue(a.tx[0])
    r = a.tx[0].ring
    at = {name: lib.fg_uva(a.g, getattr(r, f"{name}_gpa")) for name in ("desc", "avail", "used")}
    last = a.region(1).uva + a.region(1).size
    for wrong in (8, 2 ** 64 - 16, (last - 32) & ~15):
        at[part] = wrong
        try:
            a.request(SET_VRING_ADDR, struct.pack("=IIQQQQ", 1, 0, at["desc"], at["used"],
                                                  at["avail"], 0))
            a.vring_fd(SET_VRING_KICK, 1, [r.kick])
        except Refused:
            pass
        a.send(frame(B, A))
        assert b.recv(0.05) is None
        assert sw.queue("a", "rx")["state"] != "running"
        a.stop_queue(a.tx[0])
    a.start_queue(a.tx[0])
    assert b.recv() == frame(B, A)


@pytest.mark.parametrize("part, off", [("desc", 8), ("avail", 1), ("used", 2)])
def test_a_ring_with_misaligned_parts_is_refused(switch, part, off):
    sw, a, b = pair(switch)
    a.stop_queue(a.tx[0])
    r = a.tx[0].ring
    at = {name: lib.fg_uva(a.g, getattr(r, f"{name}_gpa")) for name in ("desc", "avail", "used")}
    at[part] += off
    with pytest.raises(Refused):
        a.request(SET_VRING_ADDR, struct.pack("=IIQQQQ", 1, 0, at["desc"], at["used"],
                                              at["avail"], 0))
        a.vring_fd(SET_VRING_KICK, 1, [r.kick])


def test_kick_call_and_err_without_fd_are_for_guests_that_poll(switch):
    sw = switch(["a", "b"])
    b = sw.guest("b")
    a = sw.guest("a", boot=False)
    a.negotiate()
    a.share_memory()
    a.make_queues()
    for q in a.queues():
        r = q.ring
        if q.rx:
            lib.fg_net_fill(q)
        a.vring(SET_VRING_NUM, r.index, r.size)
        a.vring(SET_VRING_BASE, r.index, 0)
        a.ok(lib.fg_ring_addr(r))
        for request in (SET_VRING_ERR, SET_VRING_CALL, SET_VRING_KICK):
            a.vring_fd(request, r.index, flags=NO_FD)
        a.enable(q)
    talk(a, b)


def test_an_fd_with_the_no_fd_bit_and_none_without_it_are_refused(switch):
    sw, a, b = pair(switch)
    fd = os.eventfd(0)
    for request in (SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR):
        with pytest.raises(Refused):
            a.vring_fd(request, 1, [fd], flags=NO_FD)
        with pytest.raises(Refused):
            a.vring_fd(request, 1, [])
        with pytest.raises(Refused):
            a.vring_fd(request, 1, [fd, fd])
    os.close(fd)
    talk(a, b)


def test_a_notification_fd_that_is_no_eventfd_is_refused(switch):
    sw, a, b = pair(switch)
    r, w = os.pipe()
    tty = os.open("/dev/null", os.O_RDWR)
    fd = memfd()
    for request in (SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR):
        for wrong in (r, w, tty, fd):
            with pytest.raises(Refused):
                a.vring_fd(request, 1, [wrong])
    for x in (r, w, tty, fd):
        os.close(x)
    talk(a, b)


def test_a_call_fd_that_nobody_reads_never_blocks_the_switch(switch):
    sw, a, b = pair(switch)
    # A blocking eventfd one below its limit: a write would block for ever.
    fd = os.eventfd(0, 0)
    os.eventfd_write(fd, 2 ** 64 - 2)
    a.vring_fd(SET_VRING_CALL, 0, [fd])
    a.vring_fd(SET_VRING_CALL, 1, [fd])
    for i in range(100):
        lib.fg_ring_want_call(a.rx[0].ring, True)
        lib.fg_ring_want_call(a.tx[0].ring, True)
        talk(a, b)
    os.close(fd)


def test_the_call_fd_may_change_while_the_ring_runs(switch):
    sw, a, b = pair(switch)
    talk(a, b)
    r = a.rx[0].ring
    while lib.fg_ring_wait(r, 0):
        pass
    fd = os.eventfd(0, os.EFD_NONBLOCK)
    a.vring_fd(SET_VRING_CALL, 0, [fd])
    lib.fg_ring_want_call(r, True)
    b.send(frame(A, B))
    assert a.recv() == frame(A, B)
    assert wait_until(lambda: readable(fd))
    assert not lib.fg_ring_wait(r, 0)
    os.close(fd)


def readable(fd):
    try:
        return os.eventfd_read(fd) > 0
    except BlockingIOError:
        return False


def test_a_broken_ring_signals_its_err_fd(switch):
    sw, a, b = pair(switch)
    fd = os.eventfd(0, os.EFD_NONBLOCK)
    a.vring_fd(SET_VRING_ERR, 1, [fd])
    lib.fg_ring_raw_avail_idx(a.tx[0].ring, a.tx[0].ring.avail_idx + 1000)
    assert wait_until(lambda: readable(fd))
    assert "broken" in sw.queue("a", "rx")["state"]
    os.close(fd)


def test_reset_owner_stops_all_rings_and_leaves_memory_alone(switch):
    sw, a, b = pair(switch)
    talk(a, b)
    a.request(RESET_OWNER)
    a.send(frame(B, A))
    b.send(frame(A, B))
    assert a.recv(0.05) is None and b.recv(0.05) is None
    assert {q["state"] for q in sw.queues("a")} == {"stopped"}


def test_set_features_may_be_repeated_but_not_changed_under_running_rings(switch):
    sw, a, b = pair(switch)
    a.request(SET_FEATURES, u64(a.head.features))
    talk(a, b)
    with pytest.raises(Refused):
        a.request(SET_FEATURES, u64(a.head.features & ~F_MRG_RXBUF))
    talk(a, b)


@pytest.mark.parametrize("address", [bytes(6), BROADCAST, bytes.fromhex("010203040506")])
def test_an_announcement_of_no_station_is_refused(switch, address):
    sw, a, b = pair(switch)
    with pytest.raises(Refused):
        a.request(SEND_RARP, address + b"\0\0")
    assert sw.fdb() == {}


def test_an_mtu_that_fits_is_accepted_and_one_that_cannot_be_is_refused(switch):
    sw, a, b = pair(switch)
    a.request(NET_SET_MTU, u64(1500))
    a.request(NET_SET_MTU, u64(9000))
    for mtu in (0, 67, 65536, 2 ** 63):
        with pytest.raises(Refused):
            a.request(NET_SET_MTU, u64(mtu))
    talk(a, b)


def test_messages_of_features_that_were_not_negotiated_are_refused(switch):
    sw = switch(["a"])
    a = sw.guest("a", boot=False)
    a.negotiate(proto=P_REPLY_ACK)
    with pytest.raises(HungUp):
        a.get(GET_MAX_MEM_SLOTS)
    a = sw.guest("a", boot=False)
    a.negotiate(proto=P_REPLY_ACK)
    fd = memfd()
    with pytest.raises(Refused):
        a.request(ADD_MEM_REG, u64(0) + region(0, 4096, 1 << 40), [fd])
    os.close(fd)


def test_features_without_protocol_features_still_carry_frames(switch):
    sw = switch(["a", "b"])
    a = sw.guest("a", features=FEATURES & ~F_PROTOCOL)
    b = sw.guest("b")
    talk(a, b)
    base = a.stop_queue(a.tx[0])
    assert base == a.tx[0].ring.avail_idx
