# SPDX-License-Identifier: BSD-3-Clause
"""Two Linux guests in QEMU talk through the switch: the features of virtio-net on and off."""

import pytest

from transfer import transfer

MIB = 8

# What is not there is on, but mq, which needs a guest with two CPUs.
OFF = {
    "all": {},
    "mq": {},
    "no_mrg_rxbuf": {"mrg_rxbuf": "off"},
    "no_csum": {"csum": "off", "guest_csum": "off"},
    "no_guest_tso": {"guest_tso4": "off", "guest_tso6": "off", "guest_ecn": "off"},
    "no_host_tso": {"host_tso4": "off", "host_tso6": "off", "host_ecn": "off"},
    "no_indirect_desc": {"indirect_desc": "off"},
    "no_event_idx": {"event_idx": "off"},
    "big_rings": {"rx_queue_size": 1024, "tx_queue_size": 1024},
}
OFF["nothing"] = {key: value for keys in OFF.values() for key, value in keys.items()
                  if value == "off"}
OFF["mq_nothing"] = OFF["nothing"]
ALL = {"csum", "guest_csum", "guest_tso4", "guest_tso6", "host_tso4", "host_tso6",
       "mrg_rxbuf", "indirect_desc", "event_idx"}

# One cell of each kind for every change; all of them with --full.
SHORT = {("qemu7", "split", "all"), ("qemu7", "packed", "mq_nothing")}


def cells():
    for version in ("qemu7", "qemu10", "qemu11"):
        for ring in ("split", "packed"):
            for name in OFF:
                marks = [] if (version, ring, name) in SHORT else [pytest.mark.full]
                yield pytest.param(version, ring, name, id=f"{version}-{ring}-{name}",
                                   marks=marks)


def expected(ring, name):
    """The features that guest and switch then agree on. QEMU leaves TSO on without csum."""
    off = {key for key, value in OFF[name].items() if value == "off"}
    return ALL - off | ({"packed"} if ring == "packed" else set()) | (
        {"mq"} if "mq" in name else set())


@pytest.mark.parametrize("version,ring,name", cells())
def test_linux_guests_ping_and_transfer_files_intact(start_switch, start_guest, version, ring,
                                                     name):
    pairs = 2 if "mq" in name else 1
    switch = start_switch({port: {"queues": pairs} for port in ("vm1", "vm2")})
    nic = {**OFF[name], "packed": "on" if ring == "packed" else "off"}
    a, b = guests = [start_guest(n, version, nic=nic, pairs=pairs) for n in (1, 2)]
    for guest in guests:
        guest.wait_booted()
    for guest in guests:
        agreed = guest.features()
        assert agreed & (ALL | {"packed", "mq"}) == expected(ring, name)
    a.wait_for_peer(b.address)
    drops = [switch.ask(f"port,{port}")["drops"] for port in ("vm1", "vm2")]
    for cpu in range(pairs):
        a.ping(b.address, cpu=cpu)
        b.ping(a.address, cpu=cpu)
    assert [switch.ask(f"port,{port}")["drops"] for port in ("vm1", "vm2")] == drops
    for cpu in range(pairs):
        transfer(a, b, MIB, cpu)
        transfer(b, a, MIB, cpu)
    assert [guest.power_off() for guest in guests] == [0, 0]
