#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""vfio-modectl and its service: a private bus, and a service that answers what a test says.

The program under test is $VFIO_MODECTL.
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import dbus
import dbusmock
import pytest
from captured import EVIL, PROGRAM, Machine, fields, rows, run, sanitizers

NAME, PATH, INTERFACE = "org.vfiomode1", "/org/vfiomode1", "org.vfiomode1.Manager"
ERROR = "org.vfiomode1.Error."
JOB = "/org/vfiomode1/job/1"
FINISH = (f"self.EmitSignal('{INTERFACE}', 'JobFinished', 'oss', "
          f"[dbus.ObjectPath('{JOB}'), %r, %r])")
START = f"ret = dbus.ObjectPath('{JOB}')"
LATER = "from gi.repository import GLib\nGLib.timeout_add(%d, lambda self=self, dbus=dbus: (%s) and False)\n" + START
NO_BUS = {"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent"}

ONCE = {"mode": "passthrough", "kind": "once", "reason": "one boot into 'passthrough' is armed",
        "arguments": "nosmt=force panic=10", "tries_left": 1, "protection": "grub"}


class Service(dbusmock.DBusTestCase):
    """org.vfiomode1 on a system bus of our own; what it describes is a machine made of words. One
    process serves many tests, until one of them ends it."""

    def __init__(self):
        super().__init__()
        self.machine = self.description = self.process = self.mock = None

    def start(self):
        if not self.process or self.process.poll() is not None:
            self.process = self.spawn_server(NAME, PATH, INTERFACE, system_bus=True,
                                             stdout=subprocess.DEVNULL)
            self.mock = dbus.Interface(self.get_dbus(system_bus=True).get_object(NAME, PATH),
                                       dbusmock.MOCK_IFACE)
        self.describe()

    def take(self, machine):
        """Forgets all that another test said."""
        self.machine, self.description = machine, machine.json("status")
        if self.process and self.process.poll() is None:
            self.mock.Reset()
            self.mock.ClearCalls()
        self.start()

    def describe(self, **changes):
        """Says from now on what the machine is like."""
        self.description |= changes
        self.method("Describe", "", "s", f"ret = {json.dumps(self.description)!r}")

    def method(self, name, takes, gives, code):
        self.mock.AddMethod(INTERFACE, name, takes, gives, code)

    def then(self, name, takes, gives="", code="", **changes):
        """A method after which the machine is another one."""
        after = json.dumps(self.description | changes)
        self.method(name, takes, gives, "self.AddMethod('%s', 'Describe', '', 's', %r)\n%s" % (
            INTERFACE, f"ret = {after!r}", code))

    def fail(self, name, takes, gives, error, text="Said so."):
        self.method(name, takes, gives,
                    f"raise dbus.exceptions.DBusException({text!r}, name={error!r})")

    def calls(self, name):
        """The arguments of each call."""
        return [[plain(argument) for argument in arguments]
                for _, called, arguments in self.mock.GetCalls() if called == name]

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


def plain(value):
    if isinstance(value, dict):
        return {str(key): plain(member) for key, member in value.items()}
    if isinstance(value, dbus.Boolean):
        return bool(value)
    return int(value) if isinstance(value, int) else str(value)


def ended(steps, result="none"):
    """What a switch that has just ended leaves in a description."""
    return {"mode": "passthrough", "result": result, "text": "Said so.", "steps_taken": steps,
            "time_usec": 1767225600000000}


@pytest.fixture(scope="module")
def bus():
    if not shutil.which("dbus-daemon"):
        pytest.skip("no dbus-daemon")
    dbusmock.DBusTestCase.setUpClass()
    dbusmock.DBusTestCase.start_system_bus()
    yield {"DBUS_SYSTEM_BUS_ADDRESS": os.environ["DBUS_SYSTEM_BUS_ADDRESS"]}
    dbusmock.DBusTestCase.tearDownClass()


