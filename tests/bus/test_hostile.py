#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Messages that no library would send: the service lives, and nothing is changed but by who may, in so many
words. Its build is to have AddressSanitizer, and what that finds ends it.

$VFIO_MODE_SEED repeats a run; $VFIO_MODE_HOSTILE is how many messages each method gets (200), from nobody and
once more from root.
"""

import os
import pathlib
import random
import re
import shutil
import xml.etree.ElementTree as ET
from typing import NamedTuple

import pytest
import wire
from rig import DEVICES, ERROR, MANAGER, NAME, NOBODY, PATH, PROGRAM, PROPERTIES, SOURCE, until

SEED = int(os.environ.get("VFIO_MODE_SEED") or random.randrange(1 << 32))
MESSAGES = int(os.environ.get("VFIO_MODE_HOSTILE") or 200)
INTERFACE_FILE = ET.parse(SOURCE / "conf/dbus/org.vfiomode1.xml").getroot()
LOG_PATH, LOG_CONTROL = "/org/freedesktop/LogControl1", "org.freedesktop.LogControl1"
LEVELS = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"]
MODES = ["host", "plain", "passthrough"]
WORDS = [*MODES, "", "none", "fallback", "..", "/", "a/b", "%s%n%s%n",
         "plain\n", "plain\t", "\x7f", "$(reboot)", "'; --", "PLAIN", "pl\u00e4in", "\U0001f4a9",
         "x" * 32, "x" * 33, "\u202e", "-", "_", "0", "@", "plain.service", "plain@x"]
NAMES = [MANAGER, NAME + ".Device", LOG_CONTROL, "org.freedesktop.DBus.Peer", "CurrentMode", "Driver",
         "LogLevel", "LogTarget", "loud", *LEVELS[-2:]]
OPTIONS = {"holders": "s", "confirm-within": "t", "tries": "u", "without-protection": "b", "": "s",
           "Holders": "s", "root": "b"}
BASIC = "ybnqiuxtdsog"
PATHS = [PATH, DEVICES, DEVICES + "/_30000_3a01_3a00_2e0", DEVICES + "/x", "/", PATH + "/job/1", LOG_PATH]


class Target(NamedTuple):
    """What is called, and what is of interest there."""

    interface: str
    member: str
    signature: str
    path: str = PATH
    words: tuple[str, ...] = ()


def targets() -> dict[str, Target]:
    found = {method.get("name"): Target(MANAGER, method.get("name"), "".join(
        arg.get("type") for arg in method.iter("arg") if arg.get("direction") == "in"))
        for method in INTERFACE_FILE.iter("method")}
    for kind, path in (("Properties", PATH), ("LogControl1", LOG_PATH)):
        for member, signature in (("Get", "ss"), ("GetAll", "s"), ("Set", "ssv")):
            found[f"{kind}.{member}"] = Target(PROPERTIES, member, signature, path, tuple(NAMES))
    found["ObjectManager"] = Target("org.freedesktop.DBus.ObjectManager", "GetManagedObjects", "", DEVICES)
    return found


TARGETS = targets()
RESULTS = ("stopped", "ended", "failed", "restarting")
VMS = ["win", "w\u00efn 11", "x" * 127, "x" * 128, "", "a\nb"]
ADDRESS = re.compile(r"[0-9a-fA-F]{4,8}:[0-9a-fA-F]{2}:[01][0-9a-fA-F]\.[0-7]")
CHANGERS = [*(name for name, target in TARGETS.items() if target.interface == MANAGER), "LogControl1.Set"]


class Generator:
    def __init__(self, seed, words=()):
        self.random, self.words = random.Random(seed), words

    def word(self):
        kind = self.random.random()
        if self.words and kind < 0.4:
            return self.random.choice(self.words)
        if kind < 0.7:
            return self.random.choice(WORDS)
        if kind < 0.9:
            return "".join(chr(self.random.randrange(1, 0xd800))
                           for _ in range(self.random.randrange(40)))
        return "x" * self.random.choice([254, 255, 256, 4096, 70000])

    def signature(self, depth=0):
        kind = self.random.random()
        if depth > 4 or kind < 0.5:
            return self.random.choice(BASIC)
        if kind < 0.6:
            return "v"
        if kind < 0.75:
            return "a" + self.signature(depth + 1)
        if kind < 0.9:
            return "a{" + self.random.choice("sou") + self.signature(depth + 1) + "}"
        return "(" + "".join(self.signature(depth + 1)
                             for _ in range(self.random.randrange(1, 4))) + ")"

    def value(self, signature, depth=0):
        kind = signature[0]
        if kind in wire.FIXED:
            size = {"y": 8, "b": 1, "n": 15, "q": 16, "i": 31, "u": 32, "x": 63, "t": 64}
            if kind == "d":
                return self.random.choice([0.0, -1.5, float("nan"), float("inf")])
            bits = size[kind]
            return self.random.choice([0, 1, (1 << bits) - 1, self.random.getrandbits(bits)])
        if kind == "s":
            return self.word()
        if kind == "o":
            return self.random.choice(PATHS)
        if kind == "g":
            return "".join(self.signature() for _ in range(self.random.randrange(3)))[:200]
        if kind == "v":
            inner = self.signature(depth + 2)
            return wire.Variant(inner, self.value(inner, depth + 2))
        if kind == "a" and signature[1] == "{":
            kind, value = wire.split(signature[2:-1])
            keys = [self.key(kind) for _ in range(self.count(depth))]
            return {key: self.option(key) if value == "v" and key in OPTIONS and self.random.random() < 0.5
                    else self.value(value, depth + 1) for key in keys}
        if kind == "a":
            return [self.value(signature[1:], depth + 1) for _ in range(self.count(depth))]
        return tuple(self.value(part, depth + 1) for part in wire.split(signature[1:-1]))

    def key(self, kind):
        if kind == "s" and self.random.random() < 0.7:
            return self.random.choice(list(OPTIONS))
        return self.value(kind)

    def option(self, name):
        """Of its type."""
        if name == "holders":
            return wire.Variant("s", self.random.choice(["refuse", "stop", "kill", "Kill", "", "x" * 99]))
        return wire.Variant(OPTIONS[name], self.value(OPTIONS[name]))

    def count(self, depth):
        return self.random.choice([0, 1, 1, 2, 3, 17, 60] if depth == 0 else [0, 1, 2])

    def body(self, signature):
        """Mostly what the method takes, with odd values; else something else."""
        if self.random.random() < 0.7:
            parts = wire.split(signature)
        else:
            parts = [self.signature() for _ in range(self.random.randrange(4))]
        return "".join(parts), tuple(self.value(part) for part in parts)


def throw(generator, connection, bus, target):
    """One message; the connection to go on with, since the bus hangs up on some."""
    kind, body = generator.body(target.signature)
    path = target.path if generator.random.random() < 0.8 else generator.random.choice(PATHS)
    message = wire.Message(wire.CALL, generator.random.choice([0, wire.NO_REPLY, wire.INTERACTIVE]),
                           kind, body, destination=NAME, path=path, interface=target.interface,
                           member=target.member)
    connection.serial += 1
    data = bytearray(message.encode(connection.serial))
    if generator.random.random() < 0.1:  # what no library would send: bent on the wire
        for _ in range(generator.random.randrange(1, 4)):
            data[generator.random.randrange(len(data))] = generator.random.randrange(256)
        try:
            connection.send_bytes(data)
            while connection.receive(0.05):
                pass
        except (ConnectionError, OSError, UnicodeDecodeError):
            pass
        connection.close()
        return bus()
    try:
        connection.send_bytes(data)
        if not message.flags & wire.NO_REPLY:
            connection.wait(connection.serial)
    except wire.Failed:
        pass
    except (ConnectionError, OSError):
        connection.close()
        return bus()
    return connection


def state(rig):
    """All that may not change."""
    level = rig.get("LogLevel", LOG_PATH, LOG_CONTROL)
    return level, {path: data for path, data in rig.state().items() if "/inspect/" not in path}


def test_the_service_watches_its_memory():
    """Else it could read or write where it must not and live."""
    assert b"__asan_init" in pathlib.Path(shutil.which(PROGRAM)).read_bytes()


@pytest.mark.parametrize("name", TARGETS)
def test_hostile_messages(rig, name):
    print(f"VFIO_MODE_SEED={SEED}")
    rig.nobody()
    target, connection = TARGETS[name], rig.bus.connect(NOBODY)
    generator, before, pid = Generator(f"{SEED}:{name}", target.words), state(rig), rig.pid()
    for _ in range(MESSAGES):
        connection = throw(generator, connection, lambda: rig.bus.connect(NOBODY), target)
    connection.close()
    assert state(rig) == before
    assert rig.pid() == pid, "it was started anew"
    assert rig.get("CurrentMode") == "host"
    assert all(unit.startswith("vfio-mode-inspect@") for _, unit in rig.systemd.calls)


def is_right(member, option, value):
    """Whether it is an option of the method, with a value that it may have."""
    if value.signature != OPTIONS[option]:
        return False
    if member == "SwitchMode":
        return (value.value in ("refuse", "stop", "kill") if option == "holders"
                else option == "confirm-within" and 0 < value.value <= 24 * 3600 * 10**6)
    return option == "without-protection" or (option == "tries" and 1 <= value.value <= 3)


def is_vm(name):
    return 0 < len(name.encode()) < 128 and not any(ord(char) < 32 or ord(char) == 127 for char in name)


def is_said_right(target, kind, body):
    if kind != target.signature:
        return False
    if target.member == "Set":
        interface, name, (signature, value) = body
        return (interface, name, signature) == (LOG_CONTROL, "LogLevel", "s") and value in LEVELS
    if not body:
        return True
    if target.member == "BeginVM":
        vm, addresses = body
        return is_vm(vm) and len(addresses) <= 64 and all(ADDRESS.fullmatch(one) for one in addresses)
    if target.member == "EndVM":
        vm, result = body
        return is_vm(vm) and result in RESULTS
    mode, *options = body
    return mode in MODES and all(option in OPTIONS and is_right(target.member, option, value)
                                 for words in options for option, value in words.items())


def nearly_right(generator, target, body):
    """Often only one word is wrong, if any."""
    if not body or generator.random.random() < 0.3:
        return body
    if target.member == "Set":
        level = wire.Variant("s", generator.random.choice([*LEVELS, "loud", "", "INFO", "info\n"]))
        return LOG_CONTROL, generator.random.choice(["LogLevel", "LogLevel", "LogTarget"]), level
    if target.member == "BeginVM":
        addresses = ["0000:05:00.0", "10000:e0:1f.7", "05:00.0", "0000:05:00.8", "0000:05:20.0", "0000:05:00.0 "]
        return generator.random.choice(VMS), generator.random.choices(
            addresses, weights=[9, 9, 1, 1, 1, 1], k=generator.random.choice([0, 1, 2, 64, 65]))
    if target.member == "EndVM":
        return generator.random.choice(VMS), generator.random.choice([*RESULTS, "begun", "", "Stopped"])
    return generator.random.choice(MODES), *body[1:]


@pytest.mark.parametrize("name", CHANGERS)
def test_hostile_messages_of_root(rig, name):
    """Whoever may do everything, but says it wrong: that changes nothing."""
    print(f"VFIO_MODE_SEED={SEED}")
    target, pid = TARGETS[name], rig.pid()
    generator, before, n_right = Generator(f"{SEED}:root:{name}", target.words), state(rig), 0
    for _ in range(MESSAGES):
        kind, body = generator.body(target.signature)
        if kind == target.signature:
            body = nearly_right(generator, target, body)
        arguments = (NAME, target.path, target.interface, target.member, kind, *body)
        if not is_said_right(target, kind, body):
            with pytest.raises(wire.Failed) as refused:
                rig.client().call(*arguments)
            assert not refused.value.name.endswith(("NoReply", "Disconnected")), refused.value
            continue
        if not body and generator.random.random() < 0.9:
            continue  # nothing new
        n_right += 1
        assert state(rig) == before, "what was refused has changed something"
        try:
            rig.client().call(*arguments)
        except wire.Failed as failed:
            assert failed.name in (ERROR + "OtherDefault", ERROR + "NotForVm"), (arguments, failed)
        until(lambda: rig.get("State") == "idle" and not (rig.root / "run/vfio-moded/trial.next").exists())
        before = state(rig)
    assert state(rig) == before
    assert rig.pid() == pid
    assert 0 < n_right < MESSAGES


def test_strings_that_are_none(rig):
    """Invalid UTF-8 and bad lengths do not even get to the service."""
    for word in (b"\xff\xfe", b"\xc3\x28", b"pl\0ain", b"\xed\xa0\x80"):
        client = rig.bus.connect()
        with pytest.raises((ConnectionError, wire.Failed)):
            rig.call("SwitchMode", "sa{sv}", word, {}, client=client)
        client.close()
    assert not rig.systemd.calls


def test_a_large_message(rig):
    with pytest.raises(wire.Failed):
        rig.call("SwitchMode", "sa{sv}", "plain",
                 {"holders": wire.Variant("s", "x" * (2 << 20))})
    with pytest.raises(wire.Failed):
        rig.call("SwitchMode", "sa{sv}", "plain",
                 {f"option-{i}": wire.Variant("u", i) for i in range(10000)})
    assert rig.get("State") == "idle"


def test_an_option_twice(rig):
    class Twice(dict):
        def items(self):
            return [("tries", wire.Variant("u", 1))] * 2

    with pytest.raises(wire.Failed) as refused:
        rig.call("SetNextBoot", "sa{sv}", "plain", Twice())
    assert refused.value.name == "org.freedesktop.DBus.Error.InvalidArgs"


def test_signals_of_others_are_nobodys_orders(rig):
    """What looks like systemd's or the bus' word, but is not from them."""
    nobody, listener = rig.nobody(), rig.listen()
    rig.systemd.held.add("vfio-mode@plain.service")
    rig.switch_mode("plain")
    for path, interface, member, signature, body in (
            ("/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "JobRemoved", "uoss",
             (1, "/org/freedesktop/systemd1/job/1", "vfio-mode@plain.service", "done")),
            ("/org/freedesktop/DBus", "org.freedesktop.DBus", "NameOwnerChanged", "sss",
             (NAME, "", nobody.name))):
        for destination in (None, rig.client().bus("GetNameOwner", "s", NAME)[0]):
            nobody.send(wire.Message(wire.SIGNAL, wire.NO_REPLY, signature, body, path=path,
                                     interface=interface, member=member, destination=destination))
    assert listener.next_signal("JobFinished", 0.5) is None
    assert rig.get("State") == "switching"


def test_properties_cannot_be_written(rig):
    for name in ("CurrentMode", "DefaultMode", "State"):
        with pytest.raises(wire.Failed):
            rig.client().call(NAME, PATH, PROPERTIES, "Set", "ssv", MANAGER, name,
                              wire.Variant("s", "plain"))
    assert rig.get("CurrentMode") == "host"
