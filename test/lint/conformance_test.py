# SPDX-License-Identifier: BSD-3-Clause
"""doc/conformance.md says of each feature and message what the code does, and names real tests."""

import re

from tree import files, read

DOC = "doc/conformance.md"
NAMES = read("lib/vhost_user/vu_names.c")


def table(heading):
    """{name: (number, what is said of it, [tests])} below a heading."""
    text = re.split(r"^## ", read(DOC), flags=re.M)
    section = next(part for part in text if part.startswith(heading + "\n"))
    rows = re.findall(r"^\| (\d+) \| (\w+) \| ([^|]+) \| ([^|]+) \|$", section, re.M)
    assert len(rows) == len({name for _, name, _, _ in rows})
    return {name: (int(number), here, re.findall(r"`(\w+)`", tests))
            for number, name, here, tests in rows}


def features():
    return {**table("Features of rings and of any device"),
            **table("Features of a network device")}


def bits(text):
    """{name: bit} of one of the tables of names in the code."""
    return {name: int(bit) if bit.isdigit() else 30
            for bit, name in re.findall(r'\[(\w+)\] = "(\w+)"', text)}


def code_features():
    start = NAMES.index("vhost_user_feature_name")
    return bits(NAMES[start:NAMES.index("vhost_user_protocol_feature_name")])


def code_protocol_features():
    return bits(NAMES[NAMES.index("vhost_user_protocol_feature_name"):])


def code_messages():
    """{name: (number, is it refused?)}"""
    wire, text = read("lib/vhost_user/vu_wire.h"), read("lib/vhost_user/vu_messages.h")
    numbers = {name: int(n) for name, n in re.findall(r"^\tVU_(\w+) = (\d+),", wire, re.M)}
    handled, refused = text.split("#define REFUSED")
    handled = handled[handled.index("#define MESSAGES"):]
    found = {name: (numbers[name], False) for name in re.findall(r"\bX\(([A-Z_]+), ", handled)}
    for name, number in re.findall(r"\bX\(([A-Z_]+), (\d+),", refused):
        assert name not in found
        found[name] = (int(number), True)
    return found


def offered():
    """Names of the features that a port may offer."""
    defines = re.findall(r"^#define (?:.*\\\n)*.*", read("lib/port_vhost/pv_features.c"), re.M)
    names = set(re.findall(r"RTE_BIT64\((\w+)\)", "\n".join(defines)))
    return {re.sub(r"^VIRTIO_RING_F_", "VIRTIO_F_",
                   re.sub(r"^F_", "VIRTIO_F_", re.sub(r"^F_NET_", "VIRTIO_NET_F_", name)))
            for name in names}


def said(here):
    word = re.match(r"yes|no: |front-end", here)
    return word[0].rstrip(": ") if word else None


def test_every_line_says_yes_or_no_and_why_or_front_end():
    rows = {**features(), **table("Protocol features of vhost-user"),
            **table("Messages of the front-end")}
    assert {name: here for name, (_, here, _) in rows.items() if said(here) is None} == {}


def test_every_feature_that_has_a_name_has_its_line_and_number():
    assert {name: row[0] for name, row in features().items()} == code_features()


def test_every_protocol_feature_has_its_line_and_number():
    rows = table("Protocol features of vhost-user")
    assert {name: row[0] for name, row in rows.items()} == code_protocol_features()


def test_every_message_has_its_line_and_number():
    rows, code = table("Messages of the front-end"), code_messages()
    assert {name: row[0] for name, row in rows.items()} == {n: v[0] for n, v in code.items()}
    # None is left out, or the code would call it unknown.
    assert sorted(number for number, _ in code.values()) == list(range(1, 45))


def test_what_is_said_of_messages_is_what_the_code_does():
    rows, code = table("Messages of the front-end"), code_messages()
    assert {n for n, row in rows.items() if said(row[1]) == "no"} == {
        n for n, (_, refused) in code.items() if refused}


def test_what_is_said_of_protocol_features_is_what_the_code_offers():
    mask = re.search(r"#define VU_PROTOCOL_FEATURES((?:.*\\\n)+.*)",
                     read("lib/vhost_user/vu_wire.h"))[1]
    rows = table("Protocol features of vhost-user")
    assert {n for n, row in rows.items() if said(row[1]) == "yes"} == {
        f"VHOST_USER_PROTOCOL_F_{n}" for n in re.findall(r"VU_PROTOCOL_F_(\w+)", mask)}


def test_what_is_said_of_features_is_what_the_code_offers():
    rows, may = features(), offered()
    assert {n for n, row in rows.items() if said(row[1]) == "yes"} - may == set()
    assert {n for n, row in rows.items() if said(row[1]) == "no"} & may == set()
    assert may - set(rows) == set()


def test_every_test_that_is_named_exists_and_every_line_names_one():
    exist = set()
    for path in files(".c", under="lib"):
        exist |= set(re.findall(r"^(\w+)\(void \*\*state\)$", read(path), re.M))
    for path in files(".py", under="test"):
        exist |= set(re.findall(r"^\s*def (test_\w+)\(", read(path), re.M))
    text = read(DOC)
    rows = [line for line in text.splitlines() if re.match(r"\| (\d+|server|client) \|", line)]
    assert [row for row in rows if "`" not in row.split("|")[-2]] == []
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[-2])}
    # Names of keys and of commands are shorter.
    named |= {name for name in re.findall(r"`(\w+)`", text) if name.count("_") > 2}
    assert named - exist == set()


def test_every_decision_that_is_named_exists():
    linked = set(re.findall(r"\]\(([^)]+)\)", read(DOC)))
    assert linked - {path[len("doc/"):] for path in files(".md", under="doc")} == set()
    assert re.findall(r"(?<!\[)decision \d+", read(DOC)) == []
