# SPDX-License-Identifier: BSD-3-Clause
"""Results as JSON, Markdown and a plot."""

import json
import os
import statistics
from dataclasses import asdict

OURS = "vhost-switch"


def spread(values, digits):
    values = list(values)
    return (f"{statistics.median(values):.{digits}f}"
            f" ({min(values):.{digits}f} .. {max(values):.{digits}f})")


def median(runs, key):
    return statistics.median(getattr(r, key) for r in runs)


def ratio(setup, by_name, peer):
    """How much better ours is: more frames, or fewer cycles where the load is the slower side."""
    if OURS not in by_name or peer not in by_name:
        return None
    if setup.by_cycles:
        return median(by_name[peer], "cycles") / median(by_name[OURS], "cycles")
    return median(by_name[OURS], "mpps") / median(by_name[peer], "mpps")


def verdict(case, setup, by_name):
    words = []
    for peer in by_name:
        if peer.startswith(OURS):
            continue
        value, goal = ratio(setup, by_name, peer), case.targets.get(peer)
        text = f"{value:.2f} x {peer}"
        if goal:
            text += f" (goal {goal}{'' if value >= goal else ', **missed**'})"
        words.append(text)
    return "; ".join(words)


def latency_table(setup, results):
    lines = [f"### {setup.name}: {setup.title}", "",
             "| case | contestant | Mpps | p50, us | p99, us | p99.9, us |",
             "| --- | --- | --- | --- | --- | --- |"]
    for case in setup.cases:
        for name, runs in results.get((setup.name, case.name), {}).items():
            cells = [spread((r.latency[p] / 1000 for r in runs), 1)
                     for p in ("p50", "p99", "p999")]
            lines.append(f"| {case.name} | {name} | {median(runs, 'mpps'):.2f} | "
                         + " | ".join(cells) + " |")
    return lines + [""]


def table(setup, results):
    if any(case.rate for case in setup.cases):
        return latency_table(setup, results)
    lines = [f"### {setup.name}: {setup.title}", "",
             "| case | contestant | Mpps | busy cycles per frame | bound by |",
             "| --- | --- | --- | --- | --- |"]
    notes = []
    for case in setup.cases:
        by_name = results.get((setup.name, case.name), {})
        for name, runs in by_name.items():
            bounds = sorted({r.bound for r in runs})
            lines.append(f"| {case.name} | {name} | {spread((r.mpps for r in runs), 1)}"
                         f" | {spread((r.cycles for r in runs), 0)} | {', '.join(bounds)} |")
        if OURS in by_name:
            notes.append(f"- {case.name}: ours is {verdict(case, setup, by_name)}")
    what = "by busy cycles per frame" if setup.by_cycles else "by frames per second"
    return lines + ["", f"Ratios of medians, {what}:", ""] + notes + [""]


def markdown(about, setups, results):
    lines = [f"Measured on {about['date']}, {about['cpu']}, Linux {about['kernel']},"
             f" {about['rounds']} interleaved rounds of {about['seconds']} s each;"
             " median (least .. most).", ""]
    for setup in setups:
        lines += table(setup, results)
    return "\n".join(lines)


def plot(path, setups, results):
    import matplotlib
    matplotlib.use("svg")
    from matplotlib import pyplot

    setups = [s for s in setups if s.plot]
    if not setups:
        return
    figure, axes = pyplot.subplots(len(setups), 2, figsize=(11, 4.2 * len(setups)), squeeze=False)
    for setup, row in zip(setups, axes):
        for axis, key, label in zip(row, ("mpps", "cycles"), ("Mpps", "busy cycles per frame")):
            for kind in setup.contestants:
                points = [(case.size, [getattr(r, key) for r in runs]) for case in setup.cases
                          if (runs := results.get((setup.name, case.name), {}).get(kind.name))]
                if not points:
                    continue
                sizes = [size for size, _ in points]
                middle = [statistics.median(values) for _, values in points]
                below = [m - min(values) for m, (_, values) in zip(middle, points)]
                above = [max(values) - m for m, (_, values) in zip(middle, points)]
                axis.errorbar(sizes, middle, yerr=(below, above), marker="o", capsize=3,
                              label=kind.name)
            axis.set(xlabel="bytes of a frame", ylabel=label, title=setup.name, ylim=(0, None))
            axis.grid(alpha=0.3)
        row[0].legend()
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)


def write(folder, about, setups, results):
    data = {"about": about, "results": [
        {"setup": setup, "case": case, "contestant": name, "runs": [asdict(r) for r in runs]}
        for (setup, case), by_name in results.items() for name, runs in by_name.items()]}
    with open(os.path.join(folder, "bench.json"), "w") as f:
        json.dump(data, f, indent=1)
    with open(os.path.join(folder, "bench.md"), "w") as f:
        f.write(markdown(about, setups, results))
    plot(os.path.join(folder, "bench.svg"), setups, results)
