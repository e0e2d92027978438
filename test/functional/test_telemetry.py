# SPDX-License-Identifier: BSD-3-Clause
"""What an operator is told while the switch runs."""

import shutil
import subprocess

import pytest

from fakeguest import BROADCAST, FEATURES, F_MRG_RXBUF, frame, mac, wait_until

A, B = mac(1), mac(2)


@pytest.fixture
def two(switch):
    sw = switch({"a": {"queues": 2}, "b": {}})
    a, b = sw.guest("a", pairs=2), sw.guest("b", features=FEATURES & ~F_MRG_RXBUF)
    return sw, a, b


def test_version_names_the_switch_and_its_dpdk(two):
    sw, _, _ = two
    answer = sw.telemetry("/vhost_switch/version")
    assert answer["version"] and "DPDK" in answer["dpdk"]
    assert answer["pid"] == sw.proc.pid


def test_ports_are_listed_with_their_totals(two):
    sw, a, b = two
    for size in (60, 1000):
        a.send(frame(BROADCAST, A, size))
        assert b.recv()
    rows = {row["name"]: row for row in sw.table("/vhost_switch/ports")}
    assert set(rows) == {"a", "b"}
    assert (rows["a"]["rx_frames"], rows["a"]["rx_bytes"]) == (2, 1060)
    assert (rows["b"]["tx_frames"], rows["b"]["tx_bytes"]) == (2, 1060)
    assert rows["a"]["up"] == rows["b"]["up"] == 1
    assert rows["a"]["kind"] == "vhost-user"


def test_a_port_shows_session_features_memory_and_drops(two):
    sw, a, b = two
    pa, pb = sw.port("a"), sw.port("b")
    assert pa["session"] == "connected" and pa["connects"] == 1
    assert any("mrg_rxbuf" in f.lower() for f in pa["features"])
    assert not any("mrg_rxbuf" in f.lower() for f in pb["features"])
    assert any("reply_ack" in f.lower() for f in pa["protocol_features"])
    assert pa["memory_slots"] == 2
    assert pa["memory_bytes"] == sum(a.region(i).size for i in range(2))
    assert set(pa["drop_reasons"].values()) == {0}
    for reason in ("runt", "ring_full", "hairpin", "src_invalid", "too_big", "not_ready"):
        assert reason in pa["drop_reasons"]


def test_a_port_without_guest_says_so(switch):
    sw = switch(["a"])
    port = sw.port("a")
    assert port["up"] == 0 and port["session"] == "listening"
    assert {q["state"] for q in sw.queues("a")} == {"stopped"}


def test_queues_show_state_and_counters(two):
    sw, a, b = two
    a.send(frame(B, A), queue=1)
    assert b.recv()
    rows = sw.queues("a")
    assert [(q["dir"], q["queue"]) for q in rows] == [("rx", 0), ("rx", 1), ("tx", 0), ("tx", 1)]
    assert [q["frames"] for q in rows] == [0, 1, 0, 0]
    assert {q["state"] for q in rows} == {"running"}
    assert {q["size"] for q in rows} == {256}
    assert all(q["loans"] == 0 and q["worker"] == 0 for q in rows if q["dir"] == "rx")


def test_a_long_queue_list_comes_in_pages(switch):
    sw = switch({"a": {"queues": 100, "loan-cap": 0}}, memory=256)
    rows = sw.queues("a")
    assert len(rows) == 200
    assert [q["queue"] for q in rows] == list(range(100)) * 2


def test_a_long_mac_table_comes_in_pages(two):
    sw, a, b = two
    for i in range(300):
        a.send(frame(BROADCAST, mac(500 + i)))
        b.recv(0)
        if i % 50 == 0:
            a.taken()
    assert wait_until(lambda: len(sw.fdb("a")) == 300)
    assert sw.fdb() == sw.fdb("a") == {mac(500 + i): "a" for i in range(300)}
    assert sw.fdb("b") == {}
    assert sw.port("a")["macs"] == 300


def test_copied_and_loaned_frames_are_told_apart(two):
    sw, a, b = two
    for size in (60, 256, 257, 1500):
        a.send(frame(B, A, size))
        assert b.recv() == frame(B, A, size)
    port = sw.port("a")
    assert (port["rx_copied"], port["rx_loaned"]) == (2, 2)


def test_workers_show_cycles_and_idle_share(two):
    sw, a, b = two
    sw.stream(a, b, A, B).run(2000)
    # A queue that nothing came from yet may still be on its way to a worker.
    assert wait_until(lambda: sw.table("/vhost_switch/workers")[0]["queues"] == 3)
    worker, = sw.table("/vhost_switch/workers")
    assert worker["cpu"] == 1
    assert worker["frames"] == 2000
    assert worker["busy_cycles"] > 0 and worker["loops"] > 0
    assert 0 < worker["cycles_per_frame"] == worker["busy_cycles"] // worker["frames"]
    assert 0 <= worker["idle_percent"] <= 100


@pytest.mark.parametrize("command", [
    "/vhost_switch/port", "/vhost_switch/port,nobody", "/vhost_switch/queues,nobody",
    "/vhost_switch/queues,a,x", "/vhost_switch/fdb,nobody", "/vhost_switch/queues,a,-1",
    "/vhost_switch/port," + "x" * 500])
def test_a_question_that_cannot_be_answered_is_told_so(two, command):
    sw, _, _ = two
    assert "error" in sw.telemetry(command)


def test_an_offset_beyond_the_end_is_an_empty_page(two):
    sw, _, _ = two
    answer = sw.telemetry("/vhost_switch/queues,a,1000")
    assert answer == {"total": 4}


def test_questions_during_traffic_and_reconnects_are_all_answered(two):
    sw, a, b = two
    s = sw.stream(a, b, A, B, size_max=1500, size_step=7).start()
    for i in range(100):
        assert sw.port("a")["name"] == "a"
        sw.queues("a")
        sw.fdb()
    assert s.stop() > 0


def test_dpdk_telemetry_py_shows_it(two):
    sw, _, _ = two
    tool = shutil.which("dpdk-telemetry.py") or "/usr/bin/dpdk-telemetry.py"
    out = subprocess.run(
        ["/usr/bin/python3", tool, "-f", sw.file_prefix], input="/vhost_switch/ports\nquit\n",
        text=True, capture_output=True, timeout=20, env={"RUNTIME_DIRECTORY": sw.dir})
    assert '"a"' in out.stdout, out
