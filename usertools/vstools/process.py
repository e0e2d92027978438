# SPDX-License-Identifier: BSD-3-Clause
"""Child processes that never outlive us, and where they may run."""

import ctypes
import os
import signal
import subprocess
import time

PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None)


def die_with_parent():
    """For preexec_fn: SIGKILL of the parent runs no handler of ours; the kernel does this."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def cpus():
    """The CPUs for (guests, worker): one each, and the worker has the last.

    A polling worker and its guests on one CPU would make everything crawl.
    """
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1]


def wait_for(condition, seconds, what):
    """Poll until condition() is true and return its value; TimeoutError after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.05)


class Process:
    """A command that keeps its output and run-time files in `folder`, and dies with this process."""

    def __init__(self, name, argv, folder, cpu=None):
        def in_child():
            die_with_parent()
            if cpu is not None:
                os.sched_setaffinity(0, {cpu})

        self.name = name
        self.log = os.path.join(folder, f"{name}.log")
        with open(self.log, "wb") as out:
            self.child = subprocess.Popen(
                [str(a) for a in argv],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.STDOUT,
                preexec_fn=in_child,
                # DPDK's sockets and lock files, which it leaves behind.
                env=dict(os.environ, RUNTIME_DIRECTORY=str(folder)),
                # A Ctrl-C at the terminal is ours to handle, in our order.
                start_new_session=True,
            )

    def say(self, line):
        """One line to its standard input."""
        self.child.stdin.write(line.encode() + b"\n")
        self.child.stdin.flush()

    def output(self):
        with open(self.log, errors="replace") as f:
            return f.read()

    def running(self):
        return self.child.poll() is None

    def check_running(self):
        """Raise, with the end of its output, when it has ended."""
        if not self.running():
            tail = "\n".join(self.output().splitlines()[-15:])
            raise RuntimeError(f"{self.name} ended with {self.child.returncode}:\n{tail}")
        return True

    def wait(self, seconds):
        """Its exit code; TimeoutError when it runs on."""
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{self.name} still runs after {seconds} s") from None

    def kill(self):
        """End it at once, if it has not ended."""
        if self.running():
            self.child.kill()
        self.child.wait()
        self.child.stdin.close()
