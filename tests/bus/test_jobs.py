#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Switches, inspections, the next boot, and switches that go back by themselves."""

import os
import re
import time

import pytest
import wire
from captured import run  # found by rig
from rig import CONFIG, ERROR, ONE_SHOT, SOURCE, send, until

PLAIN = "vfio-mode@plain.service"
TIMER, NEXT_TIMER = "vfio-mode-revert.timer", "vfio-mode-revert-next.timer"
MINUTE = 60 * 1000 * 1000


def refused(call):
    with pytest.raises(wire.Failed) as error:
        call()
    return error.value


def finished(listener, timeout=wire.LONG):
    signal = listener.next_signal("JobFinished", timeout)
    assert signal, "no end was told"
    return signal.body


# --- switches ---

def test_a_switch(rig):
    listener = rig.listen()
    job = rig.switch_mode("plain")
    assert listener.next_signal("ModeChanged").body[:2] == ("host", "plain")
    assert finished(listener) == (job, "done", "Mode plain is on.")
    assert rig.get("CurrentMode") == "plain"
    assert rig.get("State") == "idle"
    assert rig.systemd.calls == [("ReloadOrRestartUnit", PLAIN)]


@pytest.mark.parametrize("options", [{}, {"holders": "kill"}])
def test_the_unit_is_told_who_asked(rig, options):
    """By a file for root's eyes, gone afterwards; and what becomes of holders, where that was said."""
    path, seen = rig.root / "run/vfio-moded/request", []

    def switch(unit):
        seen.append((path.read_text(), path.stat().st_mode & 0o777))
        return rig.switch(unit)

    rig.systemd.runs["vfio-mode@"] = switch
    listener = rig.listen()
    rig.switch_mode("plain", **options)
    finished(listener)
    (text, mode), = seen
    word = dict(line.split("=") for line in text.splitlines())
    age = time.monotonic_ns() // 1000 - int(word.pop("time"))
    assert word == {"mode": "plain", "source": "bus",
                    "reason": f"asked for over D-Bus by user {os.geteuid()}", **options}
    assert 0 <= age < MINUTE
    assert mode == 0o600
    assert not path.exists()


def test_jobs_have_numbers_of_their_own(rig):
    listener, jobs = rig.listen(), set()
    for _ in range(2):
        jobs.add(rig.switch_mode("plain"))
        finished(listener)
    rig.kill()
    rig.start()
    jobs.add(rig.switch_mode("plain"))
    assert len(jobs) == 3


def test_in_the_mode_already(rig):
    listener = rig.listen()
    job = rig.switch_mode("host")
    assert finished(listener)[:2] == (job, "done")


def test_a_refusal_is_the_result(rig):
    rig.systemd.runs["vfio-mode@"] = lambda unit: rig.switch(unit, "busy", "qemu uses it.")
    listener = rig.listen()
    job = rig.switch_mode("plain")
    assert finished(listener) == (job, "busy", "qemu uses it.")
    assert rig.get("CurrentMode") == "host"


def check_no_result(rig, run):
    """What a unit that does this has left is not told as the reason."""
    rig.systemd.runs["vfio-mode@"] = run
    listener = rig.listen()
    rig.switch_mode("plain")
    _, result, message = finished(listener)
    assert result == "failed"
    assert "gave no reason" in message


def test_an_old_result_is_not_this_ones(rig):
    rig.machine.result("busy", "plain", "Long ago.", invocation="00" * 16)
    check_no_result(rig, lambda unit: "failed")


def test_a_result_of_another_run_is_not_this_ones(rig):
    """Such as of the unit's start that somebody has asked systemd for meanwhile."""
    def run(unit):
        rig.machine.result("busy", "plain", "Said of another.", invocation="00" * 16)
        return "failed"

    check_no_result(rig, run)


