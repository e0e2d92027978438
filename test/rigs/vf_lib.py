# SPDX-License-Identifier: BSD-3-Clause
"""For what runs inside the host machine of vf_test.py (vf_job.py): VFs, the switch on them, guests."""

import contextlib
import os
import subprocess

from fakeguest import frame, mac, wait_until
from station import Station
from vswitch import Switch

DEVICES = "/sys/bus/pci/devices"
PF = "eth0"
MACS = mac(1), mac(2)  # of the guests; each VF lets only its own pass
INSIDE, OUTSIDE = "10.9.0.2", "10.9.0.1"
COPYBREAK = 256
# Entries; a frame that is lent takes two. It goes round in less than a loan's greatest age at 200
# frames a second, and is shorter than a guest's ring, which else would wait for its own next frames.
TX_RING = 64
SLOW = 60  # seconds of the machine


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


def read(path):
    with open(path) as f:
        return f.read().strip()


def ask(what):
    """Have it done outside of this machine (Host.answer)."""
    write("/tmp/question.new", what)
    os.rename("/tmp/question.new", "/tmp/question")
    assert wait_until(lambda: os.path.exists("/tmp/answer"), 2 * SLOW), f"nobody did: {what}"
    said = read("/tmp/answer")
    os.remove("/tmp/answer")
    assert said == "done", f"{said}: {what}"


# -- devices


def pf_folder():
    return os.path.realpath(f"/sys/class/net/{PF}/device")


def vfs():
    return [os.path.basename(os.path.realpath(f"{pf_folder()}/virtfn{i}")) for i in (0, 1)]


def make_vfs(macs=True):
    """Two VFs on vfio-pci, with the guests' addresses."""
    write(f"{pf_folder()}/sriov_drivers_autoprobe", "0")
    subprocess.run(["ip", "link", "set", PF, "up"], check=True)
    write(f"{pf_folder()}/sriov_numvfs", "2")
    for i, vf in enumerate(vfs()):
        if macs:
            subprocess.run(["ip", "link", "set", PF, "vf", str(i), "mac", MACS[i].hex(":")],
                           check=True)
        write(f"{DEVICES}/{vf}/driver_override", "vfio-pci")
        bind(vf)


def bind(vf):
    write("/sys/bus/pci/drivers_probe", vf)
    assert os.path.realpath(f"{DEVICES}/{vf}/driver").endswith("/vfio-pci")


def vf_keys(i, **keys):
    """A port of VF i."""
    return {"type": "ethdev", "device": vfs()[i], "tx-descriptors": TX_RING} | keys


# -- the switch


class VfSwitch(Switch):
    """preload: a library that gets between it and DPDK."""

    def __init__(self, ports, preload=None):
        self.preload = preload
        super().__init__(ports, hugepages="yes", memory="200")

    def env(self):
        return super().env() | ({"LD_PRELOAD": self.preload} if self.preload else {})

    def port(self, name):
        """Asked again until there is an answer: an emulated CPU may keep control for long."""
        ask = super().port
        return wait_until(lambda: answer if "error" not in (answer := ask(name)) else None, SLOW)

    def report(self):
        """What one wants to see of it when a test failed."""
        if os.path.exists(self.log_path):
            print(self.log[-4000:])
        if self.proc and self.proc.poll() is None:
            for name in self.ports:
                print(name, self.port(name))


@contextlib.contextmanager
def switch(ports, held=0, **options):
    """With all its VFs up. When it ends, at most `held` packet buffers may still be with the VFs:
    igb's driver keeps what it sent until its queue has gone round."""
    sw = VfSwitch(ports, **options)
    try:
        for name, keys in ports.items():
            if keys.get("type") == "ethdev":
                up = wait_until(lambda: sw.port(name)["link"] == "up", SLOW)
                assert up, f"{name} has no link"
        sw.n_fds_idle, sw.buffers_idle = sw.n_fds(), sw.free_buffers()
        yield sw
        settle(sw, held)
        sw.stop()
    except BaseException:
        sw.report()
        raise
    finally:
        sw.kill()


def settle(sw, held):
    """All loans are back, and of the packet buffers all but those `held`."""
    def n_loans():
        return sum(q["loans"] for name, keys in sw.ports.items() if "type" not in keys
                   for q in sw.queues(name) if q["dir"] == "rx")

    def n_out():
        free = sw.free_buffers()
        return max(n - free[pool] for pool, n in sw.buffers_idle.items())

    assert wait_until(lambda: n_loans() == 0, SLOW), sw.port("vf")
    assert wait_until(lambda: n_out() <= held), f"{sw.free_buffers()} of {sw.buffers_idle} are left"
    sw.buffers_idle = sw.free_buffers()


def two_vfs(**keys):
    """vm1 - vf1 - emulated wire - vf2 - vm2"""
    ports = {}
    for i in (1, 2):
        ports[f"vm{i}"] = {"peer": f"vf{i}"}
        ports[f"vf{i}"] = vf_keys(i - 1, **keys)
    return switch(ports, held=2 * TX_RING)


def counts(sw, name, *keys):
    port = sw.port(name)
    return tuple(port[key] for key in keys)


def mapped(sw, n, vf="vf1"):
    """The memory of n guests, and no other, is known to the VFs; each has two regions."""
    done = wait_until(lambda: sw.port(vf)["dma_mapped"] == 2 * n, SLOW)
    assert done and sw.port(vf)["dma_failed"] == 0, sw.port(vf)


def all_back(sw, vm, vf, restarts=0):
    """igb's driver keeps the last loans, which is why the VF is restarted; then none is out, and
    no packet buffer either."""
    back = wait_until(lambda: sw.port(vf)["restarts"] > restarts, SLOW)
    assert back and wait_until(lambda: sw.queue(vm, "rx")["loans"] == 0, SLOW), sw.port(vf)


# -- guests


def guest(sw, name):
    """QEMU's igb drops what it finds not contiguous in its host's memory, as a buffer may be
    that crosses a page; slots of this size put no frame across one."""
    return sw.guest(name, slot=2048)


def station(sw, name, address=f"{INSIDE}/24", address_of=MACS[0]):
    """A guest with a network stack."""
    st = Station(sw.path(name), address_of, address)
    sw.guests.append(st)
    return st


def reaches(sender, receiver, dst, src):
    """Until short frames arrive: a VF that was restarted is silent for a while."""
    def arrives():
        sender.send(frame(dst, src))
        return receiver.recv(0.5)

    assert wait_until(arrives, SLOW), "nothing arrives"
    receiver.recv_all()
