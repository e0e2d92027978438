# SPDX-License-Identifier: BSD-3-Clause
"""Figures in the documentation are those that a run of the bench left."""

import os
import sys

import pytest

from tree import TOP, read

sys.path.insert(0, os.path.join(TOP, "test/perf"))

import report  # noqa: E402


@pytest.mark.parametrize("page", report.PAGES)
def test_figures_are_those_of_the_run_that_is_kept(page):
    data = report.load(os.path.join(TOP, "doc/performance.json"))
    assert report.section(read(page)).strip() == report.PAGES[page](data).strip()