def test_what_a_reload_left_unwritten_is_not_read(rig):
    """A unit that is reloaded goes on under the invocation of its start, which has told how that went."""
    listener, first = rig.listen(), []

    def run(unit):
        if not first:
            first.append(rig.systemd.invocations[unit])
            return rig.switch(unit, "none", "The first time.")
        rig.systemd.invocations[unit] = first[0]
        return "done"

    rig.systemd.runs["vfio-mode@"] = run
    rig.switch_mode("plain")
    assert finished(listener)[1:] == ("done", "The first time.")
    rig.switch_mode("plain")
    assert finished(listener)[1:] == ("done", "Already in mode plain; nothing had to be done.")


def test_a_unit_that_failed_has_not_done_it(rig):
    """Whatever its program has left: it was killed after that, or what follows it has failed."""
    def run(unit):
        rig.switch(unit, "none", "It is on.")
        return "failed"

    check_no_result(rig, run)


@pytest.mark.parametrize("word,result", [("timeout", "timed-out"), ("canceled", "failed"),
                                         ("dependency", "failed")])
def test_how_systemd_ends_a_job(rig, word, result):
    rig.systemd.runs["vfio-mode@"] = lambda unit: word
    listener = rig.listen()
    rig.switch_mode("plain")
    assert finished(listener)[1] == result


def test_one_at_a_time(rig):
    rig.systemd.held.add(PLAIN)
    listener = rig.listen()
    job = rig.switch_mode("plain")
    assert rig.get("State") == "switching"
    assert refused(lambda: rig.switch_mode("host")).name == ERROR + "AlreadySwitching"
    rig.systemd.finish(PLAIN)
    assert finished(listener)[:2] == (job, "done")
    rig.switch_mode("host")


def test_a_job_outlives_its_caller(rig):
    rig.systemd.held.add(PLAIN)
    listener, caller = rig.listen(), rig.bus.connect()
    send(caller, "SwitchMode", "sa{sv}", "plain", {})
    until(lambda: rig.systemd.calls)
    rig.leave(caller)
    rig.systemd.finish(PLAIN)
    assert finished(listener)[1] == "done"


def test_a_job_outlives_the_service(rig):
    rig.systemd.held.add(PLAIN)
    listener = rig.listen()
    job = rig.switch_mode("plain")
    rig.kill()
    rig.start()
    assert rig.get("State") == "switching"
    assert refused(lambda: rig.switch_mode("host")).name == ERROR + "AlreadySwitching"
    rig.systemd.finish(PLAIN)
    assert finished(listener, 15)[:2] == (job, "done")


def test_a_job_that_ended_meanwhile(rig):
    rig.systemd.held.add(PLAIN)
    rig.systemd.runs["vfio-mode@"] = lambda unit: rig.switch(unit, "busy", "qemu uses it.")
    listener = rig.listen()
    job = rig.switch_mode("plain")
    rig.kill()
    rig.systemd.finish(PLAIN)
    until(lambda: PLAIN not in rig.systemd.jobs)
    rig.start()
    assert finished(listener) == (job, "busy", "qemu uses it.")


def test_an_end_that_systemd_does_not_tell(rig):
    """It was re-executed at that moment: the unit is looked at."""
    rig.systemd.silent = True
    listener = rig.listen()
    job = rig.switch_mode("plain")
    assert finished(listener, 15)[:2] == (job, "done")


def test_systemd_refuses(rig):
    rig.systemd.refused[PLAIN] = "org.freedesktop.systemd1.TransactionIsDestructive"
    assert refused(lambda: rig.switch_mode("plain")).name == ERROR + "ShuttingDown"
    rig.systemd.refused[PLAIN] = "org.freedesktop.systemd1.UnitMasked"
    assert refused(lambda: rig.switch_mode("plain")).name == ERROR + "Failed"
    rig.systemd.refused.clear()
    rig.switch_mode("plain")


def test_without_systemd(rig):
    rig.systemd.close()
    assert refused(lambda: rig.switch_mode("plain")).name == ERROR + "Failed"
    assert refused(lambda: rig.call("PlanSwitch", "s", "plain")).name == ERROR + "Failed"
    assert rig.get("State") == "idle"


