# SPDX-License-Identifier: BSD-3-Clause
"""VF ports, in a host with an IOMMU (vf_host.py): what is not mapped for the device is a fault in
its kernel's log. Most of each test runs in there: vf_traffic.py, vf_trouble.py."""

import os
import tempfile

import pytest

import qemu
from vf_host import Host

full = pytest.mark.full


@pytest.fixture(scope="module")
def host(request):
    cache = os.path.abspath(request.config.getoption("--cache"))
    image = os.path.join(cache, "host-image")
    qemu.make("host-image", image)
    with tempfile.TemporaryDirectory(prefix="vs-") as folder:
        # The first version with an igb.
        machine = Host(qemu.Backported(cache).command(folder), image,
                       os.path.abspath(request.config.getoption("--build")), folder)
        try:
            machine.wait_booted()
            machine.job("vf_lib.make_vfs")
            yield machine
        finally:
            machine.kill()
            print(machine.output(), machine.console()[-3000:])


@full
def test_frames_of_every_size_pass_two_vfs_both_ways(host):
    print(host.job("vf_traffic.every_size"))


@full
def test_frames_above_copybreak_are_all_lent_and_none_is_copied(host):
    print(host.job("vf_traffic.all_lent"))


def test_a_guest_pings_the_outside_and_transfers_both_ways_all_lent(host):
    print(host.job("vf_traffic.lent_to_the_outside"))


@full
def test_a_vf_that_is_not_forced_gets_copies_of_all_of_it(host):
    print(host.job("vf_traffic.copied_to_the_outside"))


@full
def test_the_outside_pings_a_guest_and_transfers(host):
    print(host.job("vf_traffic.from_the_outside"))


def test_a_mapping_that_is_missing_is_seen(host):
    """Else the other tests would prove nothing."""
    with pytest.raises(AssertionError, match="DMAR.*DMA Read.*fault addr"):
        host.job("vf_trouble.mapping_missing")


def test_a_guest_killed_in_mid_transfer_leaves_no_fault_and_nothing_behind(host, request):
    kills = 20 if request.config.getoption("--full") else 3
    print(host.job("vf_trouble.guest_killed", KILLS=kills))


def test_guests_go_on_beside_a_transmit_queue_that_stands_still(host):
    print(host.job("vf_trouble.queue_stuck"))


def test_guests_go_on_beside_a_link_that_is_down(host):
    print(host.job("vf_trouble.link_down"))
