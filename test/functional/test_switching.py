# SPDX-License-Identifier: BSD-3-Clause
"""Where frames go: learning, flooding, moves, aging, limits."""

import random
import time

import pytest

from fakeguest import BROADCAST, SEND_RARP, frame, mac, wait_until

A, B, C, D = mac(1), mac(2), mac(3), mac(4)
MULTICAST = bytes.fromhex("01005e000001")


def three(switch, ports=None, **options):
    sw = switch(ports or {"a": {}, "b": {}, "c": {}}, **options)
    return (sw, *(sw.guest(name) for name in "abc"))


def heard(*guests, quiet=0.05):
    """Who received what."""
    return [g.recv_all(quiet) for g in guests]


def say(sw, guest, src, dst=BROADCAST):
    """Show the switch a station."""
    guest.send(frame(dst, src))
    assert wait_until(lambda: src in sw.fdb()), "not learned"


def settle(*guests):
    for g in guests:
        g.recv_all(0.02)


@pytest.mark.parametrize("dst", [BROADCAST, MULTICAST, mac(99)])
def test_broadcast_multicast_and_unknown_unicast_leave_by_all_other_ports(switch, dst):
    sw, a, b, c = three(switch)
    for size in (60, 1400):
        f = frame(dst, A, size)
        a.send(f)
        assert heard(a, b, c) == [[], [f], [f]]
    assert sw.port("a")["flooded"] == 2


def test_a_flooded_frame_reaches_all_of_many_ports_intact(switch):
    names = [f"p{i}" for i in range(12)]
    sw = switch(names)
    guests = [sw.guest(n, regions=((0, 4 << 20), (4 << 30, 4 << 20))) for n in names]
    for size in range(60, 1519, 27):
        f = frame(BROADCAST, A, size, seq=size)
        guests[0].send(f, n_desc=3)
        for g in guests[1:]:
            assert g.recv() == f
    assert guests[0].recv(0) is None


def test_a_learned_station_gets_its_frames_alone(switch):
    sw, a, b, c = three(switch)
    say(sw, b, B)
    settle(a, c)
    f = frame(B, A)
    a.send(f)
    assert heard(a, b, c) == [[], [f], []]
    assert sw.fdb() == {A: "a", B: "b"}
    assert sw.fdb("b") == {B: "b"}


def test_many_stations_behind_one_port_are_told_apart(switch):
    sw, a, b, c = three(switch)
    for i in range(200):
        (b if i % 2 else c).send(frame(BROADCAST, mac(1000 + i)))
    assert wait_until(lambda: len(sw.fdb()) == 200)
    settle(a, b, c)
    want = [[], []]
    for i in range(200):
        f = frame(mac(1000 + i), A, seq=i)
        a.send(f)
        want[0 if i % 2 else 1].append(f)
    assert heard(b, c) == want


def test_a_moved_station_is_followed_at_once(switch):
    sw, a, b, c = three(switch)
    say(sw, b, B)
    settle(a, c)
    for i in range(10):
        new, old = (c, b) if i % 2 == 0 else (b, c)
        new.send(frame(BROADCAST, B, seq=i))
        assert a.recv() == frame(BROADCAST, B, seq=i)
        settle(old)
        f = frame(B, A, seq=i)
        a.send(f)
        assert heard(new, old) == [[f], []]


def test_a_station_announced_by_its_front_end_is_followed_at_once(switch):
    sw, a, b, c = three(switch)
    say(sw, b, B)
    settle(a, c)
    c.request(SEND_RARP, B + b"\0\0")
    assert wait_until(lambda: sw.fdb()[B] == "c")
    f = frame(B, A)
    settle(a, b, c)
    a.send(f)
    assert heard(b, c) == [[], [f]]


def test_a_silent_station_is_forgotten(switch):
    sw, a, b, c = three(switch, mac_age=1)
    say(sw, b, B)
    assert wait_until(lambda: B not in sw.fdb(), 5)
    settle(a, b, c)
    f = frame(B, A)
    a.send(f)
    assert heard(b, c) == [[f], [f]]


