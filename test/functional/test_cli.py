# SPDX-License-Identifier: BSD-3-Clause
"""The program: arguments, exit codes, messages, signals. Nothing on stdout but what was asked
for."""

import glob
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import time

import pytest

from fakeguest import frame, lib, mac, wait_until
from vstools.process import die_with_parent
from vswitch import BINARY, Switch

GOOD = """[switch]
workers = 1
memory = 64
hugepages = no
socket-dir = {dir}

[port vm1]
type = vhost-user
socket = vm1.sock
"""


def run(*args, timeout=30):
    p = subprocess.run([BINARY, *args], capture_output=True, text=True, errors="replace",
                       timeout=timeout)
    return p.returncode, p.stdout, p.stderr


@pytest.fixture
def check():
    """Messages show at most 100 characters of a path, so it is a short one."""
    with tempfile.TemporaryDirectory(prefix="vs-") as d:
        def check_text(text):
            path = os.path.join(d, "vs.conf")
            with open(path, "w") as f:
                f.write(text.format(dir=d))
            return run("--config", path, "--check")
        yield check_text


@pytest.fixture
def own_files(tmp_path_factory):
    """An environment in which EAL meets no other process that has the same file prefix."""
    return dict(os.environ, RUNTIME_DIRECTORY=str(tmp_path_factory.mktemp("run")))


def test_help_goes_to_stdout():
    code, out, err = run("--help")
    assert code == 0 and err == ""
    for word in ("--config", "--check", "usage"):
        assert word.lower() in out.lower()


def test_version_goes_to_stdout():
    code, out, err = run("--version")
    assert code == 0 and err == "" and re.search(r"\d+\.\d+", out)


@pytest.mark.parametrize("args", [
    [], ["--check"], ["--config"], ["--nonsense"], ["--config", "x", "surplus"]])
def test_bad_arguments_are_told_on_stderr(args):
    code, out, err = run(*args)
    assert code != 0 and out == "" and err != ""


@pytest.mark.parametrize("more", [
    "", "offload-csum = no\n", "offload-csum = no\noffload-tso = no\n",
    "[port vm2]\ntype = vhost-user\nsocket = x/vm1.sock\n",
    "[port up]\ntype = ethdev\ndevice = net_tap0\n", "[port up]\ntype = ethdev\ndevice = ff:1f.7\n"])
def test_a_good_config_passes_the_check(check, more):
    code, out, err = check(GOOD + more)
    assert code == 0 and err == ""
    assert out.count("\n") == 1 and "ok" in out and "vs.conf" in out


def test_a_config_that_is_not_there(tmp_path):
    code, out, err = run("--config", str(tmp_path / "none"), "--check")
    assert code != 0 and out == "" and "none" in err


def test_one_socket_is_one_port_s_also_by_a_link_to_its_directory(check, tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "there").symlink_to(tmp_path / "here")
    code, out, err = check(GOOD.replace("vm1.sock", f"{tmp_path}/here/vm.sock") +
                           f"[port vm2]\ntype = vhost-user\nsocket = {tmp_path}/there/vm.sock\n")
    assert code != 0 and "[port vm2]: key 'socket'" in err and "vm1" in err