@pytest.fixture(scope="module")
def server(bus):
    its = Service()
    yield its
    its.stop()


@pytest.fixture
def service(server, tmp_path):
    (tmp_path / "root").mkdir()
    server.take(Machine(tmp_path / "root").in_host_mode())
    return server


@pytest.fixture
def ask(bus):
    return lambda *arguments, **how: run(*arguments, **how, **bus)


def answer_in(process, code=0):
    assert process.returncode == code, process
    return json.loads(process.stdout)


# --- reading ---

def test_status_is_what_the_service_describes(service, ask):
    assert ask("status").stdout == service.machine.text("status")
    assert answer_in(ask("status", "-j")) == service.description
    assert len(service.calls("Describe")) == 2


def test_status_of_the_next_boot(service, ask):
    shown = fields(service.machine.text("status"))
    assert shown["Next boot"] == ["passthrough: default-mode of the configuration"]
    service.describe(next_boot=ONCE)
    assert fields(ask("status").stdout)["Next boot"] == [
        "passthrough: one boot into 'passthrough' is armed (counted by GRUB; 1 boot left)",
        "kernel arguments: nosmt=force panic=10"]
    service.describe(default_mode="host")
    assert "from now on: host, not passthrough" in fields(ask("status").stdout)["Next boot"]


def test_status_of_boots(service, ask):
    service.describe(
        last_boot={"time": None, "wanted": "passthrough", "mode": "host", "source": "command-line",
                   "kind": "expired", "reason": "the trial was not confirmed", "refusal": "none",
                   "confirmed": False},
        previous_boot={"time": None, "wanted": "passthrough", "mode": "passthrough",
                       "source": "command-line", "kind": "trial", "reason": "GRUB named it",
                       "refusal": "none", "confirmed": False},
        timed_switch={"mode": "passthrough", "back": "host", "until": "2026-01-01T00:05:00Z"})
    shown = fields(ask("status").stdout)
    assert shown["Last boot"] == ["host instead of passthrough, expired: the trial was not confirmed"]
    assert shown["Boot before"] == ["passthrough, trial: GRUB named it"]
    assert shown["Trial"] == ["goes back to host at 2026-01-01 00:05:00 UTC unless you say: "
                              "vfio-modectl confirm"]


def test_status_without_a_bus():
    answer = run("status", **NO_BUS)
    assert answer.returncode == 0 and "Mode:" in answer.stdout
    assert "does not answer" in answer.stderr and answer.stderr.count("\n") == 1


def test_status_without_the_service(server, ask):
    server.stop()
    answer = ask("status", "-j")
    assert json.loads(answer.stdout)["schema"] == 1
    assert "does not answer" in answer.stderr


@pytest.mark.parametrize("arguments", [["--version"], ["help"], ["status", "--mode"], ["list-modes"],
                                       ["list"], ["check"]])
def test_what_needs_no_bus(service, ask, arguments):
    ask(*arguments)
    service.machine.run(*arguments)
    assert service.mock.GetCalls() == []


@pytest.mark.parametrize("description", ["", "{", "[]", "null", "x", '{"mode": 1, "drift": {}}',
                                         json.dumps({"mode": EVIL, "drift": [EVIL, 5, None]}),
                                         json.dumps({EVIL: {EVIL: [EVIL]}, "devices": [EVIL, {}]})])
def test_a_description_that_is_none(service, ask, description):
    service.method("Describe", "", "s", f"ret = {description!r}")
    for arguments in (["status"], ["status", "-j"], ["switch", "host", "--dry-run"], ["confirm"]):
        answer = ask(*arguments, is_sane=False)
        assert answer.returncode in (0, 1)
        assert not re.search("[\0-\x09\x0b-\x1f\x7f\x80-\x9f\u202e]", answer.stdout + answer.stderr)


# --- errors ---

