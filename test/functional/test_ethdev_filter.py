# SPDX-License-Identifier: BSD-3-Clause
"""Devices that are told for whom to receive: a virtio device, behind which is another switch. It
takes no addresses, which shows that it was asked."""

import pytest

from fakeguest import BROADCAST, frame, mac, wait_until

A, B, STATIC = mac(1), mac(2), "52:54:00:00:00:07"


@pytest.fixture
def near(switch):
    """start(**keys): a switch with two guests' ports, and one for the device."""
    def start(**keys):
        far = switch({"in": {}})
        sw = switch({"a": {}, "b": {"static-mac": STATIC}, "dev": {
            "type": "ethdev", "device": f"net_virtio_user0,path={far.dir}/in.sock,queues=1",
            **keys}})
        assert wait_until(lambda: sw.port("dev")["up"])
        sw.n_fds_idle = sw.n_fds()
        switches.append(sw)
        return sw
    switches = []
    yield start
    for sw in switches:
        sw.buffers_idle = sw.free_buffers()  # a device keeps what it sent until its next burst
        sw.stop()


def lines(sw, words):
    return [line for line in sw.log.splitlines() if "port dev:" in line and words in line]


def test_addresses_on_other_ports_are_told_to_a_device_that_is_not_promiscuous(near):
    sw = near(promiscuous="no")
    port = sw.port("dev")
    assert port["promiscuous"] == "off, as configured"
    assert port["mac_filter"] == "on" and port["mac_filter_room"] == 63
    # The static one, before anybody sent anything.
    assert wait_until(lambda: sw.port("dev")["mac_filter_refused"] == 1)
    assert wait_until(lambda: lines(sw, "1 addresses of other ports were refused"))
    a = sw.guest("a")
    a.send(frame(BROADCAST, A))
    assert wait_until(lambda: A in sw.fdb())
    # Tried again after 5 seconds, and the new one with it.
    assert wait_until(lambda: sw.port("dev")["mac_filter_refused"] >= 3)
    assert len(lines(sw, "were refused")) == 1
    assert sw.port("dev")["mac_filter_set"] == 0


def test_a_device_that_filters_nothing_is_told_nothing(near):
    sw = near()
    port = sw.port("dev")
    assert (port["promiscuous"], port["mac_filter"], port["vf_trusted"]) == ("always", "off", "no VF")
    assert port["mac_filter_refused"] == 0 and port["last_error"] == ""


def test_the_filter_key_is_checked(switch):
    sw = switch({"t": {"type": "ethdev", "device": "net_null0", "promiscuous": "maybe"}},
                start=False)
    sw.write_config()
    code, out, err = sw.run_to_end()
    assert code == 1 and "[port t]: key 'promiscuous': expected one of auto|yes|no" in err, err
