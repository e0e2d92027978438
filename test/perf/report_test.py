# SPDX-License-Identifier: BSD-3-Clause
"""How results are judged."""

import pytest

import report
from contestants import Ours, TestpmdIo, Wire
from goals import Goal
from loads import Result
from placement import comparable
from setups import SETUPS

KEY = ("one-way", "64 bytes")
GOAL = Goal("1", *KEY, "mpps", least=2.0, peer=TestpmdIo)
LEAST = 100


def run(mpps, cycles, idle=0.0, distance=LEAST):
    return Result(mpps, cycles, idle, distance=distance)


def results(ours, peer):
    return {KEY: {Ours.name: ours, TestpmdIo.name: peer}}


@pytest.mark.parametrize("mpps, met", [(19, False), (21, True)])
def test_a_goal_is_judged_by_the_ratio_of_medians(mpps, met):
    assert GOAL.judge(results([run(mpps, 100), run(1, 1), run(99, 1)], [run(10, 1)]))[1] is met


def test_where_guests_were_slower_cycles_are_compared():
    words, met = GOAL.judge(results([run(10, 50, idle=0.5)], [run(10, 150)]))
    assert met and words == "3, by cycles: guest-bound"


def test_what_has_no_result_is_neither_met_nor_missed():
    assert GOAL.judge({KEY: {Ours.name: [run(1, 1)]}}) == ("not measured", None)


def test_runs_with_far_cpus_are_left_out_where_there_are_near_ones():
    near, far = run(20, 1), run(7, 1, distance=4 * LEAST)
    runs, mark = comparable({"a": [near, far], "b": [far, near]}, LEAST)
    assert runs == {"a": [near], "b": [near]} and mark == ""


def test_near_runs_are_not_compared_with_far_ones_in_silence():
    near, far = run(20, 1), run(7, 1, distance=4 * LEAST)
    assert comparable({"a": [near, far], "b": [far]}, LEAST) == (
        {"a": [far], "b": [far]}, "CPUs far apart")
    assert comparable({"a": [near], "b": [far]}, LEAST)[1] == "CPUs not equally near"


def test_the_wire_does_not_decide_which_runs_are_compared():
    near, far = run(20, 1), run(7, 1, distance=4 * LEAST)
    assert comparable({"a": [near, far], "w": [far]}, LEAST, aside="w") == ({"a": [near]}, "")
    assert comparable({"a": [near, far], "w": [near, far]}, LEAST, aside="w") == (
        {"a": [near], "w": [near]}, "")


def test_a_rate_that_guests_limited_is_shown_as_a_lower_bound():
    data = report.Data({"date": "", "cpu": "", "kernel": "", "rounds": 1, "done": 1, "seconds": 1,
                        "command": ""})
    data.add(*KEY, Ours.name, run(12.3, 50, idle=0.5))
    assert "| >= 12.3 | 50 | guest |" in report.markdown(data)


def goals_page(ours, wire):
    """What is told of the goals of KEY."""
    data = report.Data({})
    data.results = results([run(ours, 1)], [run(10, 1)])
    if wire:
        data.results[KEY][Wire.name] = [run(wire, 1)]
    return "\n".join(report.goals(data.results, {}))


def test_a_missed_goal_is_told_with_what_one_copy_reaches():
    assert "| >= 2 | 1.5 | **missed**; the wire: 3 |" in goals_page(15, 30)


def test_of_a_goal_that_is_met_the_wire_tells_nothing():
    assert "| >= 2 | 2.5 | met |" in goals_page(25, 30)


def test_without_the_wire_a_missed_goal_is_just_missed():
    assert "| >= 2 | 1.5 | **missed** |" in goals_page(15, None)


def test_of_what_more_addresses_cost_the_part_of_the_load_is_told():
    goal = Goal("6", "macs", "16000", "mpps", least=0.9, base_case="1")
    found = {("macs", case): {Ours.name: [run(9, ours)], Wire.name: [run(99, wire)]}
             for case, ours, wire in (("1", 39, 12), ("16000", 46, 15.2))}
    assert goal.limit_of_all(found) == "of 7.0 cycles more the wire has 3.2, too"
    del found["macs", "1"][Wire.name]
    assert goal.limit_of_all(found) is None


def test_the_wire_sets_no_goal():
    assert all(Wire not in (goal.ours, goal.peer) for goal in report.GOALS)


def test_what_was_written_is_what_is_read(tmp_path):
    data = report.Data({"date": "d", "cpu": "c", "kernel": "k", "rounds": 2, "done": 1,
                        "seconds": 1, "command": "x"})
    data.add(*KEY, Ours.name, run(1 / 3, 50))
    data.failures.append("one")
    data.dump(tmp_path / "bench.json")
    again = report.load(tmp_path / "bench.json")
    assert report.markdown(again) == report.markdown(data) and "- one" in report.markdown(again)


def test_every_goal_is_about_something_that_is_measured():
    cases = {(s.name, c.name): {k.name for k in s.contestants} for s in SETUPS for c in s.cases}
    for goal in report.GOALS:
        for case in filter(None, (goal.case, goal.base_case)):
            assert {k.name for k in (goal.ours, goal.peer) if k} <= cases[goal.setup, case]
