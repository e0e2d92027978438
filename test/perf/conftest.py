# SPDX-License-Identifier: BSD-3-Clause
import os
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "usertools"))


def pytest_addoption(parser):
    parser.addoption("--build", default=os.path.join(TOP, "build"),
                     help="build folder, of the distribution's gcc, buildtype release")
