#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""vfio-modectl watch: what the real service tells, as it happens, whatever becomes of that service; and
what others tell in its place.
"""

import json
import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import time

import pexpect
import pytest
import wire
from rig import MANAGER, NAME, PATH, PROPERTIES, Fake, Rig, until
import schema  # found by rig, as the next one is
from captured import EVIL, PROGRAM, boot_record, sanitizers
from test_remote import SSH, needs_bridge

STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ")
ASIDE = ("state-changed", "drift-changed")  # come beside what most tests are about
PLAIN = "vfio-mode@plain.service"


class Watcher:
    """The program, and what it says line by line; no line is waited for without end."""

    def __init__(self, address, *options, out=subprocess.PIPE, **environment):
        self.seen = b""
        self.process = subprocess.Popen(
            [PROGRAM, *options, "watch"], stdin=subprocess.DEVNULL, stdout=out,
            stderr=subprocess.PIPE, preexec_fn=self.usual_signals,
            env={"PATH": os.environ["PATH"], "TZ": "UTC", "DBUS_SYSTEM_BUS_ADDRESS": address,
                 **sanitizers(), **environment})

    @staticmethod
    def usual_signals():
        """A shell's background job, which a whole test run may be, ignores SIGINT."""
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    def line(self, timeout=30.0):
        deadline = time.monotonic() + timeout
        while b"\n" not in self.seen:
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self.process.stdout], [], [], left)[0], "nothing was said"
            data = os.read(self.process.stdout.fileno(), 4096)
            assert data, f"it has ended: {self.process.stderr.read()}"
            self.seen += data
        text, self.seen = self.seen.split(b"\n", 1)
        return text.decode()

    def words(self):
        """A line without its time."""
        text = self.line()
        assert STAMP.match(text), text
        return STAMP.sub("", text, count=1)

    def event(self, passing=ASIDE):
        """The next object, without what each has."""
        while True:
            event = json.loads(self.line())
            schema.check_answer("watch", event)
            assert event.pop("schema") == 1
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", event.pop("time"))
            if event["event"] not in passing:
                return event

    def end(self, number=signal.SIGTERM):
        """It says nothing more."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, (self.seen + (out or b"")).decode(), err.decode()

    def wait(self):
        return self.process.wait(30), self.process.stderr.read().decode()


@pytest.fixture
def watching(bare: Rig):
    """Watches on the bus of the rig, once there is a service."""
    watchers = []

    def watch(*options, **keywords):
        watchers.append(Watcher(bare.bus.address, *options, **keywords))
        return watchers[-1]

    yield watch
    for watcher in watchers:
        watcher.process.kill()
        watcher.process.communicate()


@pytest.fixture
def watcher(rig, watching):
    its = watching("-j")
    assert its.event()["event"] == "mode"
    return its


def changed(old, new, reason="its unit was started"):
    return {"event": "mode-changed", "old_mode": old, "new_mode": new, "reason": reason}


def fell(old, new, reason):
    return {"event": "fell-back", "from": old, "to": new, "reason": reason}


# --- what is told ---

def test_the_beginning(rig, watching):
    assert watching().words() == "Mode host is on: default-mode names it"
    assert watching("-j").event() == {
        "event": "mode", "mode": "host", "reason": "default-mode names it", "state": "idle",
        "next_boot": {"mode": "host", "kind": "config", "arguments": "", "tries_left": 0,
                      "protection": "none"},
        "drift": []}
    rig.machine.state("passthrough", "host", name="undo")
    until(lambda: rig.get("CurrentMode") == "none")
    assert watching().words().startswith("No mode is in force: a switch from host to passthrough was cut ")


def test_quiet_begins_with_what_happens(other, watching):
    service = other()
    quiet = watching("--quiet")
    until(lambda: service.asked)
    service.orders.put(lambda: service.tell("ModeChanged", "sss", "host", "plain", ""))
    assert quiet.words() == "Mode plain is on, after host"


def test_a_switch_over_the_bus(rig, watching):
    watcher = watching()
    watcher.words()
    rig.systemd.held.add(PLAIN)
    rig.switch_mode("plain")
    rig.get("State")
    assert watcher.words() == "A switch has begun"
    rig.systemd.finish(PLAIN)
    assert watcher.words() == "The switch has ended; the mode is plain"
    assert watcher.words().startswith("Drift: 0000:01:00.")
    assert watcher.words() == "Mode plain is on, after host: its unit was started"
    assert watcher.words() == "A switch that was asked for is done: Mode plain is on."
    assert watcher.end() == (0, "", "")


def test_a_switch_that_is_refused(rig, watching, watcher):
    words = watching()
    words.words()
    rig.systemd.runs["vfio-mode@"] = lambda unit: rig.switch(unit, "busy", "Xorg has it.")
    job = rig.switch_mode("plain")
    assert watcher.event() == {"event": "job-finished", "job": job, "result": "busy",
                               "message": "Xorg has it."}
    while "switch has" in (said := words.words()):
        pass
    assert said == "A switch that was asked for was not made: Xorg has it. (busy)"


def test_a_switch_that_a_unit_made(rig, watcher):
    rig.machine.state("passthrough", "host")
    assert watcher.event() == changed("host", "passthrough")


def test_a_fallback(rig, watching):
    rig.machine.state("passthrough", "host")
    until(lambda: rig.get("CurrentMode") == "passthrough")
    watcher, words = watching("-j"), watching()
    assert watcher.event()["mode"] == "passthrough"
    words.words()
    rig.machine.state("host", "passthrough", "fallback", "the fallback mode was asked for")
    told = ("passthrough", "host", "the fallback mode was asked for")
    assert [watcher.event(), watcher.event()] == [changed(*told), fell(*told)]
    assert words.words() == "No drift any more"
    assert words.words() == "Mode host is on, after passthrough: the fallback mode was asked for"
    assert words.words() == "Fell back from passthrough to host: the fallback mode was asked for"


def test_no_mode(rig, watching):
    watcher = watching()
    watcher.words()
    rig.machine.state("passthrough", "host", name="undo")
    assert watcher.words().startswith("No mode is in force any more, after host: a switch from host to ")
    (rig.root / "run/vfio-mode/undo").unlink()
    assert watcher.words() == "Mode host is on: default-mode names it"


def test_the_next_boot_and_the_drift(rig, watching, watcher):
    words = watching()
    words.words()
    rig.call("SetNextBoot", "sa{sv}", "passthrough", {"tries": wire.Variant("u", 2)})
    next_boot = watcher.event(())
    assert next_boot.pop("next_boot") == {
        "mode": "passthrough", "kind": "once", "arguments": rig.get("NextBootCommandLine"),
        "tries_left": 2, "protection": "grub"}
    assert next_boot == {"event": "next-boot-changed"}
    assert words.words() == ("Next boot (once): passthrough (counted by GRUB; 2 boots left); "
                             f"kernel arguments: {rig.get('NextBootCommandLine')}")
    rig.overwrite_block(7, "passthrough", arguments="quiet")
    assert watcher.event(())["event"] == "next-boot-changed"
    event = watcher.event(())
    assert event == {"event": "drift-changed", "drift": rig.get("Drift")} and len(event["drift"]) == 1
    assert "; kernel arguments: quiet" in words.words()
    assert words.words() == f"Drift: {event['drift'][0]}"


def test_pretty_is_an_object_per_event(rig, watching):
    watcher = watching("--json=pretty")
    text = ""
    while not text.endswith("\n}\n"):
        text += watcher.line() + "\n"
    assert json.loads(text)["event"] == "mode"


def test_colour_on_a_terminal(rig):
    process = pexpect.spawn(PROGRAM, ["watch"], encoding="utf-8", timeout=30,
                            env={"PATH": os.environ["PATH"], "TERM": "xterm", **sanitizers(),
                                 "DBUS_SYSTEM_BUS_ADDRESS": rig.bus.address})
    process.expect_exact("\033[32mMode host is on: default-mode names it\033[0m\r\n")
    process.sendintr()
    process.expect(pexpect.EOF)
    process.close()
    assert process.exitstatus == 0


# --- the service comes and goes ---

def test_the_service_is_asked_once_and_ends_when_idle(bare, watching):
    """What happens then is told by the next one."""
    bare.activate(idle=300)
    watcher = watching("-j")
    assert watcher.event()["mode"] == "host"
    until(lambda: not bare.is_there(), what="the end of the service")
    bare.machine.state("passthrough", "host")
    assert not bare.is_there()
    assert bare.get("CurrentMode") == "passthrough"
    assert watcher.event() == changed("host", "passthrough")
    until(lambda: not bare.is_there(), what="the end of the service")
    assert watcher.end()[0::2] == (0, "")


@pytest.mark.parametrize("goes", [Rig.stop, Rig.kill])
def test_nothing_is_lost_or_told_twice_by_another_instance(rig, watcher, goes):
    rig.machine.state("passthrough", "host")
    assert watcher.event() == changed("host", "passthrough")
    goes(rig)
    rig.start()
    goes(rig)
    rig.machine.state("plain", "passthrough")
    rig.machine.write("boot/grub/vfio-mode/vfio-mode.env", rig.block(6, "plain"))
    rig.start()
    assert watcher.event()["event"] == "next-boot-changed"
    assert watcher.event() == changed("passthrough", "plain")
    rig.machine.state("host", "plain")
    assert watcher.event() == changed("plain", "host")


def test_the_same_told_twice_is_said_once(rig, watcher):
    """As by a service that was killed before it could note that it had told."""
    told = ("passthrough", "host", "the fallback mode was asked for")
    announced = rig.root / "run/vfio-moded/announced"
    rig.machine.state("passthrough", "host")
    assert watcher.event() == changed("host", "passthrough")
    rig.machine.state("host", "passthrough", "fallback", told[2])
    assert [watcher.event(), watcher.event()] == [changed(*told), fell(*told)]
    listener = rig.listen()
    until(lambda: announced.read_text() == "host\n")
    rig.kill()
    announced.write_text("passthrough\n")
    announced.with_name("announced-fall").unlink()
    rig.start()
    assert listener.next_signal("FellBack"), "it was not told twice"
    rig.machine.state("passthrough", "host")
    assert watcher.event() == changed("host", "passthrough")
    rig.machine.state("host", "passthrough", "fallback", told[2])
    assert [watcher.event(), watcher.event()] == [changed(*told), fell(*told)]


def test_a_fall_is_told_once(rig, watcher):
    """Half-way there is no mode, and to be back in the one before is no other fall."""
    told = ("passthrough", "host", "the fallback mode was asked for")
    rig.machine.state("passthrough", "host")
    assert watcher.event() == changed("host", "passthrough")
    rig.machine.state("host", "passthrough", "fallback", told[2])
    assert [watcher.event(), watcher.event()] == [changed(*told), fell(*told)]
    rig.machine.state("passthrough", "host", name="undo")
    assert watcher.event()["new_mode"] == "none"
    (rig.root / "run/vfio-mode/undo").unlink()
    assert watcher.event() == changed("none", "host", told[2])
    rig.machine.state("passthrough", "host")
    assert watcher.event() == changed("host", "passthrough")


def test_a_switch_that_outlives_its_service(rig, watcher):
    rig.systemd.held.add(PLAIN)
    job = rig.switch_mode("plain")
    rig.kill()
    rig.start()
    until(lambda: (PLAIN, "Job") in rig.systemd.asked)
    rig.systemd.finish(PLAIN)
    assert watcher.event() == changed("host", "plain")
    assert watcher.event() == {"event": "job-finished", "job": job, "result": "done",
                               "message": "Mode plain is on."}


def test_the_boot_that_fell_back_is_told_by_the_service_that_is_asked(bare, watching):
    """It is told once, and to whoever had the service started for it."""
    bare.activate(idle=10000)
    bare.machine.write("var/lib/vfio-mode/boot", boot_record(marker="damaged.0.0", wanted="passthrough",
                                                             reason="GRUB named it"))
    watcher = watching("-j")
    assert watcher.event()["event"] == "mode"
    assert watcher.event() == fell("passthrough", "host", "GRUB named it")


# --- others in the place of the service ---

class Other(Fake):
    """Answers the question with texts of its own."""

    def __init__(self, bus, told=(), **properties):
        self.told, self.asked = told, 0
        self.properties = {"CurrentMode": "host", "ModeReason": "", "State": "idle", **properties}
        super().__init__(bus, NAME)

    def GetAll(self, call):
        self.asked += 1
        for told in self.told:
            self.tell(*told)
        self.reply(call, "a{sv}", {name: wire.Variant("s", value)
                                   for name, value in self.properties.items()})

    def tell(self, member, signature, *body):
        self.signal(PATH, MANAGER, member, signature, *body)

    def change(self, name, value):
        self.signal(PATH, PROPERTIES, "PropertiesChanged", "sa{sv}as", MANAGER, {name: value}, [])


@pytest.fixture
def other(bare):
    others = []

    def start(*told, **properties):
        others.append(Other(bare.bus, told, **properties))
        return others[-1]

    yield start
    for its in others:
        its.close()


def test_what_is_told_while_it_asks(other, watching):
    """The mode is in the answer, and what that does not say comes behind it."""
    service = other(("ModeChanged", "sss", "passthrough", "host", "x"),
                    ("FellBack", "sss", "passthrough", "host", "x"),
                    ("JobFinished", "oss", "/org/vfiomode1/job/1", "busy", "y"))
    watcher = watching("-j")
    assert watcher.event()["mode"] == "host"
    assert watcher.event() == fell("passthrough", "host", "x")
    assert watcher.event() == {"event": "job-finished", "job": "/org/vfiomode1/job/1", "result": "busy",
                               "message": "y"}
    service.orders.put(lambda: service.tell("ModeChanged", "sss", "host", "plain", ""))
    assert watcher.event() == changed("host", "plain", "")


def test_texts_do_not_command_a_terminal(other, watching):
    service = other(CurrentMode=EVIL, ModeReason=EVIL, State=EVIL)
    words, objects = watching(), watching("-j")
    said = [words.line(), objects.line()]
    for told in (("ModeChanged", "sss", EVIL, EVIL, EVIL), ("FellBack", "sss", EVIL, EVIL, EVIL),
                 ("JobFinished", "oss", "/x", EVIL, EVIL)):
        service.orders.put(lambda told=told: service.tell(*told))
        said += [words.line(), objects.line()]
    for name, value in (("State", wire.Variant("s", EVIL + "x")), ("Drift", wire.Variant("as", [EVIL, EVIL])),
                        ("NextBootMode", wire.Variant("s", EVIL)), ("NextBootKind", wire.Variant("s", EVIL))):
        service.orders.put(lambda name=name, value=value: service.change(name, value))
        said += [words.line(), objects.line()]
    assert len(said) == 16
    for line in said:
        assert not re.search("[\0-\x1f\x7f-\x9f\u202e]", line), line
        assert "owned" in line, line
    assert all(json.loads(line)["schema"] == 1 for line in said[1::2])


def test_what_is_no_event_is_passed_over(other, watching):
    """Of a later version, or of a wrong form."""
    service = other()
    watcher = watching("-j")
    watcher.event()
    for told in (("ModeChanged", "ss", "host", "plain"), ("OfALaterVersion", "s", "x")):
        service.orders.put(lambda told=told: service.tell(*told))
    for name, value in (("LastBoot", wire.Variant("a{sv}", {"mode": wire.Variant("s", "x")})),
                        ("OfALaterVersion", wire.Variant("s", "x")), ("State", wire.Variant("s", "idle"))):
        service.orders.put(lambda name=name, value=value: service.change(name, value))
    service.orders.put(lambda: service.tell("ModeChanged", "sss", "host", "plain", "x"))
    assert watcher.event(()) == changed("host", "plain", "x")


def names_of(rig, process):
    """The names of a process on the bus."""
    client = rig.client()
    return [name for name in client.bus("ListNames")[0] if name.startswith(":") and
            client.bus("GetConnectionUnixProcessID", "s", name)[0] == process.pid]


def test_nobody_else_is_believed(rig, watcher):
    """Who may send it a signal is not therefore the service."""
    client = rig.client()
    name, = names_of(rig, watcher.process)
    for interface, member, signature, body in (
            (MANAGER, "ModeChanged", "sss", ("host", "forged", "x")),
            (MANAGER, "FellBack", "sss", ("host", "forged", "x")),
            (PROPERTIES, "PropertiesChanged", "sa{sv}as",
             (MANAGER, {"State": wire.Variant("s", "forged")}, [])),
            ("org.freedesktop.DBus", "NameOwnerChanged", "sss", (NAME, "", client.name)),
            (MANAGER, "ModeChanged", "sss", ("host", "forged", "x"))):
        path = "/org/freedesktop/DBus" if member == "NameOwnerChanged" else PATH
        client.send(wire.Message(wire.SIGNAL, wire.NO_REPLY, signature, body, path=path,
                                 interface=interface, member=member, destination=name))
    client.bus("GetId")  # the bus has passed them on
    rig.machine.state("passthrough", "host")
    assert watcher.event(("drift-changed",)) == changed("host", "passthrough")


# --- its end ---

@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(rig, watcher, number):
    assert watcher.end(number) == (0, "", "")


def test_interrupted_before_the_answer(bare, watching):
    """A service that never answers is not waited for."""
    service, asked = Fake(bare.bus, NAME), []
    service.GetAll = asked.append
    watcher = watching()
    until(lambda: asked)
    assert watcher.end() == (0, "", "")
    service.close()


@pytest.mark.parametrize("stopped", [False, True])
def test_nobody_reads_it_any_more(rig, watcher, stopped):
    """That ends it when it happens; also where there is something to say at the same time."""
    if stopped:
        watcher.process.send_signal(signal.SIGSTOP)
        listener = rig.listen()
        rig.machine.state("passthrough", "host")
        assert listener.next_signal("ModeChanged")
    watcher.process.stdout.close()
    if stopped:
        watcher.process.send_signal(signal.SIGCONT)
    assert watcher.wait() == (0, "")


def test_full_disk(rig, watching):
    with open("/dev/full", "wb") as full:
        watcher = watching(out=full)
    assert watcher.wait() == (1, "vfio-modectl: Cannot write the answer.\n")


def test_into_a_file(rig, watching, tmp_path):
    """Which cannot be polled."""
    with open(tmp_path / "log", "wb") as log:
        watcher = watching(out=log)
    until(lambda: (tmp_path / "log").read_text().endswith("default-mode names it\n"))
    assert watcher.end() == (0, "", "")


def test_the_bus_goes_away(rig, watcher):
    rig.kill()
    rig.bus.process.kill()
    assert watcher.wait() == (1, "vfio-modectl: Cannot reach the service of vfio-mode: "
                                 "the connection to the bus is gone\n")


def test_no_service(bare, watching):
    status, said = watching().wait()
    assert status == 1 and said.startswith("vfio-modectl: Cannot reach the service of vfio-mode: ")


def test_a_service_that_goes_without_an_answer(bare, watching):
    def leave(call):
        service.connection.socket.shutdown(socket.SHUT_RDWR)

    service = Fake(bare.bus, NAME)
    service.GetAll = leave
    status, said = watching().wait()
    assert status == 1 and said.startswith("vfio-modectl: Cannot reach the service of vfio-mode: ")
    service.close()


def test_a_service_that_does_not_answer_as_it_should(bare, watching):
    for signature, body in (("s", "x"), ("a{sv}", {"State": wire.Variant("s", "idle")})):
        service = Fake(bare.bus, NAME)
        service.GetAll = lambda call, s=signature, b=body: service.reply(call, s, b)
        watcher = watching("-j")
        if signature == "s":
            assert watcher.wait() == (1, f"vfio-modectl: the answer of {NAME} cannot be understood\n")
        else:
            assert watcher.event()["mode"] == ""
        service.close()


# --- another machine ---

@pytest.fixture
def there(rig, tmp_path):
    """The environment in which the rig is another machine, and here is no bus."""
    needs_bridge()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/ssh").write_text(SSH)
    (tmp_path / "bin/ssh").chmod(0o755)
    return {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "BUS": rig.bus.address,
            "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent"}


def test_another_machine(rig, watching, there):
    watcher = watching("-H", "me@pc", "-j", **there)
    assert watcher.event()["mode"] == "host"
    rig.machine.state("passthrough", "host")
    assert watcher.event() == changed("host", "passthrough")
    pid = watcher.process.pid
    bridge, = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    os.kill(int(bridge), signal.SIGKILL)
    assert watcher.wait() == (1, "vfio-modectl: Cannot reach the service of vfio-mode on me@pc: "
                                 "the connection to the bus is gone\n")


def test_a_key_ends_the_way_to_another_machine_too(there):
    """Which is no failure then."""
    process = pexpect.spawn(PROGRAM, ["-H", "me@pc", "watch"], encoding="utf-8", timeout=30,
                            env={"TERM": "dumb", **sanitizers(), **there})
    process.expect_exact("Mode host is on: default-mode names it\r\n")
    process.sendintr()
    process.expect(pexpect.EOF)
    assert process.before.strip() in ("", "^C")
    process.close()
    assert process.exitstatus == 0
