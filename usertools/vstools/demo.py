# SPDX-License-Identifier: BSD-3-Clause
"""demo.py BINARY CONFIG: run the switch and two guests, show rates, sum up.

The guests are the two ports of one dpdk-testpmd: each sends on to the other
what it receives, so a few frames go round and round, as fast as they can.
"""

import os
import signal
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from vstools.process import wait_for  # noqa: E402
from vstools.switch import Switch  # noqa: E402
from vstools.testpmd import Testpmd  # noqa: E402

MACS = ("52:54:00:00:00:01", "52:54:00:00:00:02")
SIZES = (64, 1518)
SECONDS = 5  # for each size
RING = 1024
BURSTS = 8  # of 32 frames, per guest: all of them fit into one ring


class Sample:
    """The switch's counters at one moment."""

    def __init__(self, switch):
        self.time = time.monotonic()
        self.ports = {row["name"]: row for row in switch.ask("ports").values()
                      if isinstance(row, dict)}
        workers = [row for row in switch.ask("workers").values() if isinstance(row, dict)]
        self.busy = sum(w["busy_cycles"] for w in workers)
        self.idle = sum(w["idle_cycles"] for w in workers)
        self.polled = sum(w["frames"] for w in workers)

    def sum(self, counter):
        return sum(row[counter] for row in self.ports.values())


class Difference:
    """Between two samples."""

    def __init__(self, old, new):
        self.old, self.new = old, new
        self.seconds = new.time - old.time
        self.forwarded = new.sum("tx_frames") - old.sum("tx_frames")
        self.dropped = new.sum("drops") - old.sum("drops")
        self.mpps = self.forwarded / self.seconds / 1e6
        self.gbps = (new.sum("tx_bytes") - old.sum("tx_bytes")) * 8 / self.seconds / 1e9
        frames = new.polled - old.polled
        self.cycles = (new.busy - old.busy) / frames if frames else 0
        cycles = new.busy - old.busy + new.idle - old.idle
        self.idle_percent = 100 * (new.idle - old.idle) / cycles if cycles else 100

    def port_mpps(self, name, counter):
        return (self.new.ports[name][counter] - self.old.ports[name][counter]) / self.seconds / 1e6


def guests_total(guests, counter):
    return sum(guests.stats(i)[counter] for i in range(guests.n_ports))


def settle(guests):
    """Until all that the guests sent has arrived, or nothing moves any more."""
    last = [None] * 5

    def still():
        last.append((guests_total(guests, "opackets"), guests_total(guests, "ipackets")))
        return last[-1][0] == last[-1][1] and last[-5:] == [last[-1]] * 5

    try:
        wait_for(still, 3, "the traffic to end")
    except TimeoutError:
        pass  # then some are lost, and the summary says how many


def show_rates(switch, guests, size):
    """One size for some seconds; the difference over all of them, without the first moment."""
    guests.send("io", BURSTS, size)
    time.sleep(0.5)
    first = old = Sample(switch)
    for _ in range(SECONDS):
        time.sleep(1)
        for process in (switch, guests):
            process.check_running()
        new = Sample(switch)
        now = Difference(old, new)
        rates = "".join(f"{now.port_mpps(name, counter):9.3f}" for name in new.ports
                        for counter in ("rx_frames", "tx_frames"))
        print(f"  {size:>5}{rates}{now.gbps:11.2f}{now.cycles:9.0f}{now.dropped:7}", flush=True)
        old = new
    guests.only_count()
    settle(guests)
    return Difference(first, old)


def end_in_order(switch):
    """It removes its sockets; if it is stuck it is killed."""
    try:
        switch.stop()
    except TimeoutError:
        switch.kill()


def demo(binary, config, folder):
    switch = guests = None
    try:
        print(f"starting the switch on {config}")
        switch = Switch(binary, config, folder)
        switch.wait_ready()
        for line in switch.output().splitlines():
            print(f"  | {line}")
        names = list(Sample(switch).ports)
        sockets = [switch.ask(f"port,{name}")["socket"] for name in names]

        print(f"starting two guests: dpdk-testpmd, virtio-user on {' and '.join(sockets)}")
        guests = Testpmd(folder, sockets, macs=MACS, ring=RING)
        guests.wait_ready()

        print("\nMillions of frames per second, as the switch sees them: rx from a guest, tx to it\n")
        print("  bytes" + "".join(f"{n + ' ' + d:>9}" for n in names for d in ("rx", "tx")) +
              "     Gbit/s cycles/f   lost")
        results = [(size, show_rates(switch, guests, size)) for size in SIZES]

        total = Sample(switch)
        sent, received = (guests_total(guests, c) for c in ("opackets", "ipackets"))
        print(f"\nsummary\n  frames forwarded   {total.sum('tx_frames'):,}"
              f"\n  frames lost        {sent - received:,}"
              f" (sent by the guests: {sent:,}, received: {received:,},"
              f" dropped by the switch: {total.sum('drops'):,})")
        for size, r in results:
            print(f"  {size:>4} bytes         {r.mpps:.2f} Mpps and {r.gbps:.1f} Gbit/s both ways"
                  f" together, {r.cycles:.0f} cycles per frame, worker idle {r.idle_percent:.0f} %")
        guests.quit()
        return 0 if switch.stop() == 0 and received > 0 else 1
    finally:
        if guests:
            guests.kill()
        if switch:
            end_in_order(switch)


def main():
    def end(number, frame):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGHUP, end)
    with tempfile.TemporaryDirectory(prefix="vs-demo-") as folder:
        try:
            return demo(sys.argv[1], sys.argv[2], folder)
        except KeyboardInterrupt:
            print("\nended early; everything is cleaned up")
            return 130
        except (RuntimeError, TimeoutError, OSError) as error:
            print(f"\ndemo: {error}", file=sys.stderr)
            return 1


if __name__ == "__main__":
    sys.exit(main())