def test_options(rig):
    assert refused(lambda: rig.switch_mode("plain", holders="all")).name.endswith("InvalidArgs")
    wrong = "org.freedesktop.DBus.Error.InvalidArgs"
    for options in ({"confirm-within": wire.Variant("t", 0)},
                    {"confirm-within": wire.Variant("t", 24 * 60 * MINUTE + 1)},
                    {"confirm-within": wire.Variant("u", 5)},
                    {"holders": wire.Variant("u", 5)}, {"holders": wire.Variant("s", "x" * 99)},
                    {"unheard-of": wire.Variant("s", "")}, {"x" * 999: wire.Variant("s", "")}):
        assert refused(lambda o=options: rig.call("SwitchMode", "sa{sv}", "plain", o)).name == wrong
    for options in ({"tries": wire.Variant("u", 0)}, {"tries": wire.Variant("u", 4)},
                    {"without-protection": wire.Variant("s", "yes")}):
        assert refused(lambda o=options: rig.call("SetNextBoot", "sa{sv}", "plain", o)
                       ).name == wrong
    assert not rig.systemd.calls
    rig.switch_mode("plain", holders="refuse")


def test_no_such_mode(rig):
    for mode in ("third", "none", "", "Host", "x" * 1000, "\u00e4"):
        assert refused(lambda m=mode: rig.switch_mode(m)).name == ERROR + "UnknownMode"
    assert not rig.systemd.calls


def test_a_broken_configuration(rig):
    """The way back goes by what was accepted; nothing else can be had."""
    rig.machine.config("[nonsense\n")
    assert refused(lambda: rig.switch_mode("third")).name == ERROR + "ConfigInvalid"
    rig.switch_mode("host")
    assert refused(lambda: rig.call("SetNextBoot", "sa{sv}", "plain", {})
                   ).name == ERROR + "ConfigInvalid"


# --- inspections ---

def test_a_plan(rig):
    assert rig.call("PlanSwitch", "s", "plain")[0] == [
        {"step": "unbind", "object": "0000:01:00.0", "note": "0000:01:00.0: unbind for plain"}]
    assert rig.call("CheckMode", "s", "plain")[0] == [
        {"id": "iommu", "result": "pass", "message": "There is one.", "advice": ""}]
    assert rig.systemd.calls == [("StartUnit", "vfio-mode-inspect@plain.service")] * 2


def test_a_refused_plan_is_the_error_and_still_has_checks(rig):
    rig.systemd.runs["vfio-mode-inspect@"] = lambda unit: rig.inspect(
        unit, "group-not-viable", "0000:00:01.1 is in use.", "public")
    error = refused(lambda: rig.call("PlanSwitch", "s", "plain"))
    assert (error.name, error.text) == (ERROR + "GroupNotViable", "0000:00:01.1 is in use.")
    assert rig.call("CheckMode", "s", "plain")[0]


def test_an_old_inspection_is_no_answer(rig):
    rig.inspect("vfio-mode-inspect@plain.service")
    rig.systemd.runs["vfio-mode-inspect@"] = lambda unit: "failed"
    assert refused(lambda: rig.call("PlanSwitch", "s", "plain")).name == ERROR + "Failed"


def test_a_damaged_inspection_is_no_answer(rig):
    rig.systemd.runs["vfio-mode-inspect@"] = lambda unit: rig.machine.write(
        "run/vfio-mode/inspect/plain", "vfio-mode-inspection=1\nstep=\0") and "done"
    assert refused(lambda: rig.call("PlanSwitch", "s", "plain")).name == ERROR + "Failed"


def test_calls_share_a_run_that_begins_after_them(rig):
    unit = "vfio-mode-inspect@plain.service"
    rig.systemd.held.add(unit)
    client = rig.connect()
    serials = [send(client, "PlanSwitch", "s", "plain") for _ in range(10)]
    rig.get("State", client=client)  # answered after all ten were read
    until(lambda: rig.systemd.calls)
    assert len(rig.systemd.calls) == 1
    rig.systemd.held.clear()
    rig.systemd.finish(unit)
    for serial in serials:
        assert client.wait(serial)[0]
    assert len(rig.systemd.calls) == 2


