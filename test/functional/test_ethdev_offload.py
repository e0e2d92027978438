# SPDX-License-Identifier: BSD-3-Clause
"""What guests leave to others, towards devices: a tap, for which all of it is done, and a virtio
device, which can complete checksums itself. Checked by scapy."""

import pytest

from fakeguest import (F_CSUM, F_GUEST_CSUM, F_HOST_ECN, F_HOST_TSO4, F_HOST_TSO6,
                       F_HOST_UFO, F_HOST_USO, F_MQ, FEATURES, mac, wait_until)
from packets import NEEDS_CSUM, assert_fragments, assert_segments, assert_whole, big, complete

A, B = mac(1), mac(2)
HOST = (FEATURES & ~F_MQ | F_CSUM | F_HOST_TSO4 | F_HOST_TSO6 | F_HOST_ECN | F_HOST_UFO | F_HOST_USO)
KINDS = ["tso4", "tso6", "ufo4", "ufo6", "uso4", "uso6"]
SMALL = ((0, 8 << 20), (4 << 30, 24 << 20))
TAP = {"type": "ethdev", "device": "net_tap0,iface=vstest0"}


@pytest.fixture
def tap(switch, host):
    """A guest with all offloads, and the kernel's end of a tap: IPv4 and IPv6."""
    sw = switch({"a": {}, "tap": TAP})
    ends = {"4": host.open("vstest0", 0x0800), "6": host.open("vstest0", 0x86dd)}
    yield sw, sw.guest("a", features=HOST, regions=SMALL, slot=70000, slots=64), ends
    for end in ends.values():
        end.close()


def read(end, n):
    frames = [end.recv() for _ in range(n)]
    assert end.recv(0.01) is None
    return frames


@pytest.mark.parametrize("kind", KINDS)
def test_a_tap_gets_whole_frames_of_its_mtu(tap, kind):
    sw, guest, ends = tap
    end = ends[kind[-1]]
    size = 1392 if "ufo" in kind else 1393
    x = big(kind, 30001, size, B, A)
    guest.send(x.frame, n_desc=5, header=1, hdr=x.hdr)
    if "ufo" in kind:
        assert_fragments(x, read(end, (30001 + 8 + size - 1) // size))
    else:
        assert_segments(x, read(end, -(-30001 // size)))
    y = big(kind, 777, 0, B, A)
    guest.send(y.frame, hdr=y.hdr)
    whole, = read(end, 1)
    assert_whole(whole)
    field = y.start + y.offset
    assert whole[:field] + y.frame[field:field + 2] + whole[field + 2:] == y.frame
    assert sw.port("tap")["csum_computed"] == 1
    assert sw.port("tap")["segmented"] == 1
    assert sw.port("tap")["tx_gso"] == 0
    assert sw.port("tap")["offloads"] == "none"
    # Its segments would not fit the link.
    z = big(kind, 30001, 1600, B, A)
    guest.send(z.frame, hdr=z.hdr)
    wait_until(lambda: sw.drops("tap").get("too_big") == 1)
    assert sw.drops("tap") == {"too_big": 1}


@pytest.fixture
def line(switch):
    """A guest of one switch, and one of another behind a virtio device of the first."""
    far = switch({"in": {}, "c": {}})
    near = switch({"a": {}, "out": {
        "type": "ethdev", "device": f"net_virtio_user0,path={far.dir}/in.sock,queues=1"}})
    wait_until(lambda: far.port("in")["up"] and near.port("out")["up"])
    a = near.guest("a", features=HOST | F_GUEST_CSUM, regions=SMALL, slot=70000, slots=64)
    c = far.guest("c", features=HOST | F_GUEST_CSUM, regions=SMALL, slot=70000, slots=64)
    yield near, far, a, c
    a.close()
    c.close()
    near.buffers_idle = near.free_buffers()  # a device keeps what it sent until its next burst
    near.stop()


@pytest.mark.parametrize("kind", ["tso4", "tso6", "uso4", "uso6"])
def test_a_virtio_device_completes_checksums_and_passes_on_incomplete_ones(line, kind):
    near, far, a, c = line
    assert near.port("out")["offloads"] == "checksum"
    for sender, receiver, dst, src in ((a, c, B, A), (c, a, A, B)):
        x = big(kind, 1000, 0, dst, src)
        sender.send(x.frame, n_desc=2, hdr=x.hdr)
        raw = receiver.recv()
        hdr = receiver.rx[0].last_hdr
        assert (hdr.flags, hdr.csum_start, hdr.csum_offset) == (NEEDS_CSUM, x.start, x.offset)
        assert raw == x.frame
        assert assert_whole(complete(raw, hdr))
    # Segments are made on the way there; their checksums are left to do.
    x = big(kind, 9001, 1400, B, A)
    a.send(x.frame, n_desc=2, hdr=x.hdr)
    frames = []
    for _ in range(7):
        raw = c.recv()
        assert c.rx[0].last_hdr.flags == NEEDS_CSUM
        frames.append(complete(raw, c.rx[0].last_hdr))
    assert_segments(x, frames)
    assert near.port("out")["csum_computed"] == far.port("c")["csum_computed"] == 0
    assert near.drops("out") == {} and far.drops("in") == {}
