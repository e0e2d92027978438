# SPDX-License-Identifier: BSD-3-Clause
"""Rigs: the switch between front-ends that nobody here wrote."""

import os
import pathlib
import sys
import tempfile

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, "usertools"))
sys.path.append(os.path.join(TOP, "test", "functional"))  # the fake guest

import qemu  # noqa: E402
from guest import Guest  # noqa: E402
from vf_host import Host  # noqa: E402
from vstools.switch import Switch, write_config  # noqa: E402

MAC = "52:54:00:00:00:{:02x}"


def pytest_addoption(parser):
    parser.addoption("--build", default=os.path.join(TOP, "build"), help="build folder")
    parser.addoption("--cache", default=os.path.join(TOP, "build-cache"),
                     help="where downloads are kept")
    parser.addoption("--full", action="store_true", help="also the slow variants")


def pytest_configure(config):
    config.addinivalue_line("markers", "full: runs only with --full")
    # Where fglib.py finds the fake guest.
    os.environ["VS_BUILD"] = os.path.abspath(config.getoption("--build"))


def pytest_collection_modifyitems(config, items):
    if config.getoption("--full"):
        return
    full = [i for i in items if i.get_closest_marker("full")]
    config.hook.pytest_deselected(items=full)
    items[:] = [i for i in items if i not in full]


@pytest.fixture
def folder():
    """A folder with a path short enough for sockets; gone after the test."""
    with tempfile.TemporaryDirectory(prefix="vs-") as path:
        yield pathlib.Path(path)


@pytest.fixture
def start_switch(request, folder):
    """start_switch({port: {key: value}}) runs the switch on these vhost-user ports.

    A test that passed so far fails when the switch then does not end in order, unless the test
    has killed it.
    """
    started = []

    def start(ports, switch=None):
        config = folder / "switch.conf"
        write_config(config, folder, ports, {"hugepages": "no", **(switch or {})})
        binary = os.path.join(request.config.getoption("--build"), "app", "vhost-switch")
        started.append(Switch(binary, config, folder))
        started[-1].wait_ready()
        return started[-1]

    yield start
    for switch in started:
        if switch.killed:
            continue
        print(switch.report())
        try:
            assert switch.stop() == 0, f"exit code of the switch:\n{switch.output()[-2000:]}"
        finally:
            switch.kill()
    assert not list(folder.glob("*.sock")), "sockets are left behind"


@pytest.fixture(scope="session")
def cache(request):
    """Folder with the kernel and the initrd that guests boot from, and with other systems."""
    folder = os.path.abspath(request.config.getoption("--cache"))
    qemu.make("guest-image", os.path.join(folder, "guest-image"))
    return folder


@pytest.fixture
def start_guest(cache, folder, start_switch):
    """start_guest(n, version, ...) boots guest n on the socket of port vm<n>, see Guest; its
    address is 10.0.0.<n>. It is up when wait_booted() returns."""
    started = []

    def start(n, version="qemu7", name=None, socket=None, number=None, **options):
        number = number or n
        started.append(Guest(qemu.VERSIONS[version](cache), folder, name or f"vm{n}",
                             folder / (socket or f"vm{n}.sock"), MAC.format(number),
                             f"10.0.0.{number}", **options))
        return started[-1]

    yield start
    for guest in started:
        guest.kill()
        print(f"--- {guest.name}\n{guest.output()}{guest.console()[-3000:]}")


@pytest.fixture(scope="session")
def vf_host(request):
    """A machine with two VFs on vfio-pci."""
    cache = os.path.abspath(request.config.getoption("--cache"))
    image = os.path.join(cache, "host-image")
    qemu.make("host-image", image)
    with tempfile.TemporaryDirectory(prefix="vs-") as path:
        # The first version with an igb.
        machine = Host(qemu.Backported(cache).command(path), image,
                       os.path.abspath(request.config.getoption("--build")), path)
        try:
            machine.wait_booted()
            machine.job("vf_lib.make_vfs")
            yield machine
        finally:
            machine.kill()
            print(machine.output(), machine.console()[-3000:])