def test_a_station_that_goes_on_talking_is_not_forgotten(switch):
    sw, a, b, c = three(switch, mac_age=2)
    say(sw, b, B)
    end = time.monotonic() + 4
    while time.monotonic() < end:
        b.send(frame(A, B))
        time.sleep(0.2)
        assert B in sw.fdb()


def test_stations_of_a_guest_that_left_are_forgotten(switch):
    sw, a, b, c = three(switch)
    say(sw, b, B)
    say(sw, a, A)
    b.disconnect()
    assert wait_until(lambda: B not in sw.fdb())
    assert sw.fdb() == {A: "a"}


def test_a_static_address_stays_where_the_config_puts_it(switch):
    where = ":".join(f"{x:02x}" for x in B)
    sw, a, b, c = three(switch, {"a": {}, "b": {"static-mac": where}, "c": {}}, mac_age=1)
    assert sw.fdb() == {B: "b"}
    c.send(frame(BROADCAST, B))
    settle(a, b, c)
    f = frame(B, A)
    a.send(f)
    assert heard(b, c) == [[f], []]
    b.disconnect()
    time.sleep(2.2)
    assert sw.fdb().get(B) == "b"


def test_a_port_that_floods_addresses_makes_no_station_of_others_unknown(switch):
    # Even by the table's default size: limits of all ports together fit it.
    sw, a, b, c = three(switch)
    say(sw, b, B)
    say(sw, a, A)
    limit = sw.port("c")["mac_limit"]
    rnd = random.Random(1)
    for i in range(3 * limit):
        c.send(frame(BROADCAST, bytes([2, 0xcc]) + rnd.randbytes(4)))
        if i % 64 == 0:
            c.taken()
            settle_now(a, b)
    assert c.taken()
    assert wait_until(lambda: sw.port("c")["macs"] <= limit)
    assert sw.port("c")["macs"] == limit
    assert sw.port("c")["fdb_refused"] > 0
    settle(a, b, c)
    f, g = frame(B, A), frame(A, B)
    a.send(f)
    b.send(g)
    assert heard(a, b, c) == [[g], [f], []]
    # New stations of well-behaved ports are still learned.
    say(sw, a, D)


def settle_now(*guests):
    for g in guests:
        while g.recv(0) is not None:
            pass


def test_mac_limit_refuses_more_and_counts_them(switch):
    sw, a, b, c = three(switch, {"a": {"mac-limit": 3}, "b": {}, "c": {}})
    for i in range(10):
        a.send(frame(BROADCAST, mac(100 + i)))
    assert a.taken()
    assert [len(x) for x in heard(b, c)] == [10, 10]
    port = sw.port("a")
    assert (port["macs"], port["fdb_refused"]) == (3, 7)
    # A station it was not allowed to learn is flooded to.
    f = frame(mac(109), B)
    b.send(f)
    assert heard(a, c) == [[f], [f]]


def test_a_station_does_not_move_to_a_port_at_its_limit(switch):
    sw, a, b, c = three(switch, {"a": {"mac-limit": 1}, "b": {}, "c": {}})
    say(sw, a, A)
    say(sw, b, B)
    a.send(frame(BROADCAST, B))
    settle(a, b, c)
    assert sw.fdb() == {A: "a", B: "b"}


def test_a_full_table_floods_and_counts(switch):
    ports = {name: {"mac-limit": 16} for name in "abc"}
    sw, a, b, c = three(switch, ports, mac_table=16)
    for i in range(16):
        a.send(frame(BROADCAST, mac(100 + i)))
    assert wait_until(lambda: len(sw.fdb()) == 16)
    settle(b, c)
    b.send(frame(BROADCAST, B))
    settle(a, c)
    assert sw.port("b")["fdb_refused"] == 1
    f = frame(B, mac(100))
    a.send(f)
    assert heard(b, c) == [[f], [f]]
    # What is in the table still has its place.
    f = frame(mac(107), B)
    b.send(f)
    assert heard(a, c) == [[f], []]


