# SPDX-License-Identifier: BSD-3-Clause
"""VFs that go, come back and are reset, in the host of vf_test.py."""

import pytest

full = pytest.mark.full


@full
def test_a_switch_survives_the_end_of_its_vfs_and_takes_them_up_again(vf_host):
    print(vf_host.job("vf_life.unplugged"))


@full
def test_a_vf_taken_from_its_driver_costs_only_its_port(vf_host):
    print(vf_host.job("vf_life.unbound"))


@full
def test_vfs_that_are_made_later_are_taken_up(vf_host):
    print(vf_host.job("vf_life.absent_at_the_start"))


@full
def test_a_reset_by_the_pf_is_survived(vf_host):
    print(vf_host.job("vf_life.reset"))
