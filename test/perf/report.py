#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""report.py JSON [--publish]: the Markdown of a bench.json; --publish: put it into doc/.

doc/performance.md and README.md hold what this makes of doc/performance.json, between two marks; a
test holds them to that.
"""

import json
import os
import shutil
import statistics
import sys
from dataclasses import asdict

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(TOP, "usertools"), os.path.dirname(os.path.abspath(__file__))]

import stages  # noqa: E402
from contestants import Ours, TestpmdIo, Wire  # noqa: E402
from goals import GOALS, middle  # noqa: E402
from loads import Result  # noqa: E402
from ovs import Ovs  # noqa: E402
from placement import comparable  # noqa: E402
from setups import BOUND, SETUPS  # noqa: E402

BEGIN, END = "<!-- from performance.json -->\n", "<!-- end -->\n"


def short(value):
    """A number as precise as a measurement is."""
    return float(f"{value:.5g}") if isinstance(value, float) else value


class Data:
    """All that a run of the bench found."""

    def __init__(self, about):
        self.about, self.results, self.failures, self.stages = about, {}, [], {}

    def add(self, setup, case, contestant, r):
        r = Result(**{k: {n: short(v) for n, v in x.items()} if isinstance(x, dict) else short(x)
                      for k, x in asdict(r).items()})
        self.results.setdefault((setup, case), {}).setdefault(contestant, []).append(r)

    def dump(self, path):
        rows = [{"setup": setup, "case": case, "contestant": name,
                 "runs": [asdict(r) for r in runs]}
                for (setup, case), by_name in self.results.items()
                for name, runs in by_name.items()]
        with open(path, "w") as f:
            f.write('{"about": %s,\n"failures": %s,\n"stages": %s,\n"results": [\n' % tuple(
                json.dumps(x) for x in (self.about, self.failures, self.stages)))
            f.write(",\n".join(map(json.dumps, rows)) + "\n]}\n")


def load(path):
    with open(path) as f:
        raw = json.load(f)
    data = Data(raw["about"])
    data.failures, data.stages = raw["failures"], raw["stages"]
    for row in raw["results"]:
        data.results.setdefault((row["setup"], row["case"]), {})[row["contestant"]] = [
            Result(**r) for r in row["runs"]]
    return data


def compare(results):
    """Results that can be compared, and marks: (setup, case) -> what to say of them."""
    least = min((r.distance for by_name in results.values() for runs in by_name.values()
                 for r in runs), default=0)
    good, marks = {}, {}
    for key, by_name in results.items():
        good[key], marks[key] = comparable(by_name, least, aside=Wire.name)
    return good, marks


def cell(runs, key, digits, compared):
    if key == BOUND[1]:
        return ", ".join(sorted({r.bound for r in runs}))
    values = [v for r in runs if (v := r.get(key)) is not None]
    if not values:
        return "-"
    text = f"{statistics.median(values):.{digits}f}"
    if compared and key == "mpps" and any(r.bound == "guest" for r in runs):
        text = f">= {text}"
    if len(values) > 1:
        text += f" ({min(values):.{digits}f} .. {max(values):.{digits}f})"
    return text


def times(by_name, name):
    """How many times as fast ours is; by cycles where guests limited either."""
    ours, theirs = by_name.get(Ours.name), by_name[name]
    if not ours or name == Ours.name or not middle(theirs, "mpps"):
        return ""
    if all(r.bound == "switch" for r in ours + theirs):
        return f"{middle(ours, 'mpps') / middle(theirs, 'mpps'):.2f}"
    if not all(r.cycles for r in ours + theirs):
        return ""
    return f"{middle(theirs, 'cycles') / middle(ours, 'cycles'):.2f} by cycles"


def table(setup, results, marks):
    """Markdown lines; none if nothing of it was measured."""
    compared = BOUND in setup.columns
    titles = ["case", "contestant", *(title for title, _, _ in setup.columns)]
    titles += ["ours is, times"] * compared
    rows = []
    for case in setup.cases:
        by_name, mark = results.get((setup.name, case.name), {}), marks.get((setup.name, case.name))
        for name, runs in by_name.items():
            row = [f"{case.name} ({mark})" if mark else case.name, name,
                   *(cell(runs, key, n, compared) for _, key, n in setup.columns)]
            rows.append(row + [times(by_name, name)] * compared)
    if not rows:
        return []
    lines = [f"### {setup.name}: {setup.title}", "", "| " + " | ".join(titles) + " |",
             "|" + " --- |" * len(titles)]
    return lines + [f"| {' | '.join(row)} |" for row in rows] + [""]


def goals(results, marks):
    lines = ["### What is to be reached", "", "| scenario | what | goal | reached | |",
             "| --- | --- | --- | --- | --- |"]
    n = {True: 0, False: 0, None: 0}
    for goal in GOALS:
        value, met = goal.judge(results)
        n[met] += 1
        if met is None:
            continue
        if mark := marks.get((goal.setup, goal.case)):
            value += f", {mark}"
        verdict = "met" if met else "**missed**"
        if not met and (words := goal.limit_of_all(results)):
            verdict += f"; {words}"
        lines.append(f"| {goal.scenario} | {goal.text()} | {goal.limit()} | {value} | {verdict} |")
    return [f"Of {len(GOALS)} goals {n[True]} are met, {n[False]} are missed, {n[None]} were not"
            " measured.", "", *lines, ""]


def markdown(data):
    a = data.about
    lines = [f"Measured on {a['date']}, {a['cpu']}, Linux {a['kernel']}, by `{a['command']}`:"
             f" {a['done']} interleaved rounds of {a['seconds']:g} s for each measurement,"
             f" {a.get('minutes', 0):.0f} minutes in all. Median (least .. most).", ""]
    if data.failures:
        lines += ["Failed, and without a result:", "", *(f"- {f}" for f in data.failures), ""]
    results, marks = compare(data.results)
    lines += goals(results, marks)
    if data.stages:
        lines += ["### Instructions per frame, by stage", "", *stages.markdown(data.stages), ""]
    for setup in SETUPS:
        lines += table(setup, results, marks)
    return "\n".join(lines).rstrip() + "\n"


def write(folder, data):
    import plot  # needs matplotlib, which only the bench has
    data.dump(os.path.join(folder, "bench.json"))
    with open(os.path.join(folder, "bench.md"), "w") as f:
        f.write(markdown(data))
    plot.draw(os.path.join(folder, "bench.svg"), compare(data.results)[0])


def brief(data):
    """For the README: Mpps of the most important cases."""
    columns = [(setup, f"{size} bytes") for setup in ("both-ways", "packed") for size in (64, 1518)]
    names = {Ours.name: "learning switch", TestpmdIo.name: "dpdk-testpmd 22.11, a wire",
             Ovs.name: "OVS-DPDK 3.1"}
    results, _ = compare(data.results)
    lines = ["| Mpps | 64 bytes, split | 1518, split | 64, packed | 1518, packed |",
             "| --- |" + " --- |" * len(columns)]
    for name, words in names.items():
        cells = [middle(results.get(c, {}).get(name, []), "mpps") for c in columns]
        lines.append(f"| {name}: {words} | "
                     + " | ".join("-" if c is None else f"{c:.1f}" for c in cells) + " |")
    return "\n".join(lines) + "\n"


PAGES = {"doc/performance.md": markdown, "README.md": brief}


def section(text):
    """What stands between the marks."""
    return text[text.index(BEGIN) + len(BEGIN):text.index(END)]


def publish(path):
    data = load(path)
    for page, make in PAGES.items():
        with open(os.path.join(TOP, page)) as f:
            text = f.read()
        with open(os.path.join(TOP, page), "w") as f:
            f.write(text.replace(BEGIN + section(text), f"{BEGIN}\n{make(data)}\n"))
    for kind in "json", "svg":
        shutil.copyfile(f"{os.path.splitext(path)[0]}.{kind}",
                        os.path.join(TOP, f"doc/performance.{kind}"))


def main():
    if sys.argv[2:] == ["--publish"]:
        publish(sys.argv[1])
    else:
        print(markdown(load(sys.argv[1])), end="")


if __name__ == "__main__":
    main()
