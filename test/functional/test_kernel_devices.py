# SPDX-License-Identifier: BSD-3-Clause
"""Guests with a network stack, and the kernel's behind its devices (tap, af_packet, af_xdp): ping,
TCP, iperf3. What was lent and what was copied is counted exactly."""

import contextlib

import pytest

from kernel_line import DEVICES, GUEST, KERNEL, Line, iperf3
from netns import transfer

LENT = ("tap", "af_packet")  # their drivers read with the CPU
N_BYTES = 4 << 20


@pytest.mark.parametrize("kind", DEVICES)
def test_a_guest_and_the_kernel_ping_and_transfer_and_all_is_counted(switch, kind):
    with contextlib.ExitStack() as stack:
        ln = Line(stack, switch, kind, {"vm": {}})
        ln.address(KERNEL)
        guest = ln.guest("vm", GUEST)
        for size in (8, 700, 1472):
            guest.ns.ping(KERNEL, size)
            ln.kernel.ping(GUEST, size)
        transfer(guest.ns, ln.kernel, KERNEL, N_BYTES)
        transfer(ln.kernel, guest.ns, GUEST, N_BYTES)
        iperf3(ln.kernel, guest.ns, KERNEL)
        iperf3(ln.kernel, guest.ns, KERNEL, "-R")
        said, port = guest.settled_counts(), ln.sw.port("dev")
        n_full = port["drop_reasons"]["tx_full"]
        assert port["drops"] == n_full and said["sent"] == port["tx_frames"] + n_full
        assert said["sent_long"] > N_BYTES / 1460 and said["bad"] == said["refused"] == 0
        long, other = ("tx_loaned", "tx_copied") if kind in LENT else ("tx_copied", "tx_loaned")
        assert port[other] == 0 and port["lending"].startswith("lent" if kind in LENT else "copied:")
        assert said["sent_long"] - n_full <= port[long] <= said["sent_long"]
        assert ln.sw.queue("vm", "rx")["loans"] == 0
        if kind == "af_xdp":  # what the kernel has done is with its driver until the next burst
            free = ln.sw.free_buffers()
            assert all(n - free[pool] <= 64 for pool, n in ln.sw.buffers_idle.items())
            ln.sw.buffers_idle = free
