# SPDX-License-Identifier: BSD-3-Clause
"""VFs that go, come back and are reset, in a host as that of vf_test.py."""

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
        machine = Host(qemu.Backported(cache).command(folder), image,
                       os.path.abspath(request.config.getoption("--build")), folder,
                       threads="single")
        try:
            machine.wait_booted()
            machine.job("vf_lib.make_vfs")
            yield machine
        finally:
            machine.kill()
            print(machine.output(), machine.console()[-3000:])


def test_a_switch_survives_the_end_of_its_vfs_and_takes_them_up_again(host):
    print(host.job("vf_life.unplugged"))


@full
def test_a_vf_taken_from_its_driver_costs_only_its_port(host):
    print(host.job("vf_life.unbound"))


@full
def test_vfs_that_are_made_later_are_taken_up(host):
    print(host.job("vf_life.absent_at_the_start"))


@full
def test_a_reset_by_the_pf_is_survived(host):
    print(host.job("vf_life.reset"))