@pytest.mark.parametrize("bad, words", {
    "unknown_section": (GOOD + "[nonsense]\n", ["nonsense"]),
    "unknown_key": (GOOD + "colour = red\n", ["vm1", "colour"]),
    "unknown_switch_key": (GOOD.replace("workers", "wrkers"), ["wrkers"]),
    "unknown_type": (GOOD.replace("vhost-user", "carrier-pigeon"), ["vm1", "carrier-pigeon"]),
    "no_type": (GOOD.replace("type = vhost-user\n", ""), ["vm1", "type"]),
    "no_socket": (GOOD.replace("socket = vm1.sock\n", ""), ["vm1", "socket"]),
    "not_a_number": (GOOD + "queues = many\n", ["vm1", "queues"]),
    "too_many_queues": (GOOD + "queues = 129\n", ["vm1", "queues", "128"]),
    "no_queues": (GOOD + "queues = 0\n", ["vm1", "queues"]),
    "negative": (GOOD + "mac-limit = -1\n", ["vm1", "mac-limit"]),
    "key_twice": (GOOD + "queues = 1\nqueues = 1\n", ["vm1", "queues"]),
    "port_twice": (GOOD + "[port vm1]\ntype = vhost-user\nsocket = x\n", ["vm1"]),
    "socket_twice": (GOOD + "[port vm2]\ntype = vhost-user\nsocket = vm1.sock\n", ["vm2"]),
    "socket_twice_in_other_words": (
        GOOD + "[port vm2]\ntype = vhost-user\nsocket = {dir}/./vm1.sock\n",
        ["vm2", "socket", "vm1"]),
    "socket_twice_where_no_directory_is": (
        GOOD + "[port vm2]\ntype = vhost-user\nsocket = a//b.sock\n"
        "[port vm3]\ntype = vhost-user\nsocket = c/../a/b.sock\n", ["vm3", "socket", "vm2"]),
    "socket_is_a_directory": (GOOD.replace("vm1.sock", "vm1/"), ["vm1", "socket"]),
    "segmentation_without_checksums": (GOOD + "offload-tso = yes\noffload-csum = no\n",
                                       ["vm1", "offload-tso", "offload-csum"]),
    "no_equals_sign": (GOOD + "queues 2\n", ["queues"]),
    "long_value": (GOOD.replace("vm1.sock", "x" * 300), ["socket"]),
    "long_path": (GOOD.replace("vm1.sock", "x" * 150), ["socket"]),
    "long_path_with_its_directory": (GOOD.replace("vm1.sock", "x" * 100), ["vm1", "socket"]),
    "bad_mac": (GOOD + "static-mac = 02:00:00\n", ["vm1", "static-mac"]),
    "multicast_mac": (GOOD + "static-mac = 01:00:00:00:00:01\n", ["vm1", "static-mac"]),
    "mac_twice": (GOOD + "static-mac = 02:00:00:00:00:01\n[port vm2]\ntype = vhost-user\n"
                  "socket = y\nstatic-mac = 02:00:00:00:00:01\n", ["vm2", "static-mac", "vm1"]),
    "bad_cpus": (GOOD.replace("workers = 1", "workers = 3-1"), ["workers"]),
    "absent_cpu": (GOOD.replace("workers = 1", "workers = 1000"), ["workers"]),
    "long_name": (GOOD + "[port " + "n" * 40 + "]\ntype = vhost-user\nsocket = y\n", ["n" * 40]),
    "no_name": (GOOD + "[port ]\ntype = vhost-user\nsocket = y\n", ["port"]),
    "no_such_driver": (GOOD + "[port up]\ntype = ethdev\ndevice = net_foo0,iface=x\n",
                       [":12: [port up]", "device", "net_foo0", "nor the name of a driver"]),
    "interface_as_device": (GOOD + "[port up]\ntype = ethdev\ndevice = lo\n",
                            ["[port up]: key 'device'", "net_af_packet0,iface=lo"]),
    "too_little_memory": (GOOD.replace("memory = 64", "memory = 1"), ["memory"]),
}.items())
def test_a_bad_config_names_its_mistake(check, bad, words):
    text, expected = words
    code, out, err = check(text)
    assert code != 0, f"{bad} was accepted"
    assert out == ""
    for word in expected:
        assert word in err, err
    assert "vs.conf" in err, err


def test_every_device_without_a_driver_is_told_and_nothing_is_touched(check, host):
    tap = "[port up{0}]\ntype = ethdev\ndevice = net_{1}{0},iface=vstest0\n"
    code, out, err = check(GOOD + tap.format(0, "tap") + tap.format(1, "foo") +
                           tap.format(2, "bar"))
    assert code == 1 and out == "" and err.count("\n") == 2
    assert "[port up1]" in err and "[port up2]" in err
    assert host.interfaces() == set()