# --- the next boot ---

def test_set_next_boot(rig):
    rig.call("SetNextBoot", "sa{sv}", "passthrough", {"tries": wire.Variant("u", 2)})
    armed = rig.armed()
    assert (armed["vfio_mode"], armed["vfio_args"]) == ("passthrough", "nosmt=force panic=10")
    assert rig.get("NextBootMode") == "passthrough"
    assert rig.get("NextBootKind") == "once"
    assert rig.get("NextBootProtection") == "grub"
    rig.call("CancelNextBoot")
    assert rig.armed()["vfio_mode"] == ""
    assert rig.get("NextBootMode") == "host"


def test_what_is_armed_for_nothing(rig):
    """Whoever takes it back is told where the boot goes all the same, and why."""
    (rig.root / "boot/grub/grub.cfg").write_text(
        "### vfio-mode environment ###\nset default=\"x\"\n"
        "menuentry 'x' $menuentry_id_option 'vfio-mode-passthrough-simple' {\n}\n")
    answer = run("next", "--cancel", DBUS_SYSTEM_BUS_ADDRESS=rig.bus.address)
    assert answer.stdout == ("Nothing had to be changed.\nNext boot: not known: GRUB's default entry 'x' is for one mode, "
                             "whatever is armed; see GRUB_DEFAULT in /etc/default/grub\n")


def test_set_default(rig):
    listener = rig.listen()
    rig.call("SetDefault", "sa{sv}", "passthrough", {})
    assert rig.armed()["vfio_keep"] == "1"
    until(lambda: listener.next_signal("PropertiesChanged").body[1].get("NextBootKind") == "trial")


def test_a_refusal_of_the_boot_environment(rig):
    (rig.root / "boot/grub/grub.cfg").unlink()
    before = rig.state()
    error = refused(lambda: rig.call("SetNextBoot", "sa{sv}", "passthrough", {}))
    assert error.name in (ERROR + "NotSupported", ERROR + "Unprotected")
    assert rig.state() == before
    assert refused(lambda: rig.call("SetNextBoot", "sa{sv}", "third", {})
                   ).name == ERROR + "UnknownMode"


def test_a_boot_environment_that_came_after_the_service(bare):
    """The service may write only what was there when it started; as in its unit, the rest is read-only for it."""
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    seen = f"mount --bind {bare.root} {bare.root} && mount -o remount,ro,bind {bare.root} && " \
           f"mount -t tmpfs x {bare.root}/run && mkdir {bare.root}/run/vfio-mode && exec \"$0\" \"$@\""
    bare.start(by=("unshare", *user, "--mount", "sh", "-ec", seen))
    error = refused(lambda: bare.call("SetNextBoot", "sa{sv}", "passthrough", {}))
    assert (error.name, error.text) == (
        ERROR + "Failed", "The boot environment /boot/grub/vfio-mode/vfio-mode.env cannot be written: Read-only file "
        "system. Where its directory was made after vfio-moded had been started: run \"systemctl stop vfio-moded\", "
        "and try again.")


def test_the_efi_variable_is_written_by_its_unit(rig):
    rig.boots_by_efi()
    rig.call("SetNextBoot", "sa{sv}", "plain", {})
    assert rig.systemd.calls == [("StartUnit", "vfio-mode-one-shot@plain.service")]
    rig.systemd.runs["vfio-mode-one-shot@"] = lambda unit: "failed"
    assert refused(lambda: rig.call("SetNextBoot", "sa{sv}", "plain", {})
                   ).name == ERROR + "Failed"