ERRORS = [(f"{ERROR}Busy", "busy", 4), (f"{ERROR}GroupNotViable", "group-not-viable", 5),
          (f"{ERROR}DrivesTheConsole", "drives-the-console", 6),
          (f"{ERROR}WouldCutNetwork", "would-cut-network", 6),
          (f"{ERROR}UnknownMode", "unknown-mode", 3), (f"{ERROR}ShuttingDown", "shutting-down", 4),
          (f"{ERROR}Unprotected", "unprotected", 5), (f"{ERROR}NotSupported", "not-supported", 5),
          (f"{ERROR}OtherDefault", "other-default", 4), (f"{ERROR}OtherBoot", "other-boot", 5),
          (f"{ERROR}TimedOut", "timed-out", 12), (f"{ERROR}OfALaterVersion", "failed", 1),
          ("org.freedesktop.DBus.Error.AccessDenied", "not-authorised", 8),
          ("org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", "not-authorised", 8)]
CHANGES = [("SwitchMode", "o", ["switch", "passthrough"]), ("SetNextBoot", "", ["next", "passthrough"]),
           ("SetDefault", "", ["set-default", "passthrough"])]


@pytest.mark.parametrize("error, name, code", ERRORS)
def test_an_error_is_a_refusal(service, ask, error, name, code):
    for method, gives, arguments in CHANGES:
        service.fail(method, "sa{sv}", gives, error)
        answer = ask(*arguments)
        assert (answer.returncode, answer.stdout) == (code, "")
        assert answer.stderr == f"vfio-modectl: Said so. ({name})\n"
    answer = answer_in(ask("next", "passthrough", "-j"), code)
    assert answer["changed"] is False
    assert answer["refusal"] == {"name": name, "exit_code": code, "text": "Said so."}


def test_invalid_arguments_are_a_usage_error(service, ask):
    service.fail("SetNextBoot", "sa{sv}", "", "org.freedesktop.DBus.Error.InvalidArgs", EVIL)
    answer = ask("next", "host")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "\033" not in answer.stderr


@pytest.mark.parametrize("arguments", [["next", "host"], ["confirm"], ["set-default", "host"],
                                       ["check", "host"], ["switch", "host"], ["watch"]])
def test_without_a_bus(arguments):
    answer = run(*arguments, **NO_BUS)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "Cannot reach the service of vfio-mode" in answer.stderr
    assert ("`systemctl start vfio-mode@host`" in answer.stderr) == (arguments[0] == "switch")


# --- switch ---

def test_switch(service, ask):
    after = {"mode": "passthrough", "last_switch": ended(4)}
    for code in (FINISH % ("done", "Said so.") + "\n" + START,
                 LATER % (300, FINISH % ("done", "Said so."))):
        service.then("SwitchMode", "sa{sv}", "o", code, **after)
        service.describe()
        answer = ask("switch", "passthrough")
        assert (answer.returncode, answer.stdout, answer.stderr) == (0, "Said so.\n", "")
        service.describe()
        assert answer_in(ask("switch", "passthrough", "-j")) == {
            "schema": 1, "mode": "passthrough", "dry_run": False, "changed": True,
            "steps_taken": 4, "text": "Said so.", "fell_back_to": None, "timed_switch": None, "refusal": None}
    assert service.calls("SwitchMode") == [["passthrough", {}]] * 4


def test_switch_with_nothing_to_do(service, ask):
    service.method("SwitchMode", "sa{sv}", "o", FINISH % ("done", "Said so.") + "\n" + START)
    assert ask("switch", "host").stdout == "Already in mode host; nothing had to be done.\n"
    answer = answer_in(ask("switch", "host", "-j"))
    assert (answer["changed"], answer["steps_taken"]) == (False, 0)
    assert ask("switch", "host", "--quiet").stdout == ""


@pytest.mark.parametrize("kind, code", [("busy", 4), ("group-not-viable", 5), ("failed", 1),
                                        ("config-invalid", 3), ("of-a-later-version", 1)])
