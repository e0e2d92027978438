# SPDX-License-Identifier: BSD-3-Clause
"""Jobs of vf_test.py: the kernel's VLAN devices, which not every machine's kernel has, at the
other end of kernel devices."""

import contextlib

from kernel_line import Line, vlans
from vf_lib import VfSwitch


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
