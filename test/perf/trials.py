# SPDX-License-Identifier: BSD-3-Clause
"""Loads that take more than one run: a search, an outage, a sleeping worker."""

import os
import time

import loads
from loads import Pump, Result, pump_command

# Between stalls of the machine; long enough that a ring hides no more than a percent or two.
WINDOW_S = 0.01
RING = 4096  # a hundred microseconds of the highest rate: the machine stalls for less, mostly
CLEAN_MIN = 0.1  # share of the windows: what a switch cannot bear, it can bear in none of them
RESOLUTION = 0.01  # of the maximum rate


def steady(contestant, seconds, rate):
    return loads.paced(contestant, seconds, None, rate, sample=1024, ring=RING, window=WINDOW_S,
                       warmup=0.1)


def zero_loss(contestant, seconds, _):
    """The highest rate without a loss, by bisection, as a share of the highest of all. A window is
    lossless if every frame could be sent when it was due, and arrived."""
    seconds = min(seconds, 0.5)
    top = steady(contestant, seconds, 1e8).mpps * 1e6
    good, bad = 0, 1.03
    share = 1.0
    while bad - good > RESOLUTION:
        clean = steady(contestant, seconds, share * top).values["clean"]
        good, bad = (share, bad) if clean >= CLEAN_MIN else (good, share)
        share = (max(good, 0.5 * bad) + bad) / 2
    return Result(good * top / 1e6, values={"top": top / 1e6, "share": good})


def slow_guest(contestant, seconds, results, rate, takes):
    """A pair at a rate that it can bear, beside a third guest that floods a fourth, which takes
    `takes` frames a second; None: the other two are silent."""
    options = {} if takes is None else {"stuck": takes}
    r = loads.paced(contestant, seconds, results, rate, sample=8, window=WINDOW_S,
                    sockets=contestant.sockets[:4], **options)
    r.values["lost"] = r.lost
    return r


def restart(contestant, seconds, _):
    """SIGKILL under traffic, and start again at once."""
    argv = pump_command(contestant, 64, seconds, rate=100000, restart=True)
    with Pump(argv) as child:
        child.wait_running()
        time.sleep(0.3)
        contestant.die()
        contestant.revive()
        r = child.result()
    return Result(values={key: r[key] for key in ("outage_ms", "contact_ms", "beyond_ms")})


def cpu_seconds(pid):
    """That all threads of a process have used."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def silence(contestant, seconds, _):
    """What it uses while connected guests say next to nothing: a frame a second."""
    seconds = max(2, seconds)
    with Pump(pump_command(contestant, 64, seconds + 5, rate=1)) as child:
        child.wait_running()
        # Until it has noticed.
        time.sleep(1)
        before, t0 = cpu_seconds(contestant.pid()), time.monotonic()
        time.sleep(seconds)
        share = (cpu_seconds(contestant.pid()) - before) / (time.monotonic() - t0)
    return Result(values={"cpu": 100 * share})


def wake_up(contestant, seconds, results, clump):
    """Frames that come after 5 ms of silence, `clump` at once."""
    r = loads.paced(contestant, max(2, seconds), results, 200 * clump, clump=clump, warmup=0.1)
    return Result(lost=r.lost, values={"lost": r.lost, **r.values})
