# SPDX-License-Identifier: BSD-3-Clause
"""Guests come, go and die; sockets are old, live or taken."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from fakeguest import GET_FEATURES, Guest, HungUp, frame, lib, mac, wait_until
from vstools.process import die_with_parent

A, B, C, D = mac(1), mac(2), mac(3), mac(4)


def talk(a, b, ma=A, mb=B):
    for src, dst, ms, md in ((a, b, ma, mb), (b, a, mb, ma)):
        src.send(frame(md, ms, 900))
        assert dst.recv() == frame(md, ms, 900)


def learned(sw, *macs):
    return wait_until(lambda: set(macs) <= set(sw.fdb()))


def test_fifty_connects_and_disconnects_cost_the_other_ports_nothing(switch):
    sw = switch(["a", "b", "c"])
    a, b = sw.guest("a"), sw.guest("b")
    talk(a, b)
    s = sw.stream(a, b, A, B, size_max=1500, size_step=11, window=100).start()
    for i in range(50):
        with Guest(sw.path("c")) as c:
            for k in range(30):
                c.send(frame(mac(99), C, 60 + k * 40))
            if i % 2 == 0:
                assert c.taken()
    s.moving(500)
    assert s.stop() > 1000
    assert sw.drops("b") == {}
    assert sw.port("c")["connects"] == 50


def test_guests_die_with_frames_in_flight_both_ways(switch):
    sw = switch(["a", "b", "c", "d"])
    a, b, d = sw.guest("a"), sw.guest("b"), sw.guest("d")
    talk(a, b)
    d.send(frame(A, D))
    assert learned(sw, A, B, D) and a.recv()
    good = sw.stream(a, b, A, B, size_max=1500, size_step=11, window=60).start()
    script = (
        "import sys; sys.path.insert(0, %r)\n"
        "from fakeguest import *\n"
        "c = Guest(%r)\n"
        "print('up', flush=True)\n"
        "n = 0\n"
        "while True:\n"
        "    try:\n"
        "        c.send(frame(mac(4), mac(3), 60 + n %% 1400)); n += 1\n"
        "    except OSError: pass\n" % (os.path.dirname(os.path.abspath(__file__)), sw.path("c")))
    for i in range(8):
        p = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE,
                             preexec_fn=die_with_parent)
        assert p.stdout.readline() == b"up\n"
        assert d.recv() is not None
        time.sleep(0.02 * i)
        p.send_signal(signal.SIGKILL)
        p.wait()
        p.stdout.close()
        # It dies with frames half way, and its port is free again at once.
        assert wait_until(lambda: not sw.port("c")["up"])
        d.recv_all(0)
    good.moving(200)
    good.stop()
    d.assert_orderly()
    assert sw.drops("b") == {}
    assert wait_until(lambda: sw.maps() == 6), "memory of dead guests is still mapped"


def test_a_second_front_end_is_turned_away(switch):
    sw = switch(["a", "b"])
    a, b = sw.guest("a"), sw.guest("b")
    talk(a, b)
    for _ in range(5):
        second = Guest(sw.path("a"), boot=False)
        with pytest.raises((HungUp, OSError)):
            second.get(GET_FEATURES)
        second.close()
    talk(a, b)


def test_a_guest_comes_back_on_its_port(switch):
    sw = switch(["a", "b"])
    b = sw.guest("b")
    for i in range(10):
        a = sw.guest("a", ring=64 << (i % 3), slots=64)
        talk(a, b)
        a.disconnect()
        assert wait_until(lambda: A not in sw.fdb())
        assert b.recv(0) is None
    assert wait_until(lambda: not sw.port("a")["up"])


def come_back(sw, guests):
    for port, g in guests.items():
        g.connect()
        g.come_back()
        # Rings of an earlier session may still be on their way out.
        assert wait_until(lambda: {q["state"] for q in sw.queues(port)} == {"running"})


def test_a_guest_that_reconnects_goes_on_where_its_rings_stood(switch):
    sw = switch(["a", "b"])
    a, b = sw.guest("a"), sw.guest("b")
    talk(a, b)
    s = sw.stream(a, b, A, B, size_max=1500, size_step=31, window=60)
    for _ in range(20):
        s.run(100)
        for port, g in (("a", a), ("b", b)):
            g.disconnect()
            assert wait_until(lambda: not sw.port(port)["up"])
        a.send(frame(B, A, seq=1))  # posted while nobody looks
        come_back(sw, {"b": b, "a": a})
        assert b.recv() == frame(B, A, seq=1)
    assert sw.drops("a") == sw.drops("b") == {}


def test_the_switch_dies_and_guests_go_on_with_its_successor(switch):
    sw = switch(["a", "b"])
    a, b = sw.guest("a"), sw.guest("b")
    talk(a, b)
    for _ in range(5):
        s = sw.stream(a, b, A, B, size_max=1500, size_step=31, window=200)
        s.c.limit = 1 << 20
        assert wait_until(lambda: lib.fg_stream_step(s.s) is not None and
                          s.c.check.received > 50, step=0)
        sw.kill()
        # The old sockets are still there: stale, to be replaced.
        sw.start()
        come_back(sw, {"b": b, "a": a})
        # Frames between two used indexes may come twice; none is damaged, and none is
        # lost for ever in a ring.
        assert wait_until(lambda: a.taken(timeout=0))
        for _ in range(20):
            lib.fg_stream_step(s.s)
        assert s.c.check.corrupt == 0
        a.greet(b, A, B)
        sw.stream(a, b, A, B, size_max=1500, size_step=31, window=200).run(500)


def test_a_stale_socket_is_replaced(switch):
    sw = switch(["a", "b"], start=False)
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(sw.path("a"))
    sw.start()
    a, b = sw.guest("a"), sw.guest("b")
    talk(a, b)


def test_a_live_socket_is_refused(switch):
    sw = switch(["a", "b"])
    a, b = sw.guest("a"), sw.guest("b")
    other = switch(["a"], start=False, socket_dir=sw.dir)
    other.write_config()
    code, out, err = other.run_to_end()
    assert code != 0 and out == ""
    assert "a.sock" in err and "port a" in err, err
    talk(a, b)


def test_a_path_that_is_no_socket_is_refused_and_left_alone(switch):
    sw = switch(["a"], start=False)
    sw.write_config()
    with open(sw.path("a"), "w") as f:
        f.write("precious")
    code, out, err = sw.run_to_end()
    assert code != 0 and "a.sock" in err, err
    with open(sw.path("a")) as f:
        assert f.read() == "precious"
    os.unlink(sw.path("a"))


def test_a_guest_that_never_speaks_holds_up_nobody(switch):
    sw = switch(["a", "b", "c"])
    silent = sw.guest("c", boot=False)
    a, b = sw.guest("a"), sw.guest("b")
    talk(a, b)
    assert not silent.hung_up(100)


def test_connections_in_parallel_on_all_ports(switch):
    names = [f"p{i}" for i in range(16)]
    sw = switch(names)
    small = ((0, 2 << 20), (4 << 30, 2 << 20))
    guests = [sw.guest(n, boot=False, regions=small) for n in names]
    for step in ("negotiate", "share_memory", "make_queues", "start"):
        for g in guests:
            getattr(g, step)()
    for i in range(16):
        guests[i].send(frame(mac(99), mac(i)))
    assert learned(sw, *map(mac, range(16)))
    for g in guests:
        g.recv_all(0.02)
    for i in range(16):
        talk(guests[i], guests[(i + 1) % 16], mac(i), mac((i + 1) % 16))


def test_frames_in_flight_when_the_receiver_leaves_are_accounted_for(switch):
    sw = switch(["a", "b"])
    a, b = sw.guest("a"), sw.guest("b")
    talk(a, b)
    before = sw.port("a")["rx_frames"]
    for i in range(200):
        a.send(frame(B, A, 1200, seq=i))
        if i == 100:
            b.disconnect()
    assert a.taken()
    pa, pb = sw.port("a"), sw.port("b")
    lost = sum(sw.drops("b").values()) + sum(sw.drops("a").values())
    assert pa["rx_frames"] - before == 200
    assert pb["tx_frames"] - 1 + lost == 200
