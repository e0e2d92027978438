# SPDX-License-Identifier: BSD-3-Clause
import os

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def pytest_addoption(parser):
    parser.addoption("--build", default=os.path.join(TOP, "build"),
                     help="build folder, of the distribution's gcc, buildtype release")
