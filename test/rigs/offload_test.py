# SPDX-License-Identifier: BSD-3-Clause
"""What Linux guests leave to each other, and what the switch does for a guest that cannot do it."""

import pytest

from capture import Capture, check_frames, compare_streams, tcp_stream
from linux_guests_test import OFF
from transfer import iperf3, transfer

MIB = 8
MTU = 1500
FRAME_MAX = MTU + 14


full = pytest.mark.full
rings = pytest.mark.parametrize("packed", [
    pytest.param("off", id="split", marks=full), pytest.param("on", id="packed")])


@pytest.fixture
def captures(folder):
    """For two guests."""
    return [Capture(folder, f"vm{n}") for n in (1, 2)]


def counters(switch, port):
    return switch.ask(f"port,{port}")


def boot(start_guest, captures, *nics):
    """Guests, whose frames can be captured, with these features changed."""
    started = [start_guest(n, nic=nic, memory=192, disk=capture.disk)
               for n, (nic, capture) in enumerate(zip(nics, captures), 1)]
    for guest in started:
        guest.wait_booted()
        guest.enable_ipv6()
    started[0].wait_for_peer(started[1].address)
    return started


@rings
def test_a_tcp_stream_moves_in_frames_larger_than_the_mtu_untouched(start_switch, start_guest,
                                                                    captures, packed):
    switch = start_switch({"vm1": {}, "vm2": {}})
    a, b = boot(start_guest, captures, {"packed": packed}, {"packed": packed})
    for family in (4, 6):
        captures[0].start(a, "out")
        captures[1].start(b, "in")
        before = counters(switch, "vm2")
        iperf3(a, b, MIB, family)
        after = counters(switch, "vm2")
        # iperf3 does not wait for the last bytes.
        assert compare_streams(*(tcp_stream(c.stop()) for c in captures)) >= MIB << 19
        frames, size, gso = (after[key] - before[key] for key in ("tx_frames", "tx_bytes", "tx_gso"))
        assert size >= MIB << 19
        assert gso > frames / 10 and size / frames > 2 * FRAME_MAX, \
            f"IPv{family}: {size} bytes in {frames} frames, {gso} of them to be segmented"
        for port in ("vm1", "vm2"):
            now = counters(switch, port)
            assert (now["segmented"], now["csum_computed"]) == (0, 0), now


@rings
def test_a_guest_without_offloads_gets_whole_frames_with_checksums(start_switch, start_guest,
                                                                   captures, packed):
    switch = start_switch({"vm1": {}, "vm2": {}})
    a, b = boot(start_guest, captures, {"packed": packed}, {**OFF["nothing"], "packed": packed})
    captures[1].start(b, "in")
    for family in (4, 6):
        transfer(a, b, MIB // 4, family=family)
    a.ping(b.address, count=3, size=5000)
    seen = check_frames(captures[1].stop(), FRAME_MAX)
    now = counters(switch, "vm2")
    assert now["segmented"] > 0 and now["segments"] > now["segmented"], now
    assert now["tx_gso"] == 0, now
    # Of both streams, of which tcpdump may miss some, and the fragments.
    assert seen["TCP over IPv4"] * 1448 >= MIB // 8 << 20
    assert seen["TCP over IPv6"] * 1428 >= MIB // 8 << 20
    assert seen["fragments"] >= 9, seen


@full
def test_jumbo_frames_pass_and_the_mtu_is_told(start_switch, start_guest):
    start_switch({"vm1": {"mtu": 9000}, "vm2": {"mtu": 9000}})
    a, b = guests = [start_guest(n, nic={"host_mtu": 9000}, memory=192) for n in (1, 2)]
    for guest in guests:
        guest.wait_booted(mtu=None)
        assert guest.sh("cat /sys/class/net/eth0/mtu").strip() == "9000"
        guest.enable_ipv6()
    a.wait_for_peer(b.address)
    for size in (8972, 8971, 5000, 1473):
        a.ping(b.address, count=10, size=size)
    transfer(a, b, MIB)
