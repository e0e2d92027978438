# SPDX-License-Identifier: BSD-3-Clause
"""dpdk-testpmd's virtio-user ports, a second independent front-end, on two ports of the switch."""

import time

import pytest

from vstools.process import wait_for
from vstools.testpmd import Testpmd

NAMES = ("vm1", "vm2")
MACS = ("52:54:00:00:00:01", "52:54:00:00:00:02")
SIZES = (60, 64, 65, 128, 256, 512, 1024, 1514, 1518)
BURSTS = 4  # of 32 frames: fewer than a ring of 256 has room for, so nothing may be lost
SETTLE_SECONDS = 10
CIRCULATE_SECONDS = 2
QUIET_READS = 6  # of the counters, 50 ms apart: then nothing moves any more


class Pair:
    """Two ports of one testpmd, and what the switch says of the same two."""

    def __init__(self, switch, testpmd, queues):
        self.queues = queues
        self.switch = switch
        self.testpmd = testpmd

    def sent(self, i):
        stats = self.testpmd.stats(i)
        return stats["opackets"], stats["obytes"]

    def received(self, i):
        stats = self.testpmd.stats(i)
        return stats["ipackets"], stats["ibytes"]

    def switch_port(self, i):
        return self.switch.ask(f"port,{NAMES[i]}")

    def wait_settled(self):
        """Until nothing moves any more, and all has arrived: the worker may be late, not lossy."""
        last = []

        def still():
            last.append([(self.sent(i), self.received(i)) for i in (0, 1)])
            (sent0, received0), (sent1, received1) = last[-1]
            return (last[-QUIET_READS:] == [last[-1]] * QUIET_READS
                    and received0 == sent1 and received1 == sent0)

        try:
            wait_for(still, SETTLE_SECONDS, "the traffic to end")
        except TimeoutError:
            # check_nothing_lost says in numbers what is missing.
            print(f"after {SETTLE_SECONDS} s of waiting:", self.switch.report(), sep="\n")

    def check_nothing_lost(self):
        """Both sides agree, frame and byte, and nothing was dropped."""
        for i in (0, 1):
            port = self.switch_port(i)
            assert (port["rx_frames"], port["rx_bytes"]) == self.sent(i)
            assert (port["tx_frames"], port["tx_bytes"]) == self.received(i)
            assert {name: n for name, n in port["drop_reasons"].items() if n} == {}
            assert port["drops"] == 0
            assert self.received(1 - i) == self.sent(i)


full = pytest.mark.full


@pytest.fixture(params=[
    pytest.param((1, True), id="one_queue-mergeable", marks=full),
    pytest.param((1, False), id="one_queue-plain"),
    pytest.param((2, True), id="two_queues-mergeable"),
    pytest.param((2, False), id="two_queues-plain", marks=full)])
def pair(request, start_switch, folder):
    queues, mergeable = request.param
    switch = start_switch({name: {"queues": queues} for name in NAMES})
    testpmd = Testpmd(folder, [folder / f"{name}.sock" for name in NAMES], queues, mergeable,
                      MACS)
    try:
        testpmd.wait_ready()
        yield Pair(switch, testpmd, queues)
        assert testpmd.quit() == 0
    finally:
        testpmd.kill()
        print(switch.report(), f"--- testpmd\n{testpmd.output()[-3000:]}", sep="\n")


def test_bursts_of_every_size_arrive_both_ways_and_counters_agree(pair):
    per_burst = 32 * pair.queues
    for n, size in enumerate(SIZES, 1):
        pair.testpmd.send("rxonly", BURSTS, size)
        wait_for(lambda: pair.sent(1)[0] >= n * BURSTS * per_burst, SETTLE_SECONDS,
                 "testpmd to send")
        pair.wait_settled()
        assert [pair.sent(i)[0] for i in (0, 1)] == [n * BURSTS * per_burst] * 2
        pair.check_nothing_lost()


def test_frames_that_circulate_at_full_speed_are_never_lost(pair):
    pair.testpmd.send("io", 1, 64)
    time.sleep(CIRCULATE_SECONDS)
    pair.testpmd.only_count()
    pair.wait_settled()
    pair.check_nothing_lost()
    # They are few and go round and round: had they stood still, nothing would be proven.
    assert pair.sent(0)[0] > 10000
    rows = [r for r in pair.switch.ask("queues,vm1").values() if isinstance(r, dict)]
    assert len(rows) == 2 * pair.queues
    # Every guest queue sends, and all frames that go round are of one flow.
    used = {d: [r["queue"] for r in rows if r["dir"] == d and r["frames"] > 0] for d in ("rx", "tx")}
    assert used["rx"] == list(range(pair.queues)), rows
    assert len(used["tx"]) == 1, rows
