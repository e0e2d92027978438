# SPDX-License-Identifier: BSD-3-Clause
"""Jobs of vf_test.py: guests that die, VFs that do not send."""

import contextlib
import os
import signal
import subprocess
import time

from fakeguest import frame, mac, wait_until
from fglib import BUILD_DIR
from vf_lib import (DEVICES, MACS, PF, SLOW, TX_RING, all_back, ask, counts, guest, mapped, switch, vf_keys,
                    vfs)

KILLS = int(os.environ.get("KILLS", "20"))
FAR = mac(9)  # nobody has it
# How long a guest may have to wait for others, because a VF has its buffers: the age limit, twice
# (its phase is not known), a tick of control, and a restart under emulation.
WAIT = 2 * 0.3 + 0.1 + 0.8


class Sender:
    """A guest in a process of its own that sends long frames as fast as it can."""

    def __init__(self, sw, name):
        self.pid = os.fork()
        if self.pid == 0:
            try:
                g = guest(sw, name)
                f = frame(FAR, MACS[0], 1514)
                while True:
                    g.send(f)
            finally:
                os._exit(1)

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1]) == -signal.SIGKILL


def guest_killed():
    """In mid-transfer, with loans in the VF's queue: its memory stays mapped until they have left,
    and then goes, and all buffers are back, every time."""
    n_rounds = n_killed = 0
    with switch({"vm": {"peer": "vf"}, "vf": vf_keys(0, lend="force")}) as sw:
        while n_killed < KILLS:
            # A round in which the machine stood still, so that only copies were left, is repeated.
            n_rounds += 1
            assert n_rounds <= 2 * KILLS
            loaned, restarts = counts(sw, "vf", "tx_loaned", "restarts")
            sender = Sender(sw, "vm")
            mapped(sw, 1, "vf")
            moving = wait_until(lambda: sw.port("vf")["tx_loaned"] >= loaned + 500, SLOW)
            sender.kill()
            assert moving, sw.port("vf")
            mapped(sw, 0, "vf")
            n_killed += counts(sw, "vf", "restarts") > (restarts,)
            back = wait_until(lambda: sw.free_buffers() == sw.buffers_idle, 5)
            assert back or counts(sw, "vf", "restarts") == (restarts,), \
                f"kill {n_killed}: {sw.free_buffers()} of {sw.buffers_idle}"
        print(n_rounds, "kills", counts(sw, "vf", "tx_loaned", "tx_copied", "tx_stuck", "restarts"))


# A guest that sends to another one, and to a VF that does not send.


@contextlib.contextmanager
def three_ports():
    """Guests vm1 and vm2, and a VF behind which FAR is."""
    with switch({"vm1": {}, "vm2": {"static-mac": MACS[1].hex(":")},
                 "vf": vf_keys(0, lend="force", **{"static-mac": FAR.hex(":")})},
                held=TX_RING) as sw:
        guests = guest(sw, "vm1"), guest(sw, "vm2")
        mapped(sw, 2, "vf")
        yield sw, guests


def goes_on(sw, guests, seconds):
    """Frames from vm1 to vm2, every third one to the VF; all are long. The longest time that the
    former had to wait."""
    s = sw.stream(*guests, MACS[0], MACS[1], size_min=1000, size_max=1514, size_step=97)
    far = frame(FAR, MACS[0], 1514)
    worst, n, end = 0, 0, time.monotonic() + seconds
    while time.monotonic() < end:
        start = time.monotonic()
        for _ in range(8):
            guests[0].send(far)
        s.run(16, SLOW)
        n += 16
        worst = max(worst, time.monotonic() - start)
    print(f"{n} frames in {seconds} s, none waited for more than {worst * 1000:.0f} ms")
    print(counts(sw, "vf", "tx_loaned", "tx_copied", "tx_stuck", "restarts"), sw.drops("vf"))
    return worst


def recovers(sw, guests):
    """The VF is lent frames again, and sends them."""
    loaned, = counts(sw, "vf", "tx_loaned")

    def lent():
        goes_on(sw, guests, 1)
        return counts(sw, "vf", "tx_loaned") > (loaned + 500,)

    assert wait_until(lent, SLOW), sw.port("vf")


def set_bus_master(vf, on):
    """Without it the device reads nothing and writes nothing: its queues stand still."""
    with open(f"{DEVICES}/{vf}/config", "r+b", buffering=0) as f:
        f.seek(4)
        command = int.from_bytes(f.read(2), "little")
        f.seek(4)
        f.write((command & ~4 | (4 if on else 0)).to_bytes(2, "little"))


def queue_stuck():
    """A transmit queue that never completes."""
    with three_ports() as (sw, guests):
        recovers(sw, guests)
        n_stuck, restarts = counts(sw, "vf", "tx_stuck", "restarts")
        set_bus_master(vfs()[0], False)
        worst = goes_on(sw, guests, 5)
        port = sw.port("vf")
        assert port["tx_stuck"] > n_stuck and port["restarts"] > restarts, port
        # It had to wait indeed, once, and then what the queue does not take is dropped.
        assert 0.2 < worst < WAIT, worst
        assert goes_on(sw, guests, 2) < 0.2 and sw.drops("vf")["tx_full"] > 1000
        # What was written to the device meanwhile, it has forgotten: it is full of copies.
        set_bus_master(vfs()[0], True)
        recovers(sw, guests)


def link_down():
    """On the wire, and with it the VF's."""
    with three_ports() as (sw, guests):
        recovers(sw, guests)
        ask("monitor set_link n0 off")
        assert goes_on(sw, guests, 5) < WAIT
        print(sw.log[-500:])
        assert sw.port("vf")["link"] == "down"
        n = sw.drops("vf")["link_down"]
        assert goes_on(sw, guests, 2) < 0.2 and sw.drops("vf")["link_down"] > n + 1000
        ask("monitor set_link n0 on")
        recovers(sw, guests)


def mapping_missing():
    """What the switch lends is not mapped, which it does not know (vf_lie.c)."""
    with switch({"vm": {"peer": "vf"}, "vf": vf_keys(0, lend="force")}, held=TX_RING,
                preload=os.path.join(BUILD_DIR, "test/rigs/libvf_lie.so")) as sw:
        g = guest(sw, "vm")
        mapped(sw, 1, "vf")
        for _ in range(64):
            g.send(frame(FAR, MACS[0], 1514))
        assert wait_until(lambda: counts(sw, "vf", "tx_loaned") == (64,), SLOW)
        all_back(sw, "vm", "vf")