def test_switch_that_ends_with_a_refusal(service, ask, kind, code):
    service.method("SwitchMode", "sa{sv}", "o", FINISH % (kind, "Said so.") + "\n" + START)
    answer = ask("switch", "passthrough")
    assert (answer.returncode, answer.stdout) == (code, "")
    assert answer.stderr == f"vfio-modectl: Said so. ({kind if code != 1 else 'failed'})\n"
    assert answer_in(ask("switch", "passthrough", "-j"), code)["refusal"]["exit_code"] == code


def test_what_another_switch_has_said_is_not_ours(service, ask):
    """One that came after it, and that the description is of."""
    code = FINISH % ("busy", "Said of ours.") + "\n" + START
    service.then("SwitchMode", "sa{sv}", "o", code, last_switch=ended(4, "failed"))
    answer = ask("switch", "passthrough")
    assert (answer.returncode, answer.stderr) == (4, "vfio-modectl: Said of ours. (busy)\n")


def test_another_job_is_not_ours(service, ask):
    other = (FINISH % ("busy", "Not yours.")).replace(JOB, JOB + "0")
    service.method("SwitchMode", "sa{sv}", "o",
                   other + "\n" + LATER % (300, FINISH % ("done", "Yours.")))
    assert ask("switch", "host").returncode == 0


@pytest.mark.parametrize("written, usec", [("", 300), ("=30s", 30), ("=5min", 300), ("=1h", 3600),
                                           ("=1h 30min", 5400), ("=90", 90), ("=1d", 86400)])
def test_switch_to_be_confirmed(service, ask, written, usec):
    trial = {"mode": "passthrough", "back": "host", "until": "2026-01-01T00:05:00Z"}
    service.then("SwitchMode", "sa{sv}", "o", FINISH % ("done", "Said so.") + "\n" + START,
                 mode="passthrough", last_switch=ended(4), timed_switch=trial)
    answer = ask("switch", "passthrough", f"--confirm{written}", "--holders=stop")
    assert "goes back to mode host unless you say: vfio-modectl confirm" in answer.stdout
    assert service.calls("SwitchMode") == [
        ["passthrough", {"confirm-within": usec * 1000000, "holders": "stop"}]]


def starting(service, bus, *arguments):
    """Runs a switch until the service has been called."""
    # A shell's background job, which a whole test run may be, ignores SIGINT.
    process = subprocess.Popen([PROGRAM, *arguments], stdout=subprocess.PIPE, text=True,
                               stderr=subprocess.PIPE, env={**sanitizers(), **bus},
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    until_it_waits(process)
    assert service.calls("SwitchMode")
    return process


def until_it_waits(process):
    """While it does it blocks the signals that ask it to end; to start a program, all of them."""
    status = pathlib.Path(f"/proc/{process.pid}/status")
    signals = sum(1 << number - 1 for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM))
    deadline = time.monotonic() + 60
    while int(re.search(r"SigBlk:\s*(\w+)", status.read_text())[1], 16) != signals:
        assert time.monotonic() < deadline, "it does not wait"
        time.sleep(0.01)


class Line:
    """Between a program and the bus, to be cut."""

    def __init__(self, path, bus):
        self.address, self._path = f"unix:path={path}", path
        self._bus = re.search("path=([^,]*)", bus)[1]
        self._server = socket.create_server(str(path), family=socket.AF_UNIX)
        self._ends = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                ends = [self._server.accept()[0], socket.socket(socket.AF_UNIX)]
                ends[1].connect(self._bus)
                self._ends += ends
                for source, target in (ends, ends[::-1]):
                    threading.Thread(target=self._copy, args=(source, target), daemon=True).start()

    @staticmethod
    def _copy(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def cut(self):
        self._path.unlink()
        for end in (self._server, *self._ends):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def test_switch_whose_service_goes_away(service, bus):
    service.method("SwitchMode", "sa{sv}", "o", START)
    process = starting(service, bus, "switch", "passthrough")
    service.stop()
    service.description |= {"mode": "passthrough", "last_switch": ended(4)}
    service.start()
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, "Said so.\n")
    assert "went away" in err


