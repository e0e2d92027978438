# SPDX-License-Identifier: BSD-3-Clause
"""Jobs of vf_test.py: for whom a VF receives."""

import subprocess

from fakeguest import frame, mac, wait_until
from vf_lib import (INSIDE, PF, SLOW, TX_RING, ask, guest, make_vfs, pf_folder, station, switch,
                    vf_keys, write)

GUEST, OTHER, FAR = mac(7), mac(8), mac(9)


def is_now(sw, **wanted):
    def is_so():
        port = sw.port("vf")
        return wanted == {key: port[key] for key in wanted}

    assert wait_until(is_so, SLOW), (wanted, sw.port("vf"))


def takes_a_guests_address():
    """A VF that may not be promiscuous and was given no address receives for a guest, by its
    filter, and says so when it cannot for another one."""
    write(f"{pf_folder()}/sriov_numvfs", "0")
    make_vfs(macs=False)
    with switch({"vm": {}, "vm2": {}, "vf": vf_keys(0)}, held=TX_RING) as sw:
        is_now(sw, vf_trusted="no", mac_filter="own address", mac_filter_set=0)
        station(sw, "vm", address_of=GUEST)
        ask("run ip neigh flush dev outside")
        # Broadcasts arrive in any case, and the first answer is for an address not yet told.
        ask(f"run ping -n -c 10 -i 0.5 {INSIDE}")
        is_now(sw, mac_filter="own address", mac_filter_set=1, mac=GUEST.hex(":").upper())
        ask(f"ping {INSIDE}")
        # Not a broadcast: QEMU's igb sends it back, and then its source is behind the VF.
        guest(sw, "vm2").send(frame(FAR, OTHER))
        is_now(sw, mac_filter_set=1, mac_filter_left_out=1)
        ask(f"ping {INSIDE}")
    write(f"{pf_folder()}/sriov_numvfs", "0")
    make_vfs()


def trust_is_shown():
    with switch({"vm": {"peer": "vf"}, "vf": vf_keys(0)}) as sw:
        is_now(sw, vf_trusted="no")
        for word, shown in ("on", "yes"), ("off", "no"):
            subprocess.run(["ip", "link", "set", PF, "vf", "0", "trust", word], check=True)
            is_now(sw, vf_trusted=shown)
