# SPDX-License-Identifier: BSD-3-Clause
"""What runs inside the host machine of vf_test.py: the switch on two VFs, and fake guests.

`vf_job.py NAME` runs one of the functions at the end; it fails by an exception.
"""

import contextlib
import os
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
os.environ["VS_BUILD"] = os.path.join(TOP, "build")
sys.path[:0] = [os.path.join(TOP, "test", "functional"), os.path.join(TOP, "usertools")]

from fakeguest import frame, mac, wait_until  # noqa: E402
from vswitch import Switch  # noqa: E402

DEVICES = "/sys/bus/pci/devices"
PF = "eth0"
MACS = mac(1), mac(2)  # of the guests; each VF lets only its own pass
COPYBREAK = 256
TX_RING = 256  # entries; a frame that is lent takes two
SLOW = 60  # seconds; an emulated CPU takes its time


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


def make_vfs():
    """Two VFs on vfio-pci."""
    pf = os.path.realpath(f"/sys/class/net/{PF}/device")
    write(f"{pf}/sriov_drivers_autoprobe", "0")
    subprocess.run(["ip", "link", "set", PF, "up"], check=True)
    write(f"{pf}/sriov_numvfs", "2")
    for i, address in enumerate(MACS):
        subprocess.run(["ip", "link", "set", PF, "vf", str(i), "mac", address.hex(":")],
                       check=True)
        vf = os.path.basename(os.path.realpath(f"{pf}/virtfn{i}"))
        write(f"{DEVICES}/{vf}/driver_override", "vfio-pci")
        write("/sys/bus/pci/drivers_probe", vf)
        assert os.path.realpath(f"{DEVICES}/{vf}/driver").endswith("/vfio-pci")


def vfs():
    pf = os.path.realpath(f"/sys/class/net/{PF}/device")
    return [os.path.basename(os.path.realpath(f"{pf}/virtfn{i}")) for i in (0, 1)]


class VfSwitch(Switch):
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
def two_vfs(**keys):
    """vm1 - vf1 - emulated wire - vf2 - vm2"""
    ports = {}
    for i, vf in enumerate(vfs(), 1):
        ports[f"vm{i}"] = {"peer": f"vf{i}"}
        ports[f"vf{i}"] = {"type": "ethdev", "device": vf, "tx-descriptors": TX_RING, **keys}
    sw = VfSwitch(ports, hugepages="yes", memory="200")
    try:
        up = wait_until(lambda: all(sw.port(f"vf{i}")["link"] == "up" for i in (1, 2)), SLOW)
        assert up, "a VF has no link"
        yield sw
        # The igb's driver keeps frames until others follow: as many as its queues have room for.
        start, sw.buffers_idle = sw.buffers_idle, sw.free_buffers()
        for pool, n in sw.buffers_idle.items():
            assert start[pool] - n <= 2 * TX_RING, f"buffers are lost: {start} {sw.buffers_idle}"
        sw.stop()
    except BaseException:
        sw.report()
        raise
    finally:
        sw.kill()


def guest(sw, i):
    """QEMU's igb drops what it finds not contiguous in its host's memory, as a buffer may be
    that crosses a page; slots of this size put no frame across one."""
    return sw.guest(f"vm{i}", slot=2048)


def stream(sw, guests, i, size_min, size_max, step=97):
    """From guest i to the other; fewer frames at a time than a transmit ring has room for."""
    return sw.stream(guests[i], guests[1 - i], MACS[i], MACS[1 - i], size_min=size_min,
                     size_max=size_max, size_step=step, window=TX_RING // 4)


def mapped(sw, n):
    """The memory of n guests, and no other, is known to the VFs; each has two regions."""
    done = wait_until(lambda: sw.port("vf1")["dma_mapped"] == 2 * n, SLOW)
    assert done and sw.port("vf1")["dma_failed"] == 0, sw.port("vf1")


def counts(sw, name, *keys):
    port = sw.port(name)
    return tuple(port[key] for key in keys)


# Guest, switch, VF, wire, VF, switch, guest; and back.


def carries_every_size():
    with two_vfs() as sw:
        guests = [guest(sw, 1), guest(sw, 2)]
        for i in (0, 1):
            stream(sw, guests, i, 60, 1514, 31).run(1000, SLOW)
        for name in ("vf1", "vf2"):
            assert counts(sw, name, "tx_frames", "rx_frames", "drops") == (1000, 1000, 0)


def above_copybreak_all_is_lent():
    """The igb's driver has to be forced: its cleanup breaks its queue. A machine that stands
    still for longer than a loan may last gets another chance."""
    for i in (0, 1):
        for _ in range(3):
            result = all_is_lent(i)
            print(result)
            if result == (5000, 0, 0):
                break
        assert result == (5000, 0, 0)


def all_is_lent(i):
    with two_vfs(lend="force") as sw:
        guests = [guest(sw, 1), guest(sw, 2)]
        mapped(sw, 2)
        stream(sw, guests, i, COPYBREAK + 1, 1514).run(5000, SLOW)
        all_back(sw, i)
        return counts(sw, f"vf{i + 1}", "tx_loaned", "tx_copied", "drops")


def reaches(guests, i):
    """Until short frames arrive: a VF that was restarted is silent for a while."""
    def arrives():
        guests[i].send(frame(MACS[1 - i], MACS[i]))
        return guests[1 - i].recv(0.5)

    assert wait_until(arrives, SLOW), f"nothing comes from guest {i + 1}"
    guests[1 - i].recv_all()


def all_back(sw, i):
    """The driver keeps the last loans, which is why the VF is restarted; then none is out."""
    back = wait_until(lambda: sw.port(f"vf{i + 1}")["restarts"] > 0, SLOW)
    assert back and wait_until(
        lambda: sw.queue(f"vm{i + 1}", "rx")["loans"] == 0), sw.port(f"vf{i + 1}")


def a_guest_is_killed_and_comes_back_20_times():
    """In mid-transfer, with frames in the VF's queue: its memory stays until they have left."""
    with two_vfs(lend="force") as sw:
        guests = [None, guest(sw, 2)]
        for _ in range(20):
            guests[0] = guest(sw, 1)
            mapped(sw, 2)
            reaches(guests, 0)
            s = stream(sw, guests, 0, COPYBREAK + 1, 1514).start()
            s.moving(500, SLOW)
            s.halt()
            sw.streams.remove(s)
            s.free()
            guests[0].close()
            sw.guests.remove(guests[0])
            # The VF is restarted, since it keeps what it was lent; nothing was unmapped before.
            mapped(sw, 1)
            # What it had sent is not the next stream's.
            guests[1].recv_all()
        print(counts(sw, "vf1", "tx_loaned", "tx_copied", "drops", "tx_stuck", "restarts"))
        loaned, restarts = counts(sw, "vf1", "tx_loaned", "restarts")
        assert loaned > 10 * 500 and restarts > 10


if __name__ == "__main__":
    start = time.monotonic()
    globals()[sys.argv[1]]()
    print(f"{sys.argv[1]}: {time.monotonic() - start:.1f} s")
