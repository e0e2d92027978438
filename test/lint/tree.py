# SPDX-License-Identifier: BSD-3-Clause
"""The project's own files, and what they say about its rooms."""

import os
import re

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHELLS = re.compile(r"#!\s*/(usr/)?bin/(env )?(ba)?sh\b")


def files(*suffixes, under=""):
    """Paths relative to the top, of source files that end in one of the suffixes, or of all.

    The tree is walked, not asked of git: a release tarball has no git.
    """
    found = []
    for folder, dirs, names in os.walk(os.path.join(TOP, under)):
        at_top = os.path.samefile(folder, TOP)
        dirs[:] = [d for d in dirs if d not in (".git", "__pycache__", ".pytest_cache")
                   and not (at_top and d.startswith("build"))]
        # A git worktree has a file of this name.
        found += [os.path.relpath(os.path.join(folder, n), TOP) for n in names
                  if n != ".git" and (not suffixes or n.endswith(suffixes))]
    return sorted(found)


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as f:
        return f.read()


def shell_scripts():
    return [p for p in files() if p.endswith(".sh") or SHELLS.match(read(p).partition("\n")[0])]


def rooms():
    """{room: rooms it may include}, in the order of lib/meson.build."""
    rows = re.findall(r"^    \['(\w+)', \[([^]]*)\]\],$", read("lib/meson.build"), re.M)
    return {name: re.findall(r"'(\w+)'", others) for name, others in rows}


def architecture_rooms():
    """The same, from the table in ARCHITECTURE.md."""
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\|([^|]*)\|$", read("ARCHITECTURE.md"), re.M)
    return {name: re.findall(r"`(\w+)`", others) for name, others in rows}
