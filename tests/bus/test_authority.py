#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may do what: each method, asked of polkit about its caller, or free."""

import json
import pwd
import signal
import xml.etree.ElementTree as ET

import pytest
import wire
from rig import ERROR, NAME, PATH, SOURCE, SYSTEMD, send, until

SWITCH, NEXT = "org.vfiomode1.switch-mode", "org.vfiomode1.set-next-boot"
VM = "org.vfiomode1.manage-vm"
# Every method has to be here: what may be done, and what is free to be asked.
ACTIONS = {"SwitchMode": SWITCH, "Confirm": SWITCH, "Release": SWITCH, "SetNextBoot": NEXT, "SetDefault": NEXT,
           "CancelNextBoot": NEXT, "BeginVM": VM, "EndVM": VM}
FREE = {"Describe", "PlanSwitch", "CheckMode"}
BODIES = {"": (), "s": ("plain",), "sa{sv}": ("plain", {}), "sas": ("win", ["0000:05:00.0"]), "ss": ("win", "stopped")}


def methods():
    """Each method of the interface with its signature."""
    root = ET.parse(SOURCE / "conf/dbus/org.vfiomode1.xml").getroot()
    return {method.get("name"): "".join(arg.get("type") for arg in method.iter("arg")
                                        if arg.get("direction") == "in")
            for method in root.iter("method")}


def call(rig, member, client, flags=0):
    signature = methods()[member]
    return rig.call(member, signature, *BODIES[signature], client=client, flags=flags)


def test_every_method_is_judged():
    assert methods().keys() == ACTIONS.keys() | FREE
    assert not ACTIONS.keys() & FREE


@pytest.mark.parametrize("member", sorted(ACTIONS))
def test_each_method_asks_about_its_caller(rig, member):
    nobody, before = rig.nobody(), rig.state()
    with pytest.raises(wire.Failed) as denied:
        call(rig, member, nobody)
    assert denied.value.name == ERROR + "NotAuthorised"
    assert rig.polkit.asked == [("system-bus-name", nobody.name, ACTIONS[member], 0)]
    assert not rig.systemd.calls
    assert rig.state() == before


@pytest.mark.parametrize("member", sorted(FREE))
def test_what_is_free_is_answered_all_the_same(rig, member):
    call(rig, member, rig.nobody())
    # What other users do is another question, which a no does not make a refusal of.
    assert {action for _, _, action, flags in rig.polkit.asked} <= {SWITCH}
    assert all(flags == 0 for *_, flags in rig.polkit.asked)


def test_no_password_is_asked_for_to_tell_a_plan(rig):
    """Nor where the caller would bear it: without it the plan is told as well, with fewer names."""
    nobody = rig.nobody()
    call(rig, "PlanSwitch", nobody, wire.INTERACTIVE)
    assert rig.polkit.asked == [("system-bus-name", nobody.name, SWITCH, 0)]


def test_reading_asks_nobody(rig):
    nobody = rig.nobody()
    assert rig.get_all(client=nobody)["CurrentMode"] == "host"
    objects, = nobody.call(NAME, PATH + "/device", "org.freedesktop.DBus.ObjectManager",
                           "GetManagedObjects")
    assert len(objects) == 2
    for path in objects:
        assert rig.get_all(path, NAME + ".Device", nobody)["Driver"]
    assert rig.get_all("/org/freedesktop/LogControl1", "org.freedesktop.LogControl1", nobody)
    assert not rig.polkit.asked


@pytest.mark.parametrize("member", ["Reboot", "switchmode"])
def test_unknown_methods_are_denied(rig, member):
    with pytest.raises(wire.Failed) as denied:
        rig.call(member, client=rig.nobody())
    assert denied.value.name == "org.freedesktop.DBus.Error.UnknownMethod"


