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

from fakeguest import mac, wait_until  # noqa: E402
from vswitch import Switch  # noqa: E402

DEVICES = "/sys/bus/pci/devices"
PF = "eth0"
MACS = mac(1), mac(2)  # of the guests; each VF lets only its own pass
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
        ports[f"vf{i}"] = {"type": "ethdev", "device": vf, **keys}
    sw = VfSwitch(ports, hugepages="yes", memory="200")
    try:
        up = wait_until(lambda: all(sw.port(f"vf{i}")["link"] == "up" for i in (1, 2)), SLOW)
        assert up, "a VF has no link"
        yield sw
        # A NIC keeps frames until others follow.
        sw.buffers_idle = sw.free_buffers()
        sw.stop()
    except BaseException:
        sw.report()
        raise
    finally:
        sw.kill()


def streams(sw, **options):
    """A guest on each side, and a stream each way."""
    guests = [sw.guest("vm1"), sw.guest("vm2")]
    return [sw.stream(guests[i], guests[1 - i], MACS[i], MACS[1 - i], **options)
            for i in (0, 1)]


def carries_every_size():
    """Guest, switch, VF, wire, VF, switch, guest; and back."""
    with two_vfs() as sw:
        for s in streams(sw, size_min=60, size_max=1514, size_step=31, window=32):
            s.run(1000, SLOW)
        for name in ("vf1", "vf2"):
            port = sw.port(name)
            print(name, port)
            assert (port["tx_frames"], port["rx_frames"], port["drops"]) == (1000, 1000, 0)


if __name__ == "__main__":
    start = time.monotonic()
    globals()[sys.argv[1]]()
    print(f"{sys.argv[1]}: {time.monotonic() - start:.1f} s")
