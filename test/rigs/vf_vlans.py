# SPDX-License-Identifier: BSD-3-Clause
"""Jobs of vf_test.py: the kernel's VLAN devices, which not every machine's kernel has, at the
other end of kernel devices."""

import contextlib

from kernel_line import Line, vlans
from fakeguest import frame, wait_until
from vf_lib import MACS, SLOW, TX_RING, VfSwitch, guest, switch, vf_keys


def kernel_devices():
    for kind in ("tap", "af_packet"):
        with contextlib.ExitStack() as stack:
            ln = Line(stack, VfSwitch, kind, {"red": {"vlan": 100}, "blue": {"vlan": 200}},
                      trunk="100,200")
            stack.callback(ln.sw.kill)
            try:
                vlans(ln)
                ln.sw.stop()
            except BaseException:
                ln.sw.report()
                raise


def trunk_on_a_vf():
    """vm2 - vf2 (a wire) - vf1 (a trunk) - vm1: the PF lets in what the trunk names."""
    def tagged(vlan):
        plain = frame(MACS[0], MACS[1], size=300)
        return plain[:12] + b"\x81\x00" + vlan.to_bytes(2, "big") + plain[12:]

    with switch({"vm1": {"vlan": 100}, "vf1": vf_keys(0, trunk="100,200"),
                 "vm2": {"peer": "vf2"}, "vf2": vf_keys(1)}, held=2 * TX_RING) as sw:
        one, two = guest(sw, "vm1"), guest(sw, "vm2")

        def arrives():
            two.send(tagged(100))
            return one.recv(0.5)

        assert wait_until(arrives, SLOW) == frame(MACS[0], MACS[1], size=300), "nothing arrives"
        one.recv_all()
        # Of a VLAN that vm1 has not, and of one that the trunk has not.
        for vlan in 200, 300:
            two.send(tagged(vlan))
        two.send(tagged(100))
        assert one.recv(SLOW) and not one.recv(1), "more than one frame is vm1's"
        rx = sw.port("vf1")["rx_frames"]
        print("received by the trunk:", rx)
