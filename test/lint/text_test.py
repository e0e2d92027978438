# SPDX-License-Identifier: BSD-3-Clause
"""What every file must be, whatever its language."""

import re

from tree import files, read

MAX_LINES = 400
SOURCE = (".c", ".h", ".py", ".sh", ".build", ".options", ".conf")
# Paths that exist on one machine only.
MACHINE_PATHS = re.compile(r"(?<![\w.}/$])/(work|home|root|mnt)/")
# This file names what it forbids.
SELF = "test/lint/text_test.py"


def is_source(path):
    return path.endswith(SOURCE) or read(path).startswith("#!")


def test_sources_name_their_license_at_the_top():
    assert [p for p in files() if is_source(p) or re.search(r"\.[1-8]$", p)
            if "SPDX-License-Identifier: BSD-3-Clause" not in "".join(
                read(p).splitlines(keepends=True)[:3])] == []


def test_sources_do_one_job_in_at_most_400_lines():
    long = {p: n for p in files() if is_source(p) and (n := read(p).count("\n")) > MAX_LINES}
    assert long == {}


def test_no_line_ends_in_white_space():
    assert [f"{p}:{n}" for p in files() for n, line in enumerate(read(p).split("\n"), 1)
            if line != line.rstrip()] == []


def test_every_file_ends_with_one_newline():
    assert [p for p in files() if (text := read(p)) and
            (not text.endswith("\n") or text.endswith("\n\n"))] == []


def test_no_file_names_a_path_of_one_machine():
    assert [f"{p}:{n}: {line.strip()}" for p in files() if p != SELF
            for n, line in enumerate(read(p).splitlines(), 1) if MACHINE_PATHS.search(line)] == []


def test_nothing_is_left_for_later():
    todo = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    assert [f"{p}:{n}: {line.strip()}" for p in files() if p != SELF
            for n, line in enumerate(read(p).splitlines(), 1) if todo.search(line)] == []