def test_a_frame_never_leaves_by_the_port_it_came_from(switch):
    sw, a, b, c = three(switch)
    say(sw, a, A)
    say(sw, a, D)
    settle(b, c)
    a.send(frame(D, A))
    a.send(frame(A, D))
    assert a.taken()
    assert heard(a, b, c) == [[], [], []]
    assert sw.drops("a") == {"hairpin": 2}


@pytest.mark.parametrize("src", [MULTICAST, BROADCAST, bytes(6)])
def test_an_impossible_source_address_is_dropped_by_name(switch, src):
    sw, a, b, c = three(switch)
    a.send(frame(B, src))
    a.send(frame(BROADCAST, src))
    assert a.taken()
    assert heard(a, b, c) == [[], [], []]
    assert sw.drops("a") == {"src_invalid": 2}
    assert sw.fdb() == {}


@pytest.mark.parametrize("last", [0x00, 0x01, 0x0e, 0x0f])
def test_link_local_frames_are_not_forwarded(switch, last):
    sw, a, b, c = three(switch)
    a.send(frame(bytes.fromhex("0180c20000") + bytes([last]), A))
    assert a.taken()
    assert heard(b, c) == [[], []]
    assert sw.drops("a") == {"link_local": 1}


@pytest.mark.parametrize("dst", ["0180c2000010", "0180c2000110", "0180c2000021"])
def test_neighbours_of_the_link_local_addresses_are_forwarded(switch, dst):
    sw, a, b, c = three(switch)
    f = frame(bytes.fromhex(dst), A)
    a.send(f)
    assert heard(b, c) == [[f], [f]]


def test_a_switch_with_one_port_drops_by_name(switch):
    sw = switch(["a"])
    a = sw.guest("a")
    a.send(frame(BROADCAST, A))
    assert a.taken()
    assert sw.drops("a") == {"no_receiver": 1}


def test_frames_for_a_guest_that_is_not_there_are_dropped_by_name(switch):
    where = ":".join(f"{x:02x}" for x in B)
    sw = switch({"a": {}, "b": {"static-mac": where}})
    a = sw.guest("a")
    a.send(frame(B, A))
    assert a.taken()
    assert wait_until(lambda: sw.drops("b") == {"not_ready": 1})


def test_a_vlan_tag_passes_untouched(switch):
    sw, a, b, c = three(switch)
    f = frame(BROADCAST, A, 200)
    f = f[:12] + b"\x81\x00\x00\x64" + f[12:]
    a.send(f)
    assert heard(b, c) == [[f], [f]]


def test_traffic_of_several_pairs_does_not_mix(switch):
    names = [f"p{i}" for i in range(6)]
    sw = switch(names)
    g = [sw.guest(n, regions=((0, 4 << 20), (4 << 30, 8 << 20))) for n in names]
    for i, x in enumerate(g):
        say(sw, x, mac(i))
    settle(*g)
    streams = [sw.stream(g[i], g[i ^ 1], mac(i), mac(i ^ 1), size_max=1500, size_step=13,
                         window=40) for i in range(6)]
    for _ in range(20):
        for s in streams:
            s.run(100)
    assert [s.c.check.foreign for s in streams] == [0] * 6
    assert all(sw.drops(n) == {} for n in names)


def test_a_slow_guest_beside_a_fast_pair_costs_the_pair_nothing(switch):
    sw, a, b, c = three(switch)
    say(sw, a, A)
    say(sw, b, B)
    settle(a, b)
    # c never takes anything away: its ring stays full.
    s = sw.stream(a, b, A, B, size_max=1500, size_step=17)
    for _ in range(30):
        for _ in range(20):
            a.send(frame(C, A, 500))
        settle_now(b)
        s.run(100)
    assert sw.drops("c")["ring_full"] > 0
