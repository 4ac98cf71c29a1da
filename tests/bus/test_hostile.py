#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Messages that no library would send: the service lives, and nothing is changed.

$VFIO_MODE_SEED repeats a run; $VFIO_MODE_HOSTILE is how many messages each method gets (200).
"""

import os
import random
import xml.etree.ElementTree as ET

import pytest
import wire
from rig import DEVICES, MANAGER, NAME, PATH, PROPERTIES, SOURCE

SEED = int(os.environ.get("VFIO_MODE_SEED") or random.randrange(1 << 32))
MESSAGES = int(os.environ.get("VFIO_MODE_HOSTILE") or 200)
INTERFACE_FILE = ET.parse(SOURCE / "conf/dbus/org.vfiomode1.xml").getroot()
METHODS = {method.get("name"): "".join(arg.get("type") for arg in method.iter("arg")
                                       if arg.get("direction") == "in")
           for method in INTERFACE_FILE.iter("method")}
OTHERS = {("org.freedesktop.DBus.Properties", "Get"): "ss",
          ("org.freedesktop.DBus.Properties", "GetAll"): "s",
          ("org.freedesktop.DBus.Properties", "Set"): "ssv"}
WORDS = ["host", "plain", "passthrough", "", "none", "fallback", "..", "/", "a/b", "%s%n%s%n",
         "plain\n", "plain\t", "\x7f", "$(reboot)", "'; --", "PLAIN", "pl\u00e4in", "\U0001f4a9",
         "x" * 32, "x" * 33, "\u202e", "-", "_", "0", "@", "plain.service", "plain@x"]
OPTIONS = ["holders", "confirm-within", "tries", "without-protection", "", "Holders", "root"]
BASIC = "ybnqiuxtdsog"
PATHS = [PATH, DEVICES, DEVICES + "/_30000_3a01_3a00_2e0", DEVICES + "/x", "/", PATH + "/job/1"]


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def word(self):
        kind = self.random.random()
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
            key, value = wire.split(signature[2:-1])
            return {self.key(key): self.value(value, depth + 1) for _ in range(self.count(depth))}
        if kind == "a":
            return [self.value(signature[1:], depth + 1) for _ in range(self.count(depth))]
        return tuple(self.value(part, depth + 1) for part in wire.split(signature[1:-1]))

    def key(self, kind):
        if kind == "s" and self.random.random() < 0.7:
            return self.random.choice(OPTIONS)
        return self.value(kind)

    def count(self, depth):
        return self.random.choice([0, 1, 1, 2, 3, 17, 60] if depth == 0 else [0, 1, 2])

    def body(self, signature):
        """Mostly what the method takes, with odd values; else something else."""
        if self.random.random() < 0.7:
            parts = wire.split(signature)
        else:
            parts = [self.signature() for _ in range(self.random.randrange(4))]
        return "".join(parts), tuple(self.value(part) for part in parts)


def throw(generator, connection, bus, interface, member, signature):
    """One message; the connection to go on with, since the bus hangs up on some."""
    kind, body = generator.body(signature)
    path = PATH if generator.random.random() < 0.8 else generator.random.choice(PATHS)
    message = wire.Message(wire.CALL, generator.random.choice([0, wire.NO_REPLY, wire.INTERACTIVE]),
                           kind, body, destination=NAME, path=path, interface=interface,
                           member=member)
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


@pytest.mark.parametrize("member", [*METHODS, *(member for _, member in OTHERS)])
def test_hostile_messages(rig, member):
    seed = f"{SEED}:{member}"
    print(f"VFIO_MODE_SEED={SEED}")
    rig.nobody()
    connection = rig.bus.connect(65534)
    generator, before, pid = Generator(seed), rig.state(), rig.pid()
    interface, signature = next(((i, s) for (i, m), s in OTHERS.items() if m == member),
                                (MANAGER, METHODS.get(member)))
    for _ in range(MESSAGES):
        connection = throw(generator, connection, lambda: rig.bus.connect(65534), interface, member,
                           signature)
    connection.close()
    after = {path: data for path, data in rig.state().items() if "/inspect/" not in path}
    assert after == before
    assert rig.pid() == pid, "it was started anew"
    assert rig.get("CurrentMode") == "host"
    assert all(unit.startswith("vfio-mode-inspect@") for _, unit in rig.systemd.calls)


def test_hostile_messages_of_root(rig):
    """Whoever may do everything, but says it wrong: nothing is changed by what is refused."""
    generator, before, pid = Generator(f"{SEED}:root"), rig.state(), rig.pid()
    print(f"VFIO_MODE_SEED={SEED}")
    client = rig.connect()
    for i in range(MESSAGES):
        member = generator.random.choice([m for m, s in METHODS.items() if s])
        kind, body = generator.body(METHODS[member])
        if kind == METHODS[member] and body[0] in ("host", "plain", "passthrough"):
            continue  # that would be said right, or nearly
        with pytest.raises(wire.Failed):
            rig.call(member, kind, *body, client=client)
    assert rig.state() == before
    assert rig.pid() == pid
    assert not rig.systemd.calls


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
                 {"holders": wire.Variant("s", "x" * (8 << 20))})
    with pytest.raises(wire.Failed):
        rig.call("SwitchMode", "sa{sv}", "plain",
                 {f"option-{i}": wire.Variant("u", i) for i in range(100000)})
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
