# SPDX-License-Identifier: BSD-3-Clause
"""The client role: the front-end listens, the switch connects, again and again."""

import os
import re
import socket
import time

import pytest

from fakeguest import (F_PACKED, FEATURES, GET_FEATURES, SET_FEATURES, HungUp, frame, mac,
                       wait_until)

A, B, C = mac(1), mac(2), mac(3)
PORTS = {"a": {"role": "client"}, "b": {}, "c": {"role": "client"}}


def talk(a, b):
    for src, dst, ms, md in ((a, b, A, B), (b, a, B, A)):
        src.send(frame(md, ms, 900))
        assert dst.recv() == frame(md, ms, 900)


def lines(sw, port):
    """What the log says about a port."""
    return [line for line in sw.log.splitlines() if f"port {port}:" in line]


def session(sw, port, state):
    return wait_until(lambda: sw.port(port)["session"] == state)


@pytest.mark.parametrize("features", [FEATURES, FEATURES | F_PACKED])
def test_it_connects_as_soon_as_somebody_listens(sw, features):
    assert session(sw, "a", "connecting")
    b = sw.guest("b")
    a = sw.listener("a", features=features)
    a.greet(b, A, B)
    talk(a, b)
    assert sw.port("a")["session"] == "connected" and sw.port("a")["role"] == "client"


def test_it_connects_to_who_listened_before(switch):
    s = switch(PORTS, start=False)
    a, c = s.listener("a", boot=False), s.listener("c", boot=False)
    s.launch()
    for g in a, c:
        g.accept()
        g.boot()
    s.wait_ready()
    s.n_fds_idle, s.buffers_idle = s.n_fds(), s.free_buffers()
    a.greet(c, A, C)
    c.greet(a, C, A)


def test_a_front_end_comes_back_any_number_of_times(sw):
    b = sw.guest("b")
    before = sw.port("a")["connects"]
    a = sw.listener("a", boot=False)
    for i in range(12):
        a.accept()
        a.boot(ring=64 << i % 3, slots=64)
        a.greet(b, A, B)
        talk(a, b)
        if i % 2:
            a.disconnect()
        else:
            # Its process ends: the socket is gone as well, and a new one takes its place.
            a.close()
            sw.guests.remove(a)
            a = sw.listener("a", boot=False)
    assert sw.port("a")["connects"] >= before + 12


def test_a_front_end_keeps_its_rings_over_a_lost_connection(sw):
    a, b = sw.listener("a"), sw.guest("b")
    a.greet(b, A, B)
    s = sw.stream(a, b, A, B, size_max=1500, size_step=31, window=60)
    for i in range(6):
        s.run(60)
        a.disconnect()
        a.send(frame(B, A, seq=i))  # posted while nobody looks
        a.accept()
        a.come_back()
        assert b.recv() == frame(B, A, seq=i)


def test_a_front_end_that_accepts_and_closes_is_tried_again_quietly(sw):
    a, b = sw.listener("a", boot=False), sw.guest("b")
    said = len(lines(sw, "a"))
    for _ in range(12):
        a.accept()
        a.disconnect()
    a.accept()
    assert len(lines(sw, "a")) - said < 12
    a.boot()
    a.greet(b, A, B)
    talk(a, b)


def test_it_waits_longer_for_who_always_closes_but_not_for_ever(sw):
    a = sw.listener("a", boot=False)
    gaps = []
    for _ in range(12):
        started = time.monotonic()
        a.accept()
        gaps.append(time.monotonic() - started)
        a.disconnect()
    # It doubles up to a quarter of a second; a busy machine adds to it.
    assert min(gaps[-4:]) > min(gaps[:6]) and min(gaps[-4:]) < 2


def test_nobody_who_listens_is_one_line_in_the_log(sw):
    a = sw.listener("a")
    a.disconnect()
    a.unlisten()
    assert session(sw, "a", "connecting")
    wait_until(lambda: False, 0.1)
    said = len(lines(sw, "a"))
    wait_until(lambda: False, 0.7)
    assert len(lines(sw, "a")) - said <= 1


def test_a_front_end_that_breaks_the_protocol_is_left_and_tried_again(sw):
    a, b = sw.listener("a", boot=False), sw.guest("b")
    for _ in range(5):
        a.accept()
        a.message(SET_FEATURES, b"12345678", size=4096 * 16)
        with pytest.raises((HungUp, OSError)):
            a.answer(GET_FEATURES)
    # Why the last session ended is not forgotten because the next one cannot begin.
    why = sw.port("a")["session_error"]
    assert "65536" in why
    a.close()
    assert wait_until(lambda: sw.port("a")["connect_error"] == "no such file")
    assert sw.port("a")["session_error"] == why
    sw.guests.remove(a)
    a = sw.listener("a", boot=False)
    a.accept()
    a.boot()
    a.greet(b, A, B)
    assert sw.port("a")["connect_error"] == ""


def test_a_front_end_that_accepts_nobody_delays_no_other_port(sw):
    """Its backlog is full, or it only never accepts."""
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(sw.path("a"))
        s.listen(0)
        wait_until(lambda: False, 0.05)
        b, c = sw.guest("b"), sw.listener("c")
        c.greet(b, C, B)
        b.greet(c, B, C)
        took = []
        for _ in range(20):
            started = time.monotonic()
            b.get(GET_FEATURES)
            took.append(time.monotonic() - started)
        assert sorted(took)[10] < 0.1
    os.unlink(sw.path("a"))


@pytest.mark.parametrize("what", ["file", "directory", "stale"])
def test_what_is_not_a_listening_socket_is_waited_out(sw, what):
    path = sw.path("a")
    if what == "file":
        with open(path, "w") as f:
            f.write("precious")
    elif what == "directory":
        os.mkdir(path)
    else:
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(path)
    wait_until(lambda: False, 0.05)
    assert session(sw, "a", "connecting")
    why = "nobody listens" if what == "stale" else "the file is no socket"
    assert wait_until(lambda: sw.port("a")["connect_error"] == why)
    if what == "file":
        with open(path) as f:
            assert f.read() == "precious"
    (os.rmdir if what == "directory" else os.unlink)(path)
    b, a = sw.guest("b"), sw.listener("a")
    a.greet(b, A, B)


def test_the_front_ends_socket_survives_the_end_of_the_switch(switch):
    s = switch(PORTS, start=False)
    a = s.listener("a", boot=False)
    s.start()
    a.accept()
    a.boot()
    s.proc.terminate()
    s.proc.wait(15)
    assert os.path.exists(s.path("a")) and not os.path.exists(s.path("b"))
    assert a.hung_up()
    s.proc.stdout.close()
    s.proc = None
    s.start()
    b = s.guest("b")
    a.accept()
    a.come_back()
    a.greet(b, A, B)


def test_the_socket_may_lie_where_there_is_no_folder_yet(switch):
    s = switch({"a": {"role": "client", "socket": "later/a.sock"}, "b": {}})
    os.mkdir(os.path.join(s.dir, "later"))
    a, b = s.listener("a"), s.guest("b")
    a.greet(b, A, B)
    assert os.path.exists(os.path.join(s.dir, "later/a.sock.resume"))
    s.n_fds_idle += 1  # that file


def test_the_log_tells_each_change_of_state(switch):
    s = switch({"a": {"role": "client"}})
    a = s.listener("a")
    assert wait_until(lambda: any(re.search(r"connected to .*a\.sock", x) for x in lines(s, "a")))
    a.disconnect()
    a.unlisten()
    assert wait_until(lambda: any("lost" in x or "ended" in x for x in lines(s, "a")))
