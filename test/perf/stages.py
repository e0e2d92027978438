#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""stages.py BUILD [--functions]: instructions that a worker executes per frame, by stage.

callgrind counts by source line, also of what was inlined; a line belongs to the function that it
stands in, and a function to a stage by the rules below: the first that fits "file:function".
"""

import collections
import functools
import os
import re
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PASSES = 100
# Arguments of instructions.c: size, form, passes, addresses, workers.
CASES = {f"{form}, {size} bytes": (size, form, PASSES, 1, 1)
         for form in ("split", "packed") for size in (64, 1518)}
MANY = "split, 64 bytes, 256 addresses"  # more than a burst has frames
CASES[MANY] = (64, "split", PASSES, 256, 1)
CASES["split, 64 bytes, 2 workers"] = (64, "split", PASSES, 1, 2)

RULES = [(stage, re.compile(pattern)) for stage, pattern in (
    ("notify", r"notify"),
    ("publish", r"publish|used_w|packed_used|use_chain|consume|resume|suppress"),
    ("translate", r"gmem"),
    ("copy", r"memcpy|memmove|guest_(copy|read|write)|push_(copy|contiguous)|gather|cursor_read"),
    ("buffers", r"mbuf|mempool|loan|rte_ring"),
    ("look up", r"fdb|hash|known"),
    ("classify", r"l2\.c|l2_vlan|bswap"),
    ("send", r"l2_|pv_|offload|stats"),
    ("push", r"push|offer"),
    ("pull", r"pull|take|avail|chain|desc|nethdr|split|packed|guest_mem"),
)]
STAGES = ["pull", "translate", "classify", "look up", "send", "push", "copy", "publish", "notify",
          "buffers", "other"]


def stage_of(name):
    return next((stage for stage, pattern in RULES if pattern.search(name)), "other")


@functools.lru_cache(maxsize=None)
def functions_of(path):
    """[(first line, last line, name)] of a C file in the style of this project and DPDK."""
    try:
        with open(path, errors="replace") as f:
            lines = f.read().split("\n")
    except OSError:
        return []
    found, name, start = [], None, 0
    for n, line in enumerate(lines, 1):
        if m := re.match(r"(?:\w[\w\s*]*[\s*])?(\w+)\(", line):
            name, start = m[1], n
        elif line.startswith("}") and name:
            found.append((start, n, name))
            name = None
    return found


def place(path, line, function):
    """file:function of a source line; what the binary says if the source does not."""
    inner = next((name for first, last, name in functions_of(path) if first <= line <= last), None)
    return f"{os.path.basename(path)}:{inner or function}"


def source(path):
    """Of a path as the compiler was told: from this tree, also if a cache has it from another."""
    ours = re.search(r"/\.\./((?:lib|test)/.*)", path)
    return os.path.join(TOP, ours[1]) if ours else path


def parse(text):
    """Cost by place, from an uncompressed callgrind file."""
    costs = collections.Counter()
    path = function = "?"
    skip = False
    for line in text.splitlines():
        if m := re.match(r"f[ile]=(.*)", line):
            path = source(m[1])
        elif m := re.match(r"fn=(.*)", line):
            function = re.sub(r"'\d+$", "", m[1])
        elif line.startswith("calls="):
            skip = True  # what follows is the callee's
        elif m := re.match(r"(\d+) (\d+)$", line):
            if not skip:
                costs[place(path, int(m[1]), function)] += int(m[2])
            skip = False
    return costs


def count(build, case):
    """Instructions per frame, by place."""
    with tempfile.TemporaryDirectory(prefix="vs-stages-") as folder:
        out = os.path.join(folder, "callgrind.out")
        argv = ["valgrind", "--tool=callgrind", "--toggle-collect=measured_pass",
                "--compress-strings=no", "--compress-pos=no", f"--callgrind-out-file={out}",
                f"{build}/test/perf/instructions", *map(str, CASES[case])]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise RuntimeError(done.stdout + done.stderr)
        n = int(re.search(r"^(\d+)$", done.stdout, re.M)[1])
        with open(out) as f:
            return {where: cost / n for where, cost in parse(f.read()).items()}


def count_all(build):
    """{case: {stage: instructions per frame}}"""
    table = {}
    for case in CASES:
        row = collections.Counter()
        for where, cost in count(build, case).items():
            row[stage_of(where)] += cost
        table[case] = {s: round(row[s], 1) for s in STAGES if row[s] >= 0.05}
    return table


def markdown(table):
    used = [s for s in STAGES if any(s in row for row in table.values())]
    lines = ["| case | " + " | ".join(used) + " | all |", "| --- |" + " --- |" * (len(used) + 1)]
    for case, row in table.items():
        cells = [f"{row.get(s, 0):.0f}" for s in used]
        lines.append(f"| {case} | " + " | ".join(cells) + f" | {sum(row.values()):.0f} |")
    return lines


def main():
    if "--functions" in sys.argv[2:]:
        for case in CASES:
            print(case)
            for where, cost in sorted(count(sys.argv[1], case).items(), key=lambda row: -row[1]):
                if cost >= 0.5:
                    print(f"  {cost:6.1f}  {stage_of(where):9} {where}")
        return
    print("\n".join(markdown(count_all(sys.argv[1]))))


if __name__ == "__main__":
    main()