@pytest.mark.parametrize("obstacle", ["fails", "is refused"])
def test_an_efi_variable_that_stays_does_not_hide_what_is_armed(rig, obstacle):
    unit = "vfio-mode-one-shot@none.service"
    rig.machine.write("sys/firmware/efi/efivars/BootOrder", "")
    mounts = (rig.root / "proc/self/mountinfo").read_text()
    rig.machine.write("proc/self/mountinfo", mounts + "27 26 0:28 / /sys/firmware/efi/efivars "
                      "rw,nosuid shared:5 - efivarfs efivarfs rw\n")
    rig.machine.write(ONE_SHOT, "\7\0\0\0plain")
    if obstacle == "fails":
        rig.systemd.runs["vfio-mode-one-shot@"] = lambda unit: "failed"
    else:
        rig.systemd.refused[unit] = "org.freedesktop.systemd1.UnitMasked"
    listener = rig.listen()
    error = refused(lambda: rig.call("SetNextBoot", "sa{sv}", "passthrough", {}))
    assert error.name == ERROR + "Failed"
    assert error.text.startswith("The boot environment was written, but the old EFI variable could not be")
    assert rig.systemd.calls == [("StartUnit", unit)]
    assert listener.next_signal("PropertiesChanged").body[1]["NextBootMode"] == "passthrough"
    assert rig.armed()["vfio_mode"] == "passthrough"


def test_the_efi_variable_is_written_in_the_order_of_calls(rig):
    """One run after the other, and what comes next waits for it."""
    rig.boots_by_efi()
    client, ran = rig.connect(), []
    units = ["vfio-mode-one-shot@plain.service", "vfio-mode-one-shot@other.service"]
    rig.machine.config(CONFIG + "[mode other]\nvfio-devices = gpu\n")
    rig.systemd.runs["vfio-mode-one-shot@"] = lambda unit: ran.append(unit) or "done"
    rig.systemd.held.add(units[0])
    serials = [send(client, "SetNextBoot", "sa{sv}", mode, {}) for mode in ("plain", "other")]
    until(lambda: rig.systemd.calls)
    assert rig.get("State") == "idle"  # what came before has been taken in
    assert rig.systemd.calls == [("StartUnit", units[0])]
    rig.systemd.finish(units[0])
    for serial in serials:
        client.wait(serial)
    assert ran == units


def test_the_next_boot_is_changed_in_the_order_of_calls(rig):
    client = rig.connect()
    serials = [send(client, "SetNextBoot", "sa{sv}", mode, {})
               for mode in ("passthrough", "plain") * 5]
    for serial in serials:
        client.wait(serial)
    assert rig.armed()["vfio_mode"] == "plain"


def test_nothing_to_confirm(rig):
    before = rig.state()
    rig.call("Confirm")
    assert rig.state() == before
    assert not rig.systemd.calls


# --- a switch that goes back by itself ---

def trial(rig, name="trial"):
    path = rig.root / "run/vfio-moded" / name
    return dict(line.split("=") for line in path.read_text().splitlines()) if path.exists() else None


def under_way(rig):
    """The way back of a switch that has not succeeded yet."""
    return trial(rig, "trial.next")


def switch_on_trial(rig, mode, usec=MINUTE):
    listener = rig.listen()
    rig.switch_mode(mode, confirm_within=usec)
    assert finished(listener)[1] == "done"
    until(lambda: NEXT_TIMER not in rig.systemd.timers)
    assert under_way(rig) is None


def test_the_way_back_is_there_before_the_switch(rig):
    seen = []

    def switch(unit):
        seen.append((under_way(rig), dict(rig.systemd.timers)))
        return rig.switch(unit)

    rig.systemd.runs["vfio-mode@"] = switch
    switch_on_trial(rig, "plain", 5 * MINUTE)
    (found, timers), = seen
    assert (found["mode"], found["back"]) == ("plain", "host")
    assert timers[NEXT_TIMER]["TimersMonotonic"] == [("OnActiveSec", 5 * MINUTE)]

    # From then on it counts anew.
    assert rig.systemd.timers[TIMER]["TimersMonotonic"] == [("OnActiveSec", 5 * MINUTE)]
    assert (trial(rig)["mode"], trial(rig)["back"]) == ("plain", "host")
    assert int(found["due"]) < int(trial(rig)["due"]) <= time.monotonic_ns() // 1000 + 5 * MINUTE
    assert abs(int(trial(rig)["until"]) - time.time() - 300) < 60

    rig.call("Confirm")
    assert trial(rig) is None
    until(lambda: not rig.systemd.timers)


