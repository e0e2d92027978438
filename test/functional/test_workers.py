# SPDX-License-Identifier: BSD-3-Clause
"""Several workers. They share the CPUs that there are (morecpus.c): slow, but two of them run at
once, each loses its CPU in the worst of places, and it is order and content that count."""

import pytest

from fakeguest import BROADCAST, Guest, frame, lib, mac, wait_until

WORKERS = {"workers": "1-3", "cpus": 4}
SMALL = ((0, 4 << 20), (4 << 30, 8 << 20))


def meet(sw, *guests):
    """Each is learned with its number as address."""
    for i, g in enumerate(guests):
        g.send(frame(BROADCAST, mac(i)))
    assert wait_until(lambda: {mac(i) for i in range(len(guests))} <= set(sw.fdb()))
    for g in guests:
        g.recv_all(0.05)


def many(switch, n, queues=1, **options):
    names = [f"p{i}" for i in range(n)]
    sw = switch({name: {"queues": queues} for name in names}, **{**WORKERS, **options})
    guests = [sw.guest(name, pairs=queues, regions=SMALL) for name in names]
    assert wait_until(lambda: all(q["worker"] >= 0 for name in names
                                  for q in sw.queues(name) if q["dir"] == "rx"))
    meet(sw, *guests)
    return sw, guests


def test_queues_are_spread_over_the_workers(switch):
    sw, guests = many(switch, 3, queues=3)
    assert [w["queues"] for w in sw.table("/vhost_switch/workers")] == [3, 3, 3]
    guests[0].disconnect()
    assert wait_until(lambda: [w["queues"] for w in sw.table("/vhost_switch/workers")] ==
                      [2, 2, 2])


@pytest.mark.parametrize("queues", [1, 2, 4])
def test_several_workers_send_to_one_guest(switch, queues):
    sw, guests = many(switch, 4, queues)
    sink = guests[3]
    # A guest's streams are received by one thread: each stream takes its own frames and hands
    # the others', counted as foreign, on to nobody. So they run one after the other, while the
    # two other guests' frames come in between and fight for the ring.
    for turn in range(3):
        s = sw.stream(guests[turn], sink, mac(turn), mac(3), size_max=1500, size_step=13,
                      window=40)
        for i in range(40):
            for other in (turn + 1) % 3, (turn + 2) % 3:
                for k in range(4):
                    guests[other].send(frame(mac(3), mac(other), 100 + 300 * k),
                                       queue=k % queues)
            s.run(25, 10)
            if i % 8 == 7:  # less than the sink's ring is on the way
                assert all(g.taken(timeout=10) for g in guests[:3])
        assert s.c.check.foreign > 0
    assert sw.drops("p3") == {}


def test_pairs_of_guests_on_different_workers(switch):
    sw, guests = many(switch, 6)
    streams = [sw.stream(guests[i], guests[i ^ 1], mac(i), mac(i ^ 1), size_max=1500,
                         size_step=13, window=40, desc_max=5, header=-1, indirect=-1)
               for i in (0, 2, 4)]
    for s in streams:
        s.start()
    for s in streams:
        s.moving(1000, 20)
    for s in streams:
        assert s.stop() > 0 and s.c.check.foreign == 0


def test_flooding_by_several_workers_at_once(switch):
    sw, guests = many(switch, 4, queues=2)
    want = 0
    for i in range(40):
        for n, g in enumerate(guests):
            for q in (0, 1):
                g.send(frame(BROADCAST, mac(n), 60 + 30 * i, seq=i), queue=q)
        want += 6
        for g in guests:
            got = [g.recv(2.0) for _ in range(6)]
            assert all(f[:12] + f[14:18] == BROADCAST + f[6:12] + b"EKAF" for f in got)
            assert [len(f) for f in got] == [60 + 30 * i] * 6
            assert sorted(f[11] for f in got).count(guests.index(g)) == 0
    for g in guests:
        g.assert_orderly()


def test_a_station_that_moves_between_ports_of_different_workers_is_followed(switch):
    sw, (a, b, c) = many(switch, 3)
    m = mac(77)
    for i in range(20):
        new, old = (b, c) if i % 2 == 0 else (c, b)
        new.send(frame(BROADCAST, m, seq=i))
        assert a.recv() == old.recv() == frame(BROADCAST, m, seq=i)
        a.send(frame(m, mac(0), seq=i))
        assert new.recv() == frame(m, mac(0), seq=i)
        assert old.recv(0) is None


def test_guests_come_and_go_beside_traffic_of_other_workers(switch):
    names = ["a", "b", "c", "d"]
    sw = switch({n: {"queues": 2} for n in names}, **WORKERS)
    a, b = (sw.guest(n, regions=SMALL, pairs=2) for n in "ab")
    meet(sw, a, b)
    s = sw.stream(a, b, mac(0), mac(1), size_max=1500, size_step=13, window=60)
    s.start()
    for i in range(15):
        with Guest(sw.path("c"), pairs=2, regions=SMALL) as c:
            with Guest(sw.path("d"), pairs=1 + i % 2, regions=SMALL) as d:
                for k in range(20):
                    c.send(frame(mac(3), mac(2), 60 + 70 * k), queue=k % 2)
                    d.send(frame(mac(2), mac(3), 60 + 70 * k))
                d.recv_all(0.01)
                c.enable(c.rx[1], i % 3 == 0)
                c.stop_queue(c.tx[0])
    s.moving(200, 10)
    assert s.stop() > 200


def test_rings_and_memory_change_under_traffic_of_several_workers(switch):
    sw, (a, b, c) = many(switch, 3, queues=2)
    s = sw.stream(a, b, mac(0), mac(1), size_max=1500, size_step=13, window=60)
    k = s.c.check

    def dropped():
        """Workers send into the queue that was disabled until they see what control sees."""
        n = sw.drops("p1").get("tx_disabled", 0)
        s.c.lost = min(n, s.c.sent - k.received)
        return n

    for i in range(40):
        s.c.limit = s.c.sent + 50
        for _ in range(3):
            lib.fg_stream_step(s.s)
        dropped()
        b.region(1).uva += 1 << 36
        b.share_memory()
        for q in b.queues():
            b.ok(lib.fg_ring_addr(q.ring))
        b.enable(b.rx[1], i % 2 == 0)
        c.send(frame(mac(1), mac(2), 700))
    s.c.limit = s.c.sent + 300
    assert wait_until(lambda: lib.fg_stream_step(s.s) is not None and
                      k.received + k.foreign + dropped() == s.c.sent + 40 and
                      s.c.sent == s.c.limit, 30), f"{s} {sw.drops('p1')}"
    # Order is a matter of one queue, and the flow may have moved to the other and back.
    assert (k.corrupt, k.duplicate) == (0, 0)
    assert set(sw.drops("p1")) <= {"tx_disabled"} and sw.drops("p0") == sw.drops("p2") == {}
