# SPDX-License-Identifier: BSD-3-Clause
"""The switch is killed under traffic and started again; the guests never notice more than a
pause."""

import os
import random
import signal
import time

import pytest

from guest import SLOW
from transfer import make_file
from vstools.process import wait_for
from vstools.testpmd import Testpmd
from verified import FakeGuest, Stream, both_ways, lib_mac, step_for

MIB = 2
RING = 256  # entries
BURST = 2 * RING + 32
GOES_ON_SECONDS = 60  # a second or so on a quiet machine
NAMES = ("vm1", "vm2")

full = pytest.mark.full


def port(name, client, **keys):
    """The switch as a client leaves the socket to the front-end."""
    return {name: {"role": "client", "socket": f"{name}.listen", **keys} if client else keys}


def frames(switch):
    return [switch.ask(f"port,{name}")["tx_frames"] for name in NAMES]


def cells():
    """All of it a few times for every change, but only with the installed QEMU."""
    for version in ("qemu7", "qemu10", "qemu11"):
        for client in (True, False):
            for ring in ("split", "packed"):
                for kills in (3, 100) if version == "qemu7" else (10,):
                    role = "client" if client else "server"
                    short = kills == 3 and client == (ring == "packed")
                    yield pytest.param(version, client, ring, kills,
                                       id=f"{version}-{role}-{ring}-{kills}",
                                       marks=[] if short else [full])


@pytest.mark.parametrize("version,client,ring,kills", cells())
def test_linux_guests_go_on_after_kills(start_switch, start_guest, version, client, ring, kills):
    ports = {**port("vm1", client), **port("vm2", client)}
    switch = start_switch(ports)
    nic = {"packed": "on" if ring == "packed" else "off"}
    sockets = [ports[name].get("socket") for name in NAMES]
    a, b = guests = [start_guest(n, version, socket=socket, nic=nic, listen=client,
                                 retry=not client) for n, socket in enumerate(sockets, 1)]
    for guest in guests:
        guest.wait_booted()
    assert ("packed" in a.features()) == (ring == "packed")
    a.wait_for_peer(b.address)
    want = make_file(b, MIB)
    a.start("fetches", "while [ ! -e stop ]; do "
            f"timeout {SLOW} wget -q -O - http://{b.address}/file | sha256sum; done")
    for _ in range(kills):
        under_traffic(switch)
        time.sleep(random.random() / 10)
        switch.kill()
        switch = start_switch(ports)
    under_traffic(switch)
    a.sh("touch stop")
    sums = a.result("fetches").split()[::2]
    assert set(sums) == {want}, f"{len(sums)} files, some differ"
    a.ping(b.address)
    b.ping(a.address)
    assert [capacity(switch, *pair) for pair in ((a, b, "vm2"), (b, a, "vm1"))] == [RING, RING]
    assert [guest.power_off() for guest in guests] == [0, 0]


def under_traffic(switch):
    """Until it forwards, both ways."""
    before = frames(switch)
    try:
        wait_for(lambda: all(now > old + 20 for now, old in zip(frames(switch), before)),
                 GOES_ON_SECONDS, "frames to flow again")
    except TimeoutError:
        print(switch.report())
        raise


def capacity(switch, sender, stopped, name):
    """How many frames fit into the receive ring of a guest that does not run. The driver need
    not fill up its ring after every frame; but it does after a ring full of them."""
    most = 0
    # Some hundred of them: ping sends no faster than the guest's timer ticks.
    flood = f"/usr/bin/ping -n -q -i 0.002 -w 2 {stopped.address} & "
    for _ in range(5):
        wait_until_still(switch)
        os.kill(stopped.child.pid, signal.SIGSTOP)
        try:
            before = switch.ask(f"port,{name}")
            for _ in range(10):
                sender.sh(flood * 4 + "wait")
                after = switch.ask(f"port,{name}")
                if after["drops"] > before["drops"] + 10:
                    break
        finally:
            os.kill(stopped.child.pid, signal.SIGCONT)
        if after["drops"] <= before["drops"]:
            # Who has stopped answers no ARP, and to a forgotten address nothing is sent.
            sender.sh(f"/usr/bin/ping -n -q -c 1 -W 10 {stopped.address}")
            continue
        most = max(most, after["tx_frames"] - before["tx_frames"])
        if most == RING:
            break
    assert most > 0, "the ring was never filled"
    return most


def wait_until_still(switch):
    last = []

    def still():
        last.append(frames(switch))
        return last[-5:] == [last[-1]] * 5

    wait_for(still, SLOW, "frames to end")


@pytest.mark.parametrize("packed", [0, 1], ids=["split", "packed"])
@pytest.mark.parametrize("kills", [3, pytest.param(100, marks=full)])
def test_virtio_user_goes_on_after_kills(start_switch, folder, packed, kills):
    """Between two fake guests, as in virtio_user_matrix_test.py; it is the one that listens."""
    ports = {"left": {"vlan": 100}, "right": {"vlan": 200},
             **port("vm1", True, vlan=100), **port("vm2", True, vlan=200)}
    switch = start_switch(ports)
    testpmd = Testpmd(folder, [folder / f"{name}.listen" for name in NAMES], ring=RING,
                      vdev=f",packed_vq={packed},server=1", app=["--no-flush-rx"])
    try:
        testpmd.wait_ready()
        testpmd.forward("io")
        for _ in range(kills):
            forwards(folder, lambda: kill(switch, testpmd, packed))
            switch = start_switch(ports)
            wait_for(testpmd.links_up, GOES_ON_SECONDS, "testpmd's links")
            if packed:
                testpmd.forward("io")
        forwards(folder)
        testpmd.halt()
        with FakeGuest(str(folder / "left.sock")) as left, \
             FakeGuest(str(folder / "right.sock")) as right:
            for name, guest in (("vm1", left), ("vm2", right)):
                before = switch.ask(f"port,{name}")["tx_frames"]
                for n in range(BURST):
                    guest.send(bytes(lib_mac(9, 9) + lib_mac(8, 8)) + bytes(46))
                guest.taken()
                assert switch.ask(f"port,{name}")["tx_frames"] - before == RING
        assert testpmd.quit() == 0
    finally:
        testpmd.kill()
        print(f"--- testpmd\n{testpmd.output()[-3000:]}")


def kill(switch, testpmd, packed):
    """virtio-user empties its packed rings when it is connected again, and gives its own data
    path 1 ms to get out of them: on a busy CPU not enough. So that has to stand still."""
    if packed:
        testpmd.halt()
    switch.kill()


def forwards(folder, interrupt=None):
    """Through testpmd, both ways; then, with frames on the way, the interruption."""
    with FakeGuest(str(folder / "left.sock")) as left, FakeGuest(
            str(folder / "right.sock")) as right:
        streams = [Stream(*ends, size_max=1514, size_step=97, window=RING // 2)
                   for ends in ((left, right, lib_mac(1, 1), lib_mac(2, 1)),
                                (right, left, lib_mac(2, 1), lib_mac(1, 1)))]
        # What was on the way at the last kill may come now, or come twice.
        both_ways(streams, 300, foreign=True)
        if interrupt:
            step_for(streams, 0.05)
            interrupt()
        for s in streams:
            s.free()
