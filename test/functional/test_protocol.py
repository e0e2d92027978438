# SPDX-License-Identifier: BSD-3-Clause
"""The vhost-user protocol: negotiation, framing, and messages about neither memory nor a ring."""

import os
import struct
import time

import pytest

from fakeguest import (ADD_MEM_REG, BROADCAST, F_CTRL_VQ, F_EVENT_IDX, F_INDIRECT, F_MQ,
                       F_MRG_RXBUF, F_PROTOCOL, F_VERSION_1, FEATURES, GET_FEATURES,
                       GET_INFLIGHT_FD, GET_MAX_MEM_SLOTS, GET_PROTOCOL_FEATURES, GET_QUEUE_NUM,
                       GET_VRING_BASE, NEED_REPLY, NET_SET_MTU, P_MEM_SLOTS, P_MQ, P_MTU,
                       P_REPLY_ACK, PROTO, REM_MEM_REG, SEND_RARP, SET_FEATURES, SET_INFLIGHT_FD,
                       SET_LOG_BASE, SET_LOG_FD, SET_MEM_TABLE, SET_OWNER, SET_PROTOCOL_FEATURES,
                       SET_VRING_ADDR, SET_VRING_BASE, SET_VRING_CALL, SET_VRING_ENABLE,
                       SET_VRING_ERR, SET_VRING_KICK, SET_VRING_NUM, HungUp, Refused)
from protocol import u64, region, memfd, pair, talk


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


@pytest.mark.parametrize("bit", [6, 26, 33, 36, 40, 63])
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
    assert a.hung_up()
    # And not for its silence.
    assert "limit" in sw.port("a")["session_error"]


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