def test_drivers_that_eal_would_load_are_loaded_for_the_check(tmp_path):
    path = tmp_path / "vs.conf"
    path.write_text(GOOD.format(dir=tmp_path) + "[port up]\ntype = ethdev\ndevice = net_tap0\n")
    for args in (["-d", "/none.so"], ["-d/none.so"]):
        code, out, err = run("--config", str(path), "--check", "--", *args)
        assert code == 0 and "ok" in out and "cannot load driver /none.so" in err


def test_binary_rubbish_is_no_config(tmp_path):
    path = tmp_path / "vs.conf"
    path.write_bytes(os.urandom(4096))
    code, out, err = run("--config", str(path), "--check")
    assert code != 0 and out == "" and "vs.conf" in err
    code, out, err = run("--config", str(tmp_path), "--check")
    assert code != 0 and out == "" and err != ""


def test_a_bad_config_does_not_run(tmp_path):
    path = tmp_path / "vs.conf"
    path.write_text(GOOD.format(dir=tmp_path) + "colour = red\n")
    code, out, err = run("--config", str(path))
    assert code != 0 and out == "" and "colour" in err
    assert not glob.glob(f"{tmp_path}/*.sock")


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(switch, sig):
    sw = switch(["a", "b"])
    a, b = sw.guest("a"), sw.guest("b")
    a.greet(b, mac(1), mac(2))
    sw.proc.send_signal(sig)
    out, _ = sw.proc.communicate(timeout=10)
    assert (sw.proc.returncode, out) == (0, b""), sw.log
    assert glob.glob(f"{sw.dir}/*.sock") == []
    assert a.hung_up() and b.hung_up()
    sw.assert_no_report()


def test_a_signal_under_traffic_ends_it_cleanly(switch):
    sw = switch(["a", "b"])
    a, b = sw.guest("a"), sw.guest("b")
    s = sw.stream(a, b, mac(1), mac(2), size_max=1500, size_step=7, window=200)
    s.run(500)
    for _ in range(5):
        s.c.limit += 500
        lib.fg_stream_step(s.s)
    sw.proc.send_signal(signal.SIGTERM)
    sw.proc.communicate(timeout=10)
    assert sw.proc.returncode == 0, sw.log
    # What arrived is whole, in order, and came once.
    for _ in range(10):
        lib.fg_stream_step(s.s)
    k = s.c.check
    assert (k.corrupt, k.duplicate, k.reordered) == (0, 0, 0)


def holds_signals(pid):
    """It has begun to do what leaves traces, and not finished to start."""
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"SigBlk:\s+(\w+)", f.read())[1], 16) >> signal.SIGTERM - 1 & 1


def files(sw):
    """In the directory of its sockets, and of what EAL has there."""
    return {f.name for f in pathlib.Path(sw.dir).rglob("*") if not f.is_dir()}


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("ms", [0, 20, 50, 100, 200, 400])
def test_a_signal_during_start_ends_it_as_later_ones_do(switch, ms, sig):
    sw = switch(["a"], start=False)
    sw.launch()
    assert wait_until(lambda: holds_signals(sw.proc.pid) or "ready: " in sw.log, 30, 0.0005)
    time.sleep(ms / 1000)
    sw.proc.send_signal(sig)
    out, _ = sw.proc.communicate(timeout=30)
    assert (sw.proc.returncode, out) == (0, b""), sw.log
    assert files(sw) == {"switch.conf", "log"}
    sw.assert_no_report()


