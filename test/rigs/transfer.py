# SPDX-License-Identifier: BSD-3-Clause
"""Data that goes from one Linux guest to another, and is compared."""

from guest import SLOW


def make_file(guest, mib, name="file"):
    """Random data for the guest's web server; its checksum."""
    guest.sh(f"mkdir -p www; [ -e httpd ] || {{ httpd -p 80 -h www && touch httpd; }}; "
             f"dd if=/dev/urandom of=www/{name} bs=1M count={mib} 2>/dev/null")
    return checksum(guest, f"www/{name}")


def checksum(guest, path):
    return guest.sh(f"sha256sum <{path}").split()[0]


def transfer(source, to, mib, cpu=0, family=4):
    """A file of so many MiB, over TCP; it must arrive as it was sent. Queue pair i serves what
    runs on the guest's CPU i."""
    want = make_file(source, mib)
    address = source.address if family == 4 else f"[{source.address6}]"
    got = to.sh(f"taskset -c {cpu} wget -q -O - http://{address}/file | sha256sum",
                2 * SLOW).split()[0]
    assert got == want, f"{to.name}: the file from {source.name} differs"


def iperf3(source, to, mib, family=4):
    """A stream of so many MiB, of which iperf3 does not look at the data."""
    to.start("server", "iperf3 -s -1")
    to.until("netstat -ltn | grep -q :5201")
    address = to.address if family == 4 else to.address6
    source.sh(f"iperf3 -c {address} -n {mib}M", 2 * SLOW)
    to.result("server")
