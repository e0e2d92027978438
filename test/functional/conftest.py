# SPDX-License-Identifier: BSD-3-Clause
import os
import sys

import pytest

from fglib import ROOT

sys.path.insert(0, os.path.join(ROOT, "usertools"))

from arena import Arena  # noqa: E402
from netns import Namespace  # noqa: E402
from vswitch import Switch  # noqa: E402

# The worker polls on CPU 1: guests on it would take its time slices.
os.sched_setaffinity(0, {0})


@pytest.fixture
def switch():
    """switch(ports, **switch_options) starts one; what must be true of every switch at its
    end is checked at teardown."""
    running = []

    def start(ports, **options):
        running.append(Switch(ports, **options))
        return running[-1]

    yield start
    errors = []
    for s in running:
        try:
            s.stop()
        except AssertionError as e:
            errors.append(e)
    if errors:
        raise errors[0]


@pytest.fixture
def host():
    """Where the switch runs: a network namespace of the test's own."""
    with Namespace() as ns:
        yield ns
    ns.close()


@pytest.fixture
def inner():
    """inner() makes a namespace for the other end of an interface."""
    made = []

    def new():
        made.append(Namespace())
        return made[-1]

    yield new
    for ns in made:
        ns.close()


@pytest.fixture(scope="module")
def shared_switch(request):
    """One switch for a whole file of tests that leave it as they found it: ports as the file's
    PORTS says, other settings as its OPTIONS."""
    s = Switch(request.module.PORTS, **getattr(request.module, "OPTIONS", {}))
    yield s
    s.stop()


@pytest.fixture
def sw(shared_switch):
    shared_switch.mark()
    yield shared_switch
    shared_switch.dismiss()


@pytest.fixture(scope="module")
def shared_arena():
    a = Arena()
    yield a
    a.close()


@pytest.fixture
def arena(shared_arena):
    """One switch for a whole file of hostile guests: what one leaves behind shows in the next."""
    shared_arena.begin()
    yield shared_arena
    shared_arena.end()