def test_the_clock_is_stopped_by_shutdown_only(rig):
    """Not by isolating a target, nor by the end of sysinit.target that emergency.target means."""
    switch_on_trial(rig, "plain")
    timer = rig.systemd.timers[TIMER]
    assert timer["IgnoreOnIsolate"] is True
    assert timer["DefaultDependencies"] is False
    assert timer["Conflicts"] == timer["Before"] == ["shutdown.target"]
    assert timer["RemainAfterElapse"] is False


def test_a_refused_switch_has_no_way_back(rig):
    rig.systemd.runs["vfio-mode@"] = lambda unit: rig.switch(unit, "busy", "qemu uses it.")
    listener = rig.listen()
    rig.switch_mode("plain", confirm_within=MINUTE)
    assert finished(listener)[1] == "busy"
    assert trial(rig) is None and under_way(rig) is None
    until(lambda: not rig.systemd.timers)


def test_a_switch_that_systemd_refuses_has_none_either(rig):
    rig.systemd.refused[PLAIN] = "org.freedesktop.systemd1.UnitMasked"
    refused(lambda: rig.switch_mode("plain", confirm_within=MINUTE))
    assert trial(rig) is None and under_way(rig) is None
    until(lambda: not rig.systemd.timers)


def test_without_a_way_back_nothing_is_switched(rig):
    rig.systemd.refused[NEXT_TIMER] = "org.freedesktop.DBus.Error.AccessDenied"
    assert refused(lambda: rig.switch_mode("plain", confirm_within=MINUTE)).name == ERROR + "Failed"
    assert trial(rig) is None and under_way(rig) is None
    assert ("ReloadOrRestartUnit", PLAIN) not in rig.systemd.calls
    rig.switch_mode("plain")


def test_without_a_new_clock_the_first_one_goes_on(rig):
    rig.systemd.refused[TIMER] = "org.freedesktop.DBus.Error.AccessDenied"
    listener = rig.listen()
    rig.switch_mode("plain", confirm_within=MINUTE)
    assert finished(listener)[1] == "done"
    assert NEXT_TIMER in rig.systemd.timers
    assert trial(rig)["due"] == under_way(rig)["due"]


def test_a_second_trial_takes_the_place_of_the_first(rig):
    """And leads back to where the first one came from, since nobody confirmed that."""
    switch_on_trial(rig, "plain")
    first = trial(rig)
    switch_on_trial(rig, "passthrough", 2 * MINUTE)
    assert (trial(rig)["mode"], trial(rig)["back"]) == ("passthrough", "host")
    assert int(trial(rig)["due"]) > int(first["due"])
    assert rig.systemd.timers[TIMER]["TimersMonotonic"] == [("OnActiveSec", 2 * MINUTE)]


def test_a_confirmed_mode_is_a_way_back(rig):
    switch_on_trial(rig, "plain")
    rig.call("Confirm")
    switch_on_trial(rig, "passthrough")
    assert trial(rig)["back"] == "plain"


def test_no_mode_is_the_way_back_from_itself(rig):
    switch_on_trial(rig, "plain")
    switch_on_trial(rig, "plain")
    assert trial(rig)["back"] == "host"
    switch_on_trial(rig, "host")
    assert trial(rig)["back"] == ""


def busy(rig):
    rig.systemd.runs["vfio-mode@"] = lambda unit: rig.switch(unit, "busy", "qemu uses it.")


def masked(rig):
    rig.systemd.refused["vfio-mode@passthrough.service"] = "org.freedesktop.systemd1.UnitMasked"


def no_clock(rig):
    rig.systemd.refused[NEXT_TIMER] = "org.freedesktop.DBus.Error.AccessDenied"