def test_switch_whose_next_service_finds_it_half_way(service, bus):
    """That is not its end, though there was one of another switch meanwhile."""
    service.method("SwitchMode", "sa{sv}", "o", START)
    process = starting(service, bus, "switch", "passthrough")
    service.stop()
    service.description |= {"half_way": True, "last_switch": ended(4, "failed")}
    service.start()
    deadline = time.monotonic() + 60
    while not service.calls("Describe"):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    service.describe(mode="passthrough", half_way=False, last_switch=ended(4))
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "Said so.\n"), err


def test_switch_whose_end_the_next_service_tells(service, bus):
    service.method("SwitchMode", "sa{sv}", "o", START)
    process = starting(service, bus, "switch", "passthrough")
    service.stop()
    service.start()  # in the same mode, with nothing switched
    finished = [dbus.ObjectPath(JOB), "busy", "The next one said so."]
    while process.poll() is None:
        service.mock.EmitSignal(INTERFACE, "JobFinished", "oss", finished)
        time.sleep(0.1)
    out, err = process.communicate()
    assert (process.returncode, out) == (4, "")
    assert "went away" in err and "The next one said so. (busy)" in err


def test_switch_whose_service_dies_in_the_call(service, ask):
    # Nobody comes after it, and nothing happened.
    service.method("SwitchMode", "sa{sv}", "o", "import os\nos._exit(1)")
    answer = ask("switch", "passthrough")
    assert answer.returncode == 1
    assert "cannot be told how the switch ended" in answer.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_switch_that_is_interrupted(service, bus, number):
    service.method("SwitchMode", "sa{sv}", "o", START)
    process = starting(service, bus, "switch", "passthrough")
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == -number
    assert err == "vfio-modectl: The switch goes on; see: vfio-modectl status\n"


