# SPDX-License-Identifier: BSD-3-Clause
"""count.py meson TESTLOG.json | junit FILE.xml: print how many tests passed and failed.

A skipped test has failed: a test that cannot run shows nothing.
"""

import json
import re
import sys
import xml.etree.ElementTree


def of_meson(path):
    """The tests inside each cmocka program; one that ended without saying counts as one."""
    passed = failed = 0
    with open(path) as f:
        for program in map(json.loads, f):
            text = (program.get("stdout") or "") + (program.get("stderr") or "")
            good = sum(map(int, re.findall(r"\[  PASSED  \] (\d+) test", text)))
            bad = sum(map(int, re.findall(r"\[  (?:FAILED|SKIPPED) +\] (\d+) test", text)))
            if program["result"] == "OK":
                good = good or 1
            else:
                bad = bad or 1
            passed += good
            failed += bad
    return passed, failed


def of_junit(path):
    passed = failed = 0
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        if any(case.find(outcome) is not None for outcome in ("failure", "error", "skipped")):
            failed += 1
        else:
            passed += 1
    return passed, failed


if __name__ == "__main__":
    print(*{"meson": of_meson, "junit": of_junit}[sys.argv[1]](sys.argv[2]))
