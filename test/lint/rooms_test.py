# SPDX-License-Identifier: BSD-3-Clause
"""Rooms include what their line in lib/meson.build allows, and nothing else."""

import os
import re

from tree import architecture_rooms, files, read, rooms

# What a room shows beside <room>.h.
ALSO_PUBLIC = {"base": {"tail.h", "tel.h", "unit.h", "slow_eventfd_unit.h", "slow_file_unit.h"},
               "offload": {"offload_frame_unit.h"}}
# Walls that the include path cannot build, as ARCHITECTURE.md names them.
SOCKETS = {"sys/socket.h", "sys/un.h", "event2/event.h"}
DRIVERS = {"rte_ethdev.h", "rte_bus_pci.h", "rte_bus_vdev.h"}
RINGS = {"linux/virtio_ring.h", "linux/virtio_net.h", "rte_mbuf.h"}
NEVER_IN = {
    "gmem": SOCKETS | DRIVERS,
    "virtq": SOCKETS | DRIVERS,
    "vhost_user": RINGS | DRIVERS,
    "fdb": SOCKETS | DRIVERS,
    "l2": SOCKETS | DRIVERS,
    "worker": SOCKETS | DRIVERS,
}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def is_test(path):
    return path.endswith(("_test.c", "unit.h"))


def lib_includes():
    """(path, room, '<' or '"', included) for every include below lib/."""
    for path in files(".c", ".h", under="lib"):
        room = path.split(os.sep)[1]
        for kind, included in INCLUDE.findall(read(path)):
            yield path, room, kind, included


def room_of_headers():
    owners = {}
    for path in files(".h", under="lib"):
        _, room, name = path.split(os.sep)
        assert name not in owners, f"{name} is in {owners[name]} and in {room}"
        owners[name] = room
    return owners


def test_every_folder_below_lib_is_a_room_and_every_room_a_folder():
    assert {p.split(os.sep)[1] for p in files(under="lib")} - {"meson.build"} == set(rooms())


def test_every_room_has_a_public_header_of_its_name():
    headers = set(files(".h", under="lib"))
    assert [r for r in rooms() if f"lib/{r}/{r}.h" not in headers] == []


def test_rooms_stand_in_dependency_order():
    seen = set()
    for room, may_include in rooms().items():
        assert set(may_include) <= seen, f"{room} includes a room that comes after it"
        seen.add(room)


def test_architecture_shows_the_same_rooms_in_the_same_order():
    assert list(architecture_rooms().items()) == list(rooms().items())


def extra_for_tests(room):
    """Rooms that only this room's tests may include, from its meson.build."""
    line = re.search(r"^room_test_incs = (.*)$", read(f"lib/{room}/meson.build"), re.M)
    return re.findall(r"room_incs\['(\w+)'\]", line[1]) if line else []


def test_includes_of_other_rooms_are_allowed_ones():
    allowed, owners = rooms(), room_of_headers()
    wrong = []
    for path, room, kind, included in lib_includes():
        if kind != '"':
            continue
        owner = owners.get(included)
        may = [room, *allowed[room], *(extra_for_tests(room) if is_test(path) else [])]
        if owner is None:
            wrong.append(f'{path}: "{included}" is no room\'s header')
        elif owner not in may:
            wrong.append(f"{path}: {room} may not include {owner}")
    assert wrong == []


def test_other_rooms_see_only_the_public_header():
    owners = room_of_headers()
    wrong = [f"{path}: {included} is private to {owners[included]}"
             for path, room, kind, included in lib_includes()
             if kind == '"' and owners.get(included, room) != room
             and included != f"{owners[included]}.h"
             and included not in ALSO_PUBLIC.get(owners[included], ())]
    assert wrong == []


def test_app_includes_only_public_headers_and_its_own():
    public = {f"{r}.h" for r in rooms()}.union(*ALSO_PUBLIC.values())
    own = {os.path.basename(p) for p in files(".h", under="app")}
    wrong = [f"{path}: {included}" for path in files(".c", ".h", under="app")
             for kind, included in INCLUDE.findall(read(path))
             if kind == '"' and included not in public | own]
    assert wrong == []


def test_rooms_do_not_look_over_their_walls():
    wrong = [f"{path}: {included}" for path, room, kind, included in lib_includes()
             if not is_test(path) and
             (included in NEVER_IN.get(room, ()) or included == "rte_vhost.h")]
    assert wrong == []