@pytest.mark.parametrize("ms", [0, 20, 50, 100, 200, 400])
def test_a_signal_at_any_time_leaves_no_traces(switch, ms):
    sw = switch(["a"], start=False)
    sw.launch()
    time.sleep(ms / 1000)
    sw.proc.send_signal(signal.SIGTERM)
    sw.proc.communicate(timeout=30)
    # The program itself had not begun, or it ended in order.
    assert sw.proc.returncode == 0 or sw.proc.returncode == -signal.SIGTERM and sw.log == ""
    assert files(sw) == {"switch.conf", "log"}
    sw.kill()


def test_logs_name_the_port_and_say_that_hugepages_are_missing(switch):
    sw = switch(["customer-7"])
    assert len(re.findall("hugepage", sw.log)) == 1, sw.log
    g = sw.guest("customer-7", boot=False)
    g.message(200)
    assert g.hung_up()
    assert wait_until(lambda: "port customer-7" in sw.log)


def test_log_lines_that_a_front_end_provokes_are_limited(switch):
    sw = switch(["a"])
    for _ in range(300):
        g = sw.guest("a", boot=False)
        g.message(200)
        assert g.hung_up()
        g.close()
    assert sw.log.count("\n") < 200


def test_a_closed_stderr_is_nobody_elses(tmp_path, own_files):
    path = tmp_path / "vs.conf"
    path.write_text(GOOD.format(dir=tmp_path))

    def in_child():
        die_with_parent()
        os.close(2)

    p = subprocess.Popen([BINARY, "--config", str(path), "--", "--file-prefix", "stderr"],
                         stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=own_files,
                         stdout=subprocess.DEVNULL, preexec_fn=in_child)
    try:
        assert wait_until((tmp_path / "vm1.sock").exists, 30)
        assert [os.readlink(f"/proc/{p.pid}/fd/{n}") for n in range(3)] == ["/dev/null"] * 3
        # Not the one that something else opened for reading.
        with open(f"/proc/{p.pid}/fdinfo/2") as f:
            assert int(re.search(r"flags:\s+(\d+)", f.read())[1], 8) & os.O_ACCMODE != os.O_RDONLY
    finally:
        p.kill()
        p.wait()


def test_a_signal_while_ports_start_leaves_no_socket_behind(tmp_path, own_files):
    path = tmp_path / "vs.conf"
    ports = "".join(f"[port p{i}]\ntype = vhost-user\nsocket = p{i}.sock\nloan-cap = 16\n"
                    for i in range(40))
    path.write_text(GOOD.format(dir=tmp_path).replace("memory = 64", "memory = 512") + ports)
    p = subprocess.Popen([BINARY, "--config", str(path), "--", "--file-prefix", "ports"],
                         stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=own_files,
                         stdout=subprocess.DEVNULL, preexec_fn=die_with_parent)
    try:
        # No pause between two looks: the switch is to be caught before it is ready.
        deadline = time.monotonic() + 30
        while not (tmp_path / "vm1.sock").exists() and time.monotonic() < deadline:
            pass
        p.send_signal(signal.SIGTERM)
        assert p.wait(30) == 0
        assert [f.name for f in tmp_path.iterdir()] == ["vs.conf"]
    finally:
        p.kill()
        p.wait()


def test_a_file_where_a_socket_should_be_is_kept_and_told(tmp_path):
    path = tmp_path / "vs.conf"
    path.write_text(GOOD.format(dir=tmp_path))
    (tmp_path / "vm1.sock").write_text("precious")
    code, out, err = run("--config", str(path))
    assert code == 1 and out == ""
    assert re.search("port vm1: .*vm1.sock.*no socket; remove it", err), err
    assert (tmp_path / "vm1.sock").read_text() == "precious"


def test_eal_options_stand_after_two_dashes(switch):
    sw = switch(["a"], eal=["--log-level", "lib.eal:debug"])
    assert "EAL" in sw.log


def test_a_bad_eal_option_is_told(tmp_path):
    path = tmp_path / "vs.conf"
    path.write_text(GOOD.format(dir=tmp_path))
    code, out, err = run("--config", str(path), "--", "--no-such-option")
    assert code != 0 and out == "" and err != ""
