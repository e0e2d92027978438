# SPDX-License-Identifier: BSD-3-Clause
"""dpdk-testpmd's virtio-user in every form of its rings, and with the drivers of each.

Two fake guests, which make and check every byte, stand on both sides of a testpmd that
sends on what it receives; VLANs part the two sides, so all goes through it:

    left -- VLAN 100 -- testpmd's port 0 = testpmd's port 1 -- VLAN 200 -- right
"""

import itertools

import pytest

from verified import FakeGuest, Stream, both_ways, lib_mac
from vstools.testpmd import Testpmd
import qemu

FRAMES = 200  # each way and flow
FLOWS = 24  # so many that they cannot all hash to one queue

# (pairs of queues, entries of a ring)
SHAPES = ((1, 256), (2, 64), (1, 1024), (2, 256), (1, 32768))
PACKED_SHAPES = SHAPES + ((1, 200),)  # need not be a power of two


class Cell:
    def __init__(self, dpdk, packed, mergeable, in_order, vectorized, server, shape):
        self.dpdk, self.packed, self.mergeable = dpdk, packed, mergeable
        self.in_order, self.vectorized, self.server = in_order, vectorized, server
        self.pairs, self.ring = shape
        names = {"mrg_rxbuf": mergeable, "in_order": in_order, "vectorized": vectorized,
                 "server": server}
        self.kind = "-".join(["packed" if packed else "split"]
                             + [name for name, on in names.items() if on])
        self.id = f"{dpdk}-{self.kind}-{self.pairs}x{self.ring}"

    def receive_path(self):
        """As testpmd calls the driver that it then takes."""
        if self.packed:
            if self.vectorized and self.in_order and not self.mergeable:
                return "packed ring vectorized"
            return "packed ring " + ("mergeable buffer" if self.mergeable else "standard")
        if self.in_order:
            return "inorder"
        if self.mergeable:
            return "mergeable buffer"
        return "vectorized" if self.vectorized else "standard"

    def testpmd(self, cache, folder, sockets):
        command = ["stdbuf", "-oL", "dpdk-testpmd"]
        eal = ["--log-level=pmd.net.virtio.*:info"]
        if self.dpdk == "dpdk24":
            command = qemu.in_debian13(cache, folder) + command
        if self.vectorized:
            eal.append("--force-max-simd-bitwidth=512")
        vdev = (f",packed_vq={int(self.packed)},in_order={int(self.in_order)}"
                f",vectorized={int(self.vectorized)},server={int(self.server)}")
        return Testpmd(folder, sockets, self.pairs, self.mergeable, ring=self.ring,
                       command=command, eal=eal, vdev=vdev, app=["--no-flush-rx"])


def cells():
    """For every change DPDK 22.11 in half of the kinds of ring, in which every pair of options
    occurs, their shapes in turn; the rest with --full."""
    for dpdk in ("dpdk22", "dpdk24"):
        for n, (packed, *options) in enumerate(itertools.product((False, True), repeat=5)):
            shapes = PACKED_SHAPES if packed else SHAPES
            for shape in shapes:
                cell = Cell(dpdk, packed, *options, shape)
                short = (dpdk == "dpdk22" and shape == shapes[n % len(shapes)]
                         and sum((packed, *options)) % 2 == 0)
                yield pytest.param(cell, id=cell.id, marks=[] if short else [pytest.mark.full])


@pytest.mark.parametrize("cell", cells())
def test_virtio_user_forwards_every_frame_both_ways_as_it_was(start_switch, request, folder,
                                                              cell):
    cache = request.getfixturevalue("cache") if cell.dpdk == "dpdk24" else None
    queues = {"queues": cell.pairs}
    virtio_user = {**queues, "role": "client"} if cell.server else queues
    names = [f"vm{i}.{'listen' if cell.server else 'sock'}" for i in (0, 1)]
    switch = start_switch({"left": {"vlan": 100}, "right": {"vlan": 200},
                           "vm0": {**virtio_user, "socket": names[0], "vlan": 100},
                           "vm1": {**virtio_user, "socket": names[1], "vlan": 200}})
    testpmd = cell.testpmd(cache, folder, [folder / name for name in names])
    try:
        testpmd.wait_ready()
        for i in (0, 1):
            assert f"using {cell.receive_path()} Rx path on port {i}" in testpmd.output()
        testpmd.forward("io")
        check_forwarding(switch, folder, cell)
        assert testpmd.quit() == 0
    finally:
        testpmd.kill()
        print(f"--- testpmd\n{testpmd.output()[-3000:]}")


def check_forwarding(switch, folder, cell):
    with FakeGuest(str(folder / "left.sock")) as left, FakeGuest(
            str(folder / "right.sock")) as right:
        for flow in range(FLOWS):
            streams = [Stream(*ends, size_min=60, size_max=1514, size_step=71, desc_max=3,
                              header=-1, indirect=-1, window=min(cell.ring // 4, 128))
                       for ends in ((left, right, lib_mac(1, flow), lib_mac(2, flow)),
                                    (right, left, lib_mac(2, flow), lib_mac(1, flow)))]
            both_ways(streams, FRAMES)
            for s in streams:
                s.free()
        for name in ("left", "right", "vm0", "vm1"):
            assert switch.ask(f"port,{name}")["drops"] == 0
        for name in ("vm0", "vm1"):
            rows = [r for r in switch.ask(f"queues,{name}").values() if isinstance(r, dict)]
            assert {r["queue"] for r in rows if r["dir"] == "tx" and r["frames"]} == set(
                range(cell.pairs)), f"flows are not spread: {rows}"
