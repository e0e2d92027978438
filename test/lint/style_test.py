# SPDX-License-Identifier: BSD-3-Clause
"""House rules for C that a few lines can check."""

import re

from tree import files, read, rooms

MAX_FUNCTION_LINES = 75  # a screen; most have less than thirty
MAX_COLUMNS = 100


def c_files():
    return files(".c", ".h")


def is_test(path):
    return path.endswith(("_test.c", "unit.h"))


def in_c(pattern, paths):
    """path:line: text of every line that matches, outside of comments."""
    regex = re.compile(pattern)
    found = []
    for path in paths:
        # Comments become blank, lines keep their numbers.
        text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m[0].count("\n"), read(path), flags=re.S)
        found += [f"{path}:{n}: {line.strip()}" for n, line in enumerate(text.split("\n"), 1)
                  if regex.search(line)]
    return found


def test_functions_fit_a_screen():
    long = []
    for path in c_files():
        start = name = None
        lines = read(path).split("\n")
        for n, line in enumerate(lines, 1):
            if line == "{":
                start = n
                name = next((x for x in reversed(lines[:n - 1]) if re.match(r"\w+\(", x)), "?")
            elif line == "}" and start:
                if n - start - 1 > MAX_FUNCTION_LINES:
                    long.append(f"{path}:{start}: {name} has {n - start - 1} lines")
                start = None
    assert long == []


def test_c_lines_have_at_most_100_columns():
    """clang-format leaves comments alone, and so would not tell."""
    assert [f"{path}:{n}" for path in c_files()
            for n, line in enumerate(read(path).split("\n"), 1)
            if len(line.expandtabs(8)) > MAX_COLUMNS and '"' not in line
            and not re.fullmatch(r"\s*(cmocka_unit_test\w*\()?\w+(, \w+)*\),", line)] == []


def test_comments_end_where_their_text_does_or_on_a_line_as_they_began():
    """A lone end of a comment that began with text is what reflowing leaves behind."""
    lonely = re.compile(r"/\* [^\n]*[^/\n]\n\s*\*/")
    assert [path for path in c_files() if lonely.search(read(path))] == []


def test_public_headers_say_who_may_call_from_which_thread():
    assert [r for r in rooms() if "Threads" not in read(f"lib/{r}/{r}.h")] == []


def test_headers_have_a_guard_of_their_own_name():
    """Alone, or behind the room's prefix."""
    wrong = []
    for path in files(".h"):
        name = re.sub(r"\W", "_", path.rsplit("/", 1)[-1]).upper()
        if not re.search(rf"^#ifndef ((?:\w+_)?{name})\n#define \1$", read(path), re.M):
            wrong.append(path)
    assert wrong == []


def test_comments_are_in_c_style():
    assert in_c(r'^[^"]*(?<!:)//', c_files()) == []


def test_no_code_is_switched_off():
    assert in_c(r"^\s*#\s*if\s+0\b", c_files()) == []


def test_the_library_prints_nothing_on_standard_output():
    paths = [p for p in files(".c", ".h", under="lib") if not is_test(p)]
    assert in_c(r"\b(printf|puts|putchar|vprintf)\s*\(|\bstdout\b", paths) == []


def test_string_functions_have_a_bound():
    paths = [p for p in files(".c", ".h", under="lib") + files(".c", ".h", under="app")
             if not is_test(p)]
    assert in_c(r"\b(strcat|sprintf|vsprintf|gets|alloca)\s*\(", paths) == []


def test_unit_tests_are_named_as_sentences():
    """Three words at least."""
    short = []
    for path in files("_test.c", under="lib"):
        names = re.findall(r"^static void\n(\w+)\(void \*\*\w+\)$", read(path), re.M)
        assert names, path
        short += [f"{path}: {n}" for n in names if n.count("_") < 2]
    assert short == []


def test_every_unit_test_file_is_listed_in_its_rooms_build():
    wrong = []
    for path in files("_test.c", under="lib"):
        folder, name = path.rsplit("/", 1)
        if f"'{name[:-2]}'" not in read(f"{folder}/meson.build"):
            wrong.append(path)
    assert wrong == []