def test_the_interactive_flag_is_passed_on(rig):
    nobody = rig.nobody()
    rig.polkit.answer_of = lambda action: (False, True)
    with pytest.raises(wire.Failed) as denied:
        call(rig, "SwitchMode", nobody)
    assert denied.value.name.endswith(".InteractiveAuthorizationRequired")
    rig.polkit.answer_of = lambda action: (True, False)
    call(rig, "SwitchMode", nobody, wire.INTERACTIVE)
    assert [flags for *_, flags in rig.polkit.asked] == [0, 1]
    assert ("ReloadOrRestartUnit", "vfio-mode@plain.service") in rig.systemd.calls


def test_one_action_is_not_the_other(rig):
    nobody = rig.nobody()
    rig.polkit.answer_of = lambda action: (action == NEXT, False)
    call(rig, "SetNextBoot", nobody)
    with pytest.raises(wire.Failed):
        call(rig, "SwitchMode", nobody)


def test_root_needs_no_polkit(rig):
    rig.polkit.close()
    for member in sorted(methods()):
        call(rig, member, None)
    assert not rig.polkit.asked


def test_without_polkit_the_answer_is_no(rig):
    nobody = rig.nobody()
    rig.polkit.close()
    for member in ACTIONS:
        with pytest.raises(wire.Failed) as denied:
            call(rig, member, nobody)
        assert denied.value.name == ERROR + "NotAuthorised"
    for member in FREE:
        call(rig, member, nobody)


def test_polkit_dying_over_a_question_is_a_no(rig):
    nobody = rig.nobody()
    rig.polkit.answer_of = lambda action: None
    serial = send(nobody, "SwitchMode", "sa{sv}", "plain", {})
    until(lambda: rig.polkit.asked)
    rig.polkit.close()
    with pytest.raises(wire.Failed) as denied:
        nobody.wait(serial)
    assert denied.value.name == ERROR + "NotAuthorised"
    assert not rig.systemd.calls


def test_nothing_waits_for_polkit(rig):
    """A question that is not answered holds nobody else up; too many are refused, of one user and of all.
    What is free needs no place."""
    rig.nobody()
    rig.polkit.answer_of = lambda action: None
    for user, n_asked in (("nobody", 24), ("daemon", 24), ("bin", 16), ("sys", 0)):
        caller, errors, asked = rig.connect(pwd.getpwnam(user).pw_uid), [], len(rig.polkit.asked)
        for _ in range(30):
            send(caller, "SwitchMode", "sa{sv}", "plain", {})
        while len(errors) < 30 - n_asked:
            answer = caller.receive()
            errors += [answer.error] if answer.kind == wire.ERROR else []
        assert errors == ["org.freedesktop.DBus.Error.LimitsExceeded"] * (30 - n_asked)
        until(lambda: len(rig.polkit.asked) - asked == n_asked)
        assert rig.call("Describe", client=caller)
    # Root gets through all the same.
    assert rig.get("State") == "idle"
    assert rig.switch_mode("plain")
    rig.polkit.close()  # ends the questions


def test_who_waits_when_the_service_ends_is_told_so(rig):
    """Not for as long as a password may take: nobody else is answered until the next one may start."""
    nobody = rig.nobody()
    rig.polkit.answer_of = lambda action: None
    serial = send(nobody, "SwitchMode", "sa{sv}", "plain", {}, flags=wire.INTERACTIVE)
    until(lambda: rig.polkit.asked)
    rig.process.terminate()
    with pytest.raises(wire.Failed) as refused:
        nobody.wait(serial)
    assert refused.value.name == ERROR + "TimedOut"
    rig.stop()


def test_the_caller_may_be_gone_when_polkit_answers(rig):
    caller = rig.bus.connect(65534) if rig.nobody() else None
    rig.polkit.answer_of = lambda action: None
    for _ in range(20):
        send(caller, "SwitchMode", "sa{sv}", "plain", {})
    until(lambda: len(rig.polkit.asked) == 20)
    rig.leave(caller)
    rig.polkit.close()
    until(lambda: not rig.client().bus("NameHasOwner", "s", "org.freedesktop.PolicyKit1")[0])
    assert rig.get("State") == "idle"
    assert not rig.systemd.calls


