# SPDX-License-Identifier: BSD-3-Clause
"""Runs inside the host machine of vf_test.py: `vf_job.py FILE.FUNCTION`, one of the jobs in
vf_*.py. It fails by an exception."""

import importlib
import os
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
os.environ["VS_BUILD"] = os.path.join(TOP, "build")
sys.path[:0] = [os.path.join(TOP, "test", "functional"), os.path.join(TOP, "usertools")]

if __name__ == "__main__":
    start = time.monotonic()
    module, job = sys.argv[1].split(".")
    getattr(importlib.import_module(module), job)()
    print(f"{sys.argv[1]}: {time.monotonic() - start:.1f} s")
