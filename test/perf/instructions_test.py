# SPDX-License-Identifier: BSD-3-Clause
"""Instructions that a worker executes per frame. They do not depend on what else a machine does.

A change that costs or saves more than 5 percent has to say so: `instructions_test.py BUILD` prints
what to write into instructions.json, in the same commit.
"""

import json
import os
import sys

import pytest

import stages

RECORD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "instructions.json")


def count(build, case):
    return sum(stages.count(build, case).values())


@pytest.mark.parametrize("case", stages.CASES)
def test_a_frame_costs_as_many_instructions_as_recorded(request, case):
    with open(RECORD) as f:
        recorded = json.load(f)[case]
    now = count(request.config.getoption("--build"), case)
    assert abs(now / recorded - 1) <= 0.05, f"{now:.0f} instead of {recorded}"


def test_a_frame_costs_little_more_where_many_stations_speak(request):
    """Than where all of a burst are of one pair, of which only the first is looked up."""
    build = request.config.getoption("--build")
    one, many = (count(build, case) for case in ("split, 64 bytes", stages.MANY))
    assert many <= one + 32, f"{many:.0f} instead of {one:.0f}"


if __name__ == "__main__":
    print(json.dumps({case: round(count(sys.argv[1], case)) for case in stages.CASES}, indent=1))