@pytest.mark.parametrize("obstacle", [busy, masked, no_clock])
def test_a_refused_second_trial_leaves_the_first_alone(rig, obstacle):
    switch_on_trial(rig, "plain")
    before, clock = trial(rig), rig.systemd.timers[TIMER]
    calls = len(rig.systemd.calls)
    obstacle(rig)
    listener = rig.listen()
    try:
        rig.switch_mode("passthrough", confirm_within=2 * MINUTE)
        assert finished(listener)[1] == "busy"
    except wire.Failed:
        assert obstacle is not busy
    assert trial(rig) == before and under_way(rig) is None
    until(lambda: NEXT_TIMER not in rig.systemd.timers)
    assert rig.systemd.timers == {TIMER: clock}
    assert not [call for call in rig.systemd.calls[calls:] if call[1] == TIMER]
    rig.call("Confirm")
    assert trial(rig) is None


def test_killed_between_the_way_back_and_the_switch(rig):
    """What a switch that never began has left is not taken for one."""
    switch_on_trial(rig, "plain")
    before = trial(rig)
    rig.systemd.held.add(NEXT_TIMER)
    send(rig.connect(), "SwitchMode", "sa{sv}", "passthrough",
         {"confirm-within": wire.Variant("t", MINUTE)})
    until(lambda: under_way(rig))
    rig.kill()
    rig.start()
    assert under_way(rig) is None and trial(rig) == before
    rig.call("Confirm")
    assert trial(rig) is None


def test_another_switch_ends_the_trial(rig):
    listener = rig.listen()
    rig.switch_mode("plain", confirm_within=MINUTE)
    finished(listener)
    rig.switch_mode("host")
    finished(listener)
    assert trial(rig) is None


def test_a_trial_is_not_confirmed_before_it_is_there(rig):
    rig.systemd.held.add(PLAIN)
    rig.switch_mode("plain", confirm_within=MINUTE)
    assert refused(lambda: rig.call("Confirm")).name == ERROR + "AlreadySwitching"
    assert under_way(rig)
    rig.systemd.finish(PLAIN)
    until(lambda: rig.get("State") == "idle")
    assert trial(rig)
    rig.call("Confirm")
    assert trial(rig) is None


def test_a_trial_outlives_the_service(rig):
    rig.systemd.held.add(PLAIN)
    listener = rig.listen()
    rig.switch_mode("plain", confirm_within=MINUTE)
    rig.kill()
    assert under_way(rig) and NEXT_TIMER in rig.systemd.timers
    rig.start()
    until(lambda: (PLAIN, "Job") in rig.systemd.asked)
    rig.systemd.finish(PLAIN)
    assert finished(listener, 15)[1] == "done"
    assert trial(rig)["mode"] == "plain" and TIMER in rig.systemd.timers


# --- while the service was away ---

def test_the_end_of_a_job_is_a_signal_after_a_restart_too(rig):
    rig.systemd.held.add(PLAIN)
    listener = rig.listen()
    job = rig.switch_mode("plain")
    rig.kill()
    rig.start()
    until(lambda: (PLAIN, "Job") in rig.systemd.asked)
    rig.systemd.finish(PLAIN)
    assert finished(listener)[:2] == (job, "done")
    assert (PLAIN, "ActiveState") not in rig.systemd.asked, "it was looked for"


def test_a_refusal_meanwhile_is_told_at_the_start(rig):
    rig.systemd.runs["vfio-mode@"] = lambda unit: rig.switch(unit, "busy", "qemu uses it.")
    rig.systemd.held.add(PLAIN)
    listener = rig.listen()
    job = rig.switch_mode("plain")
    rig.kill()
    rig.systemd.finish(PLAIN)
    until(lambda: PLAIN in rig.systemd.states)
    rig.start()
    assert finished(listener) == (job, "busy", "qemu uses it.")


def test_what_a_refused_switch_writes_starts_the_service():
    paths = re.findall("^PathChanged=/(.*)$", (SOURCE / "units/vfio-moded.path").read_text(), re.M)
    assert {"run/vfio-mode/status", "run/vfio-mode/result", "var/lib/vfio-mode/boot"} <= set(paths)
