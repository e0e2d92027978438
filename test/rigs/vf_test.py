# SPDX-License-Identifier: BSD-3-Clause
"""VF ports, in a host with an IOMMU (vf_host.py): what is not mapped for the device is a fault in
its kernel's log. Most of each test runs in there: vf_traffic.py, vf_trouble.py, vf_filter.py,
vf_vlans.py."""

import pytest

full = pytest.mark.full


@full
def test_frames_of_every_size_pass_two_vfs_both_ways(vf_host):
    print(vf_host.job("vf_traffic.every_size"))


@full
def test_frames_above_copybreak_are_all_lent_and_none_is_copied(vf_host):
    print(vf_host.job("vf_traffic.all_lent"))


def test_a_guest_pings_the_outside_and_transfers_both_ways_all_lent(vf_host):
    print(vf_host.job("vf_traffic.lent_to_the_outside"))


@full
def test_a_vf_that_is_not_forced_gets_copies_of_all_of_it(vf_host):
    print(vf_host.job("vf_traffic.copied_to_the_outside"))


@full
def test_the_outside_pings_a_guest_and_transfers(vf_host):
    print(vf_host.job("vf_traffic.from_the_outside"))


def test_a_mapping_that_is_missing_is_seen(vf_host):
    """Else the other tests would prove nothing."""
    with pytest.raises(AssertionError, match="DMAR.*DMA Read.*fault addr"):
        vf_host.job("vf_trouble.mapping_missing")


@full
def test_a_guest_killed_in_mid_transfer_leaves_no_fault_and_nothing_behind(vf_host):
    print(vf_host.job("vf_trouble.guest_killed", KILLS=20))


@full
def test_guests_go_on_beside_a_transmit_queue_that_stands_still(vf_host):
    print(vf_host.job("vf_trouble.queue_stuck"))


@full
def test_guests_go_on_beside_a_link_that_is_down(vf_host):
    print(vf_host.job("vf_trouble.link_down"))


@full
def test_a_vf_receives_for_a_guest_by_its_filter(vf_host):
    print(vf_host.job("vf_filter.takes_a_guests_address"))


@full
def test_trust_is_shown(vf_host):
    print(vf_host.job("vf_filter.trust_is_shown"))


@full
def test_vlan_devices_of_the_kernel_meet_guests_of_their_vlan_only(vf_host):
    print(vf_host.job("vf_vlans.kernel_devices"))


@full
def test_a_trunk_on_a_vf_receives_its_vlans(vf_host):
    print(vf_host.job("vf_vlans.trunk_on_a_vf"))
