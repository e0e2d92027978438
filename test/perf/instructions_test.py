# SPDX-License-Identifier: BSD-3-Clause
"""Instructions that a worker executes per frame. They do not depend on what else a machine does.

A change that costs or saves more than 5 percent has to say so: `instructions_test.py BUILD` prints
what to write into instructions.json, in the same commit.
"""

import json
import os
import re
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
RECORD = os.path.join(HERE, "instructions.json")
CASES = [(size, form) for form in ("split", "packed") for size in (64, 1518)]
PASSES = 100


ADDRESSES_MANY = 256  # more than a burst has frames


def name(size, form):
    return f"{form}, {size} bytes"


def count(build, size, form, addresses=1):
    argv = ["valgrind", "--tool=callgrind", "--toggle-collect=measured_pass",
            "--callgrind-out-file=/dev/null", f"{build}/test/perf/instructions", str(size), form,
            str(PASSES), str(addresses)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    collected = int(re.search(r"Collected : (\d+)", done.stderr)[1])
    return collected / int(re.search(r"^(\d+)$", done.stdout, re.M)[1])


@pytest.mark.parametrize("size, form", CASES)
def test_a_frame_costs_as_many_instructions_as_recorded(request, size, form):
    with open(RECORD) as f:
        recorded = json.load(f)[name(size, form)]
    now = count(request.config.getoption("--build"), size, form)
    assert abs(now / recorded - 1) <= 0.05, f"{now:.0f} instead of {recorded}"


def test_a_frame_costs_no_more_where_many_stations_speak(request):
    build = request.config.getoption("--build")
    one, many = (count(build, 64, "split", n) for n in (1, ADDRESSES_MANY))
    assert many <= one * 1.03, f"{many:.0f} instead of {one:.0f}"


if __name__ == "__main__":
    print(json.dumps({name(*case): round(count(sys.argv[1], *case)) for case in CASES}, indent=1))
