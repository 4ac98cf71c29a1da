# SPDX-License-Identifier: GPL-2.0-or-later
"""HeldBy and Release: what is told of a hold, and its end, which outlives the service."""

import fcntl
import json
import threading

import pytest
from captured import run  # found by rig
from rig import ERROR, boot_record
from test_jobs import refused
from test_service import wait_for

WHY = "no VM has opened gpu within 8 s"


def ctl(rig, *arguments):
    return run(*arguments, DBUS_SYSTEM_BUS_ADDRESS=rig.bus.address)


def described(rig):
    return json.loads(rig.call("Describe")[0])["held"]


def test_a_hold_is_told_and_released(rig):
    assert rig.get("HeldBy") == "" and described(rig) is None
    listener = rig.listen()
    rig.machine.state("host", "passthrough", "fallback", WHY, held=WHY)
    wait_for(listener, "HeldBy", WHY)
    assert described(rig) == {"reason": WHY, "since": "2026-01-01T00:00:00Z"}
    rig.kill()
    rig.start()
    assert rig.get("HeldBy") == WHY
    rig.call("Release")
    wait_for(listener, "HeldBy", "")
    assert described(rig) is None
    rig.call("Release")
    rig.kill()
    rig.start()
    assert rig.get("HeldBy") == ""
    # Another hold is none of its.
    rig.machine.state("host", "passthrough", "bus", "again", held="again")
    assert rig.get("HeldBy") == "again"


def test_a_mode_that_is_left_is_not_held(rig):
    rig.machine.state("host", "passthrough", "fallback", WHY, held=WHY)
    rig.machine.state("passthrough", "host", name="undo")
    assert rig.get("HeldBy") == ""


def test_who_may_release(rig):
    rig.machine.state("host", "passthrough", "fallback", WHY, held=WHY)
    nobody = rig.nobody()
    assert refused(lambda: rig.call("Release", client=nobody)).name == ERROR + "NotAuthorised"
    assert rig.get("HeldBy") == WHY


def test_not_beside_a_switch(rig):
    rig.machine.state("host", "passthrough", "fallback", WHY, held=WHY)
    with (rig.root / "run/vfio-mode/lock").open("w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        assert refused(lambda: rig.call("Release")).name == ERROR + "AlreadySwitching"
    assert rig.get("HeldBy") == WHY


@pytest.mark.parametrize("is_held", [True, False])
def test_the_verb(rig, is_held):
    rig.machine.state("host", "passthrough", "fallback", WHY, held=WHY if is_held else "")
    shown = ctl(rig, "status")
    assert ("virtual machines may change the mode after: vfio-modectl release" in shown.stdout) == is_held
    assert (f"({WHY})" in shown.stdout) == is_held
    answer = ctl(rig, "release", "--json=short")
    assert answer.returncode == 0, answer
    said = json.loads(answer.stdout)
    assert (said["changed"], said["mode"], said["held"]) == (is_held, "host", None)
    again = ctl(rig, "release")
    assert again.stdout == "Nothing had to be changed.\nMode 'host' is not held.\n", again


def test_a_fall_outlives_the_boot(rig):
    """As long as the boot after it, or the one before that, is this one."""
    told = rig.listen()
    rig.machine.state("plain", "host")
    rig.get("State")
    rig.machine.state("host", "plain", "fallback", WHY, held=WHY)
    assert told.next_signal("FellBack").body == ("plain", "host", WHY)
    fall = json.loads(rig.call("Describe")[0])["last_fall"]
    assert (fall["from"], fall["to"], fall["reason"]) == ("plain", "host", WHY)
    (rig.root / "run/vfio-mode/status").unlink()
    assert f"from plain to host: {WHY}" in ctl(rig, "status").stdout
    rig.machine.write("var/lib/vfio-mode/boot", boot_record())
    rig.machine.write("var/lib/vfio-mode/boot.previous",
                      boot_record(boot_id="00000000-0000-4000-8000-000000000009", time=1767225600 + 10**6))
    assert json.loads(rig.call("Describe")[0])["last_fall"] is None


def test_a_switch_that_leads_to_the_fallback_mode(rig):
    """Its exit status is one of its own, when that has come about."""
    def fail(unit):
        if "host" in unit:
            rig.machine.state("host", "", "fallback", "One is stuck.", held="One is stuck.")
            (rig.root / "run/vfio-mode/undo").unlink()
            return "done"
        rig.machine.state("plain", "host", name="undo")
        threading.Timer(0.5, lambda: fail("vfio-mode@host.service")).start()
        return rig.switch(unit, "half-way", "One is stuck.")
    rig.systemd.runs["vfio-mode@"] = fail
    answer = ctl(rig, "switch", "plain")
    assert answer.returncode == 9, answer
    assert answer.stderr.endswith("vfio-modectl: One is stuck. (half-way)\n"
                                  "vfio-modectl: The machine fell back to mode 'host': One is stuck.\n"), answer
