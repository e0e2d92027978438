# SPDX-License-Identifier: BSD-3-Clause
"""Frame size against throughput and cycles per frame."""

import io
import re
import statistics

import matplotlib

from setups import SETUPS

matplotlib.use("svg")
# The same results make the same file.
matplotlib.rcParams["svg.hashsalt"] = "vhost-switch"

from matplotlib import pyplot  # noqa: E402


# Of a contestant, the same everywhere.
COLOURS = {name: f"C{i}" for i, name in enumerate(
    dict.fromkeys(kind.name for s in SETUPS for kind in s.contestants + s.full))}


def line(axis, setup, kind, results, key):
    points = [(case.size, [v for r in runs if (v := r.get(key)) is not None])
              for case in setup.cases
              if (runs := results.get((setup.name, case.name), {}).get(kind.name))]
    points = [(size, values) for size, values in points if values]
    if not points:
        return
    middle = [statistics.median(values) for _, values in points]
    below = [m - min(values) for m, (_, values) in zip(middle, points)]
    above = [max(values) - m for m, (_, values) in zip(middle, points)]
    axis.errorbar([size for size, _ in points], middle, yerr=(below, above), marker="o",
                  capsize=3, label=kind.name, color=COLOURS[kind.name])


def draw(path, results):
    setups = [s for s in SETUPS if s.plot and any(name == s.name for name, _ in results)]
    if not setups:
        return
    figure, axes = pyplot.subplots(len(setups), 2, figsize=(11, 4.2 * len(setups)), squeeze=False)
    for setup, row in zip(setups, axes):
        for axis, key, label in zip(row, ("mpps", "cycles"), ("Mpps", "busy cycles per frame")):
            for kind in setup.kinds(quick=False):
                line(axis, setup, kind, results, key)
            axis.set(xlabel="bytes of a frame", ylabel=label, title=setup.name, ylim=(0, None))
            axis.grid(alpha=0.3)
        row[0].legend()
    figure.tight_layout()
    image = io.StringIO()
    figure.savefig(image, metadata={"Date": None})
    pyplot.close(figure)
    with open(path, "w") as f:
        f.write(re.sub(r"[ \t]+$", "", image.getvalue(), flags=re.M))