def test_switch_that_is_interrupted_without_a_bus(service, bus, tmp_path):
    service.method("SwitchMode", "sa{sv}", "o", START)
    line = Line(tmp_path / "bus", bus["DBUS_SYSTEM_BUS_ADDRESS"])
    process = starting(service, {"DBUS_SYSTEM_BUS_ADDRESS": line.address}, "switch", "passthrough")
    line.cut()
    assert "went away" in process.stderr.readline()
    until_it_waits(process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (
        -signal.SIGINT, "vfio-modectl: The switch goes on; see: vfio-modectl status\n")


# --- switch --dry-run, check MODE ---

PLAN = ("ret = [{'step': 'unbind', 'object': '0000:01:00.0', 'note': '0000:01:00.0: unbind'}, "
        "{'step': 'note', 'object': '', 'note': 'Mind the gap.', 'of-a-later-version': dbus.UInt32(5)}]")


def test_dry_run(service, ask):
    service.method("PlanSwitch", "s", "aa{sv}", PLAN)
    assert ask("switch", "passthrough", "--dry-run").stdout == (
        "To mode passthrough:\n  0000:01:00.0: unbind\n  note: Mind the gap.\n")
    answer = answer_in(ask("switch", "passthrough", "--dry-run", "-j"))
    assert answer["steps"] == [{"step": "unbind", "object": "0000:01:00.0",
                                "text": "0000:01:00.0: unbind"}]
    assert (answer["notes"], answer["changed"]) == (["Mind the gap."], True)
    service.fail("PlanSwitch", "s", "aa{sv}", f"{ERROR}Busy")
    answer = ask("switch", "passthrough", "--dry-run", "-j")
    assert answer_in(answer, 4)["refusal"]["name"] == "busy"
    assert service.calls("SwitchMode") == []


def test_dry_run_without_a_bus():
    answer = run("switch", "passthrough", "--dry-run", **NO_BUS)
    assert answer.returncode == 3  # there is no configuration here
    assert "does not answer" in answer.stderr and "(config-invalid)" in answer.stderr


CHECKS = [{"id": "iommu", "result": "pass", "message": "There is one.", "advice": ""},
          {"id": "device-gpu", "result": "fail", "message": "It is not there.", "advice": "Look."}]


def test_check_of_a_mode(service, ask):
    service.method("CheckMode", "s", "aa{sv}", f"ret = {CHECKS!r}")
    service.fail("PlanSwitch", "s", "aa{sv}", f"{ERROR}NotFound")
    answer = ask("check", "passthrough")
    assert answer.returncode == 5
    assert answer.stderr == "vfio-modectl: Said so. (not-found)\n"
    assert rows(answer.stdout) == [["CHECK", "RESULT", "MESSAGE"],
                                   ["iommu", "pass", "There is one."],
                                   ["device-gpu", "fail", "It is not there. → Look."]]
    shown = answer_in(ask("check", "passthrough", "-j"), 5)
    assert (shown["ok"], shown["checks"]) == (False, CHECKS)
    assert shown["refusal"]["name"] == "not-found"
    assert rows(ask("check", "passthrough", "--quiet").stdout) == [
        ["device-gpu", "fail", "It is not there. → Look."]]
    service.method("PlanSwitch", "s", "aa{sv}", PLAN)
    assert answer_in(ask("check", "passthrough", "-j"))["ok"] is True


def test_check_of_a_mode_that_is_none(service, ask):
    for method in ("CheckMode", "PlanSwitch"):
        service.fail(method, "s", "aa{sv}", f"{ERROR}UnknownMode")
    assert ask("check", EVIL).returncode == 3


# --- next, set-default, confirm ---

def test_next(service, ask):
    service.then("SetNextBoot", "sa{sv}", next_boot=ONCE)
    answer = ask("next", "passthrough", "--tries=2", "--without-protection")
    assert answer.returncode == 0
    assert answer.stdout == (
        "Next boot: passthrough: one boot into 'passthrough' is armed "
        "(counted by GRUB; 1 boot left)\n"
        "Kernel arguments: nosmt=force panic=10\nBoots from now on: passthrough\n")
    assert service.calls("SetNextBoot") == [
        ["passthrough", {"tries": 2, "without-protection": True}]]
    answer = answer_in(ask("next", "passthrough", "-j"))
    assert (answer["changed"], answer["next_boot"], answer["refusal"]) == (False, ONCE, None)
    assert ask("next", "passthrough").stdout.startswith("Nothing had to be changed.\n")
    assert ask("next", "passthrough", "--quiet").stdout == ""


def test_next_cancel(service, ask):
    service.then("CancelNextBoot", "")
    service.describe(next_boot=ONCE)
    assert answer_in(ask("next", "--cancel", "-j"))["changed"] is True
    assert service.calls("CancelNextBoot") == [[]]


def test_set_default(service, ask):
    service.then("SetDefault", "sa{sv}", default_mode="host")
    answer = answer_in(ask("set-default", "host", "-j"))
    assert (answer["changed"], answer["default_mode"]) == (True, "host")
    assert service.calls("SetDefault") == [["host", {}]]


def test_confirm(service, ask):
    trial = {"mode": "passthrough", "back": "host", "until": "2026-01-01T00:05:00Z"}
    service.then("Confirm", "")
    service.describe(timed_switch=trial)
    answer = answer_in(ask("confirm", "-j"))
    assert (answer["changed"], answer["timed_switch"]) == (True, None)
    assert answer_in(ask("confirm", "-j"))["changed"] is False
    service.fail("Confirm", "", "", f"{ERROR}OtherBoot")
    assert ask("confirm").returncode == 5


def test_release(service, ask):
    service.then("Release", "", held=None)
    service.describe(held={"reason": "the power button was pressed", "since": "2026-01-01T00:05:00Z"})
    answer = answer_in(ask("release", "--json=short"))
    assert answer == {"schema": 1, "changed": True, "mode": "host", "held": None, "refusal": None}
