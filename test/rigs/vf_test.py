# SPDX-License-Identifier: BSD-3-Clause
"""VF ports, in a host with an IOMMU (vf_host.py): what is not mapped for the device is a fault in
its kernel's log."""

import os
import tempfile

import pytest

import qemu
from vf_host import Host

JOB_SECONDS = 240  # some on a quiet machine

pytestmark = pytest.mark.full


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
            machine.job("make_vfs", JOB_SECONDS)
            yield machine
        finally:
            machine.kill()
            print(machine.output(), machine.console()[-3000:])


def test_frames_of_every_size_pass_two_vfs_both_ways(host):
    print(host.job("carries_every_size", JOB_SECONDS))


def test_frames_above_copybreak_are_all_lent_and_none_is_copied(host):
    print(host.job("above_copybreak_all_is_lent", JOB_SECONDS))


def test_a_guest_killed_in_mid_transfer_leaves_no_fault_and_nothing_behind(host):
    print(host.job("a_guest_is_killed_and_comes_back_20_times", JOB_SECONDS))
