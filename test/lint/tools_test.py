# SPDX-License-Identifier: BSD-3-Clause
"""What other programs say about the sources."""

import subprocess

import pytest

from tree import TOP, files, shell_scripts


def complaints(*argv):
    done = subprocess.run(argv, cwd=TOP, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    return done.stdout if done.returncode or done.stdout else ""


def test_shellcheck_has_nothing_to_say():
    assert complaints("shellcheck", "-x", "--source-path=SCRIPTDIR", *shell_scripts()) == ""


def test_man_pages_are_well_formed():
    pages = [p for p in files(under="doc") if p[-2:] in {f".{n}" for n in range(1, 9)}]
    assert pages
    assert complaints("mandoc", "-T", "lint", "-W", "warning", *pages) == ""


def test_python_compiles_without_warnings():
    assert complaints("/usr/bin/python3", "-W", "error", "-c", """
import sys
for path in sys.argv[1:]:
    with open(path) as f:
        compile(f.read(), path, "exec")
""", *files(".py")) == ""


@pytest.mark.parametrize("folder", ["lib", "app", "test"])
def test_c_sources_are_formatted(folder):
    sources = files(".c", ".h", under=folder)
    assert sources
    assert complaints("clang-format", "--dry-run", "-Werror", *sources) == ""
