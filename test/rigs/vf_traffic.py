# SPDX-License-Identifier: BSD-3-Clause
"""Jobs of vf_test.py: traffic between guests by two VFs, and between a guest and the outside."""

import subprocess

from vf_lib import (COPYBREAK, INSIDE, MACS, OUTSIDE, SLOW, TX_RING, all_back, ask, counts, guest,
                    mapped, station, switch, two_vfs, vf_keys)

TRIES = 3  # a machine that stands still for longer than a loan may last gets another chance
MIB = 1 << 20


def stream(sw, guests, i, size_min, size_max, step=97):
    """From guest i to the other; fewer frames at a time than a transmit ring has room for."""
    return sw.stream(guests[i], guests[1 - i], MACS[i], MACS[1 - i], size_min=size_min,
                     size_max=size_max, size_step=step, window=TX_RING // 4)


# Guest, switch, VF, wire, VF, switch, guest; and back.


def every_size():
    with two_vfs() as sw:
        guests = [guest(sw, "vm1"), guest(sw, "vm2")]
        for i in (0, 1):
            stream(sw, guests, i, 60, 1514, 31).run(1000, SLOW)
        for name in ("vf1", "vf2"):
            assert counts(sw, name, "tx_frames", "rx_frames", "drops") == (1000, 1000, 0)


def all_lent():
    """The igb's driver has to be forced: its cleanup breaks its queue."""
    for i in (0, 1):
        again(lambda: lent_one_way(i), (5000, 0, 0))


def again(job, wanted):
    results = []
    while not results or results[-1] != wanted:
        assert len(results) < TRIES, results
        results.append(job())
        print(results[-1])


def lent_one_way(i):
    with two_vfs(lend="force") as sw:
        guests = [guest(sw, "vm1"), guest(sw, "vm2")]
        mapped(sw, 2)
        stream(sw, guests, i, COPYBREAK + 1, 1514).run(5000, SLOW)
        all_back(sw, f"vm{i + 1}", f"vf{i + 1}")
        return counts(sw, f"vf{i + 1}", "tx_loaned", "tx_copied", "drops")


# A guest with a network stack, switch, VF, and the network outside of this machine.


WINDOW = "16K"  # of TCP: no more frames at a time than a VF's queue has room for


def wire(lend):
    return {"vm": {"peer": "vf"}, "vf": vf_keys(0, lend=lend)}


def lent_to_the_outside():
    """Pings and TCP both ways, all frames above the copybreak lent. The pings go on all the time:
    in a pause igb's driver would keep frames for too long."""
    again(ping_and_transfer, 0)


def ping_and_transfer():
    """How many frames above the copybreak were not lent."""
    with switch(wire("force"), held=TX_RING) as sw:
        st = station(sw, "vm")
        mapped(sw, 1, "vf")
        st.ns.run("ping", "-c", "1", "-W", "20", OUTSIDE)
        with st.ns:
            ping = subprocess.Popen(["ping", "-n", "-q", "-f", "-l", "3", "-s", "1000", OUTSIDE],
                                    stdout=subprocess.PIPE, text=True)
        for more in ([], ["-R"]):
            st.ns.run("iperf3", "-c", OUTSIDE, "-n", str(4 * MIB), "-w", WINDOW, *more)
        ping.send_signal(2)
        print(ping.communicate(timeout=SLOW)[0])
        all_back(sw, "vm", "vf")
        said = st.settled_counts()
        loaned, copied, drops, received = counts(
            sw, "vf", "tx_loaned", "tx_copied", "drops", "rx_frames")
        print(said, dict(loaned=loaned, copied=copied, drops=drops, received=received))
        # 4 MiB each way; the outside's segments reach the guest whole.
        assert said["sent_long"] > 4 * MIB // 1500 < received and said["bad"] == 0
        return said["sent_long"] - loaned + copied + drops


def copied_to_the_outside():
    """Without being forced: as many, none of them lent, and the VF is never restarted."""
    with switch(wire("auto"), held=TX_RING) as sw:
        st = station(sw, "vm")
        said = st.ns.run("ping", "-n", "-q", "-c", "50", "-i", "0.05", "-s", "1000", OUTSIDE)
        assert " 0% packet loss" in said, said
        st.ns.run("iperf3", "-c", OUTSIDE, "-n", str(4 * MIB), "-w", WINDOW)
        n_long = st.settled_counts()["sent_long"]
        assert counts(sw, "vf", "tx_loaned", "tx_copied", "restarts") == (0, n_long, 0)
        assert sw.port("vf")["lending"].startswith("copied: ")


def from_the_outside():
    """Pings and TCP that begin there. Few frames for such a driver: some are lent, some not."""
    with switch(wire("force"), held=TX_RING) as sw:
        st = station(sw, "vm")
        mapped(sw, 1, "vf")
        for size in (8, 56, 700, 1472):
            ask(f"run ping -n -c 20 -i 0.02 -W 10 -M do -s {size} {INSIDE}")
        with st.ns:
            server = subprocess.Popen(["iperf3", "-s", "-1"], stdout=subprocess.DEVNULL)
        ask(f"run iperf3 -c {INSIDE} -n {4 * MIB} -w {WINDOW}")
        assert server.wait(SLOW) == 0
        said = st.settled_counts()
        loaned, copied, drops = counts(sw, "vf", "tx_loaned", "tx_copied", "drops")
        print(said, dict(loaned=loaned, copied=copied, drops=drops))
        assert loaned + copied <= said["sent_long"] <= loaned + copied + drops
        assert said["received"] > 4 * MIB // 1500 and said["sent_long"] >= 40 and said["bad"] == 0