def test_a_caller_that_is_gone_at_once_is_nobody(rig):
    """Root's as well: who it was cannot be found out any more."""
    listener, caller = rig.listen(), rig.connect()
    rig.process.send_signal(signal.SIGSTOP)
    send(caller, "SwitchMode", "sa{sv}", "plain", {})
    caller.close()
    until(lambda: not rig.client().bus("NameHasOwner", "s", caller.name)[0])
    rig.process.send_signal(signal.SIGCONT)
    assert rig.get("State") == "idle"
    assert not rig.systemd.calls
    assert listener.next_signal("JobFinished", 0.3) is None


def test_only_root_can_be_the_service(bare):
    nobody = bare.nobody()
    with pytest.raises(wire.Failed):
        nobody.bus("RequestName", "su", NAME, 4)


@pytest.mark.parametrize("allowed", [True, False])
def test_processes_are_named_to_who_may_end_them(rig, allowed):
    nobody = rig.nobody()
    rig.systemd.runs["vfio-mode-inspect@"] = lambda unit: rig.inspect(
        unit, "busy", "qemu (4711) of alice uses 0000:01:00.0.", "A process uses 0000:01:00.0.")
    rig.polkit.answer_of = lambda action: (allowed, not allowed)
    with pytest.raises(wire.Failed) as refused:
        call(rig, "PlanSwitch", nobody)
    assert refused.value.name == ERROR + "Busy"
    assert ("alice" in refused.value.text) == allowed
    with pytest.raises(wire.Failed) as refused:
        call(rig, "PlanSwitch", None)
    assert "alice" in refused.value.text


def last_switch(rig, client=None):
    return json.loads(rig.call("Describe", client=client)[0])["last_switch"]["text"]


def test_processes_in_the_way_of_a_switch_are_named_to_root_and_who_asked(rig):
    """What everybody is told by JobFinished, and by Describe who had nothing to do with it, names none."""
    rig.systemd.runs["vfio-mode@"] = lambda unit: rig.switch(
        unit, "busy", "0000:01:00.0 is in use by a process.", "qemu (4711) of alice uses 0000:01:00.0.")
    rig.polkit.answer_of = lambda action: (True, False)
    listener, asker, other = rig.listen(), rig.nobody(), rig.nobody()
    rig.switch_mode("plain", client=asker)
    assert listener.next_signal("JobFinished").body[1:] == ("busy", "0000:01:00.0 is in use by a process.")
    assert [("alice" in last_switch(rig, client)) for client in (None, asker, other)] == [True, True, False]
    # Nor does who asked once have a part in what root does then past the service.
    rig.machine.result("busy", "plain", "In use.", invocation="0" * 32)
    rig.machine.result("busy", "plain", "qemu (4712) of alice.", "result.names", "0" * 32)
    assert [("alice" in last_switch(rig, client)) for client in (None, asker)] == [True, False]
    rig.systemd.runs["vfio-mode@"] = lambda unit: rig.switch(unit, "busy", "Somebody else's.")
    rig.switch_mode("plain")
    assert listener.next_signal("JobFinished")
    # The names that are left are of another run.
    assert last_switch(rig) == "Somebody else's."


def test_polkit_knows_the_actions():
    """As the service asks for them; whoever is not there is asked for a password each time."""
    root = ET.parse(SOURCE / "conf/dbus/org.vfiomode1.policy").getroot()
    actions = {action.get("id"): action for action in root.iter("action")}
    assert actions.keys() == set(ACTIONS.values())
    for action in actions.values():
        assert {node.tag: node.text for node in action.find("defaults")} == {
            "allow_any": "auth_admin", "allow_inactive": "auth_admin",
            "allow_active": "auth_admin_keep"}


def test_systemd_is_not_asked_in_anybodys_name(rig):
    """What an unprivileged caller can have started is for modes that exist."""
    nobody = rig.nobody()
    for mode in ("third", "none", "../../etc", "a" * 33):
        with pytest.raises(wire.Failed) as refused:
            rig.call("PlanSwitch", "s", mode, client=nobody)
        assert refused.value.name == ERROR + "UnknownMode"
    assert not rig.systemd.calls, SYSTEMD
