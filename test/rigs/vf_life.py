# SPDX-License-Identifier: BSD-3-Clause
"""Jobs of vf_life_test.py: VFs that go and come back under a switch that uses them."""

import subprocess
import threading
import time

from fakeguest import frame, wait_until
from vf_lib import (DEVICES, MACS, PF, SLOW, VfSwitch, counts, guest, make_vfs, mapped, pf_folder,
                    reaches, switch, vf_keys, vfs, write)


def state(sw, name, wanted):
    """Reached within a deadline."""
    assert wait_until(lambda: sw.port(name)["state"] == wanted, SLOW), sw.port(name)


def in_time(job):
    """The kernel waits for ever for a device that is not given back."""
    thread = threading.Thread(target=job, daemon=True)
    thread.start()
    thread.join(SLOW)
    assert not thread.is_alive(), "the kernel waits for the VF"


def two_wires(lend):
    ports = {}
    for i in (1, 2):
        ports[f"vm{i}"] = {"peer": f"vf{i}"}
        ports[f"vf{i}"] = vf_keys(i - 1, lend=lend)
    return switch(ports, held=1 << 16)


def is_up_again(sw, guests, opens):
    for name in "vf1", "vf2":
        state(sw, name, "running")
        assert wait_until(lambda: sw.port(name)["link"] == "up", SLOW)
        assert counts(sw, name, "opens") == (opens,)
        mapped(sw, 2, name)
    reaches(guests[0], guests[1], MACS[1], MACS[0])
    reaches(guests[1], guests[0], MACS[0], MACS[1])


def bother(sw, guests):
    """Frames are on their way when it happens, and loans out."""
    for _ in range(40):
        for i in (0, 1):
            guests[i].send(frame(MACS[1 - i], MACS[i], 1514))


def forget_frames(guests):
    for g in guests:
        g.recv_all()


def unplugged():
    """Both VFs are deleted by their PF, and made again, in mid-traffic."""
    with two_wires("force") as sw:
        guests = [guest(sw, "vm1"), guest(sw, "vm2")]
        is_up_again(sw, guests, 1)
        for n in (1, 2, 3):
            bother(sw, guests)
            in_time(lambda: write(f"{pf_folder()}/sriov_numvfs", "0"))
            for name in "vf1", "vf2":
                state(sw, name, "absent")
                assert counts(sw, name, "losses", "dma_mapped") == (n, 0)
            # All loans came back.
            assert wait_until(lambda: all(sw.queue(vm, "rx")["loans"] == 0
                                          for vm in ("vm1", "vm2")), SLOW)
            assert "there is no such device" in sw.port("vf1")["last_error"]
            make_vfs()
            is_up_again(sw, guests, n + 1)
            forget_frames(guests)


def unbound():
    """One VF is taken from vfio-pci, and given back; the other one goes on."""
    with two_wires("force") as sw:
        guests = [guest(sw, "vm1"), guest(sw, "vm2")]
        is_up_again(sw, guests, 1)
        vf = vfs()[0]
        bother(sw, guests)
        in_time(lambda: write(f"{DEVICES}/{vf}/driver/unbind", vf))
        state(sw, "vf1", "absent")
        said = f"device {vf}: the kernel has no driver for it: bind it to vfio-pci"
        assert wait_until(lambda: sw.port("vf1")["last_error"] == said, SLOW), sw.port("vf1")
        assert counts(sw, "vf2", "losses", "state") == (0, "running")
        mapped(sw, 2, "vf2")
        write("/sys/bus/pci/drivers_probe", vf)
        state(sw, "vf1", "running")
        assert counts(sw, "vf1", "opens", "losses") == (2, 1)
        mapped(sw, 2, "vf1")
        reaches(guests[0], guests[1], MACS[1], MACS[0])
        forget_frames(guests)


def absent_at_the_start():
    """The VFs are made when the switch already serves its guests."""
    names = vfs()
    write(f"{pf_folder()}/sriov_numvfs", "0")
    ports = {"a": {}, "b": {}, "vf": {"type": "ethdev", "device": names[0]}}
    sw = VfSwitch(ports)  # not switch(): a VF that is not there has no link
    try:
        a, b = guest(sw, "a"), guest(sw, "b")
        reaches(a, b, MACS[1], MACS[0])
        assert sw.port("vf")["last_error"] == f"device {names[0]}: there is no such device"
        make_vfs()
        state(sw, "vf", "running")
    finally:
        sw.kill()


def reset():
    """The PF goes down and up, and takes their queues from its VFs, which it tells nobody: frames
    pass again all the same."""
    with two_wires("no") as sw:
        guests = [guest(sw, "vm1"), guest(sw, "vm2")]
        reaches(guests[0], guests[1], MACS[1], MACS[0])
        # Else the loss would be taken for one that the start brought.
        time.sleep(6)
        subprocess.run(["ip", "link", "set", PF, "down"], check=True)
        for name in "vf1", "vf2":
            assert wait_until(lambda: sw.port(name)["link"] == "down", SLOW), sw.port(name)
        subprocess.run(["ip", "link", "set", PF, "up"], check=True)
        reaches(guests[0], guests[1], MACS[1], MACS[0])
        reaches(guests[1], guests[0], MACS[0], MACS[1])
        print([counts(sw, name, "resets", "opens", "restarts") for name in ("vf1", "vf2")])
