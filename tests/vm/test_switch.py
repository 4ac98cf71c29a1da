# SPDX-License-Identifier: GPL-2.0-or-later
"""Switching between host and passthrough, by systemctl and by vfio-modectl, and seeing it."""

import pytest

from modectl import ask
from modes import AUDIO, GPU, HOST, JOURNAL, PASSTHROUGH, look
from pc import PC

pytestmark = pytest.mark.machine("gpu")


@pytest.mark.drawn("switches")
def test_round_trips(pc: PC) -> None:
    """The GPU goes and comes back, with its framebuffer, as often as one likes."""
    assert look(pc) == HOST
    for _ in range(3):
        pc.ok("systemctl start vfio-mode@passthrough")
        assert look(pc) == PASSTHROUGH
        pc.ok("systemctl start vfio-mode@host")
        assert look(pc) == HOST
    pc.ok("test -c /dev/fb0 && test -c /dev/dri/card0 && test -c /dev/snd/pcmC0D0p")
    assert pc.ok("systemctl is-system-running") == "running"


def test_modectl_switch(pc: PC) -> None:
    """`switch` says what it did, and the second time that there was nothing to do."""
    for mode, there in (("passthrough", PASSTHROUGH), ("host", HOST)):
        first = ask(pc, f"switch {mode}")
        assert (first["mode"], first["changed"], first["refusal"]) == (mode, True, None)
        assert first["steps_taken"] > 0
        assert look(pc) == there
        again = ask(pc, f"switch {mode}")
        assert (again["mode"], again["changed"], again["refusal"]) == (mode, False, None)
        assert look(pc) == there
    pc.ok("vfio-modectl switch passthrough")
    assert "nothing had to be done" in pc.ok("vfio-modectl switch passthrough")
    assert look(pc) == PASSTHROUGH


def test_modectl_run(pc: PC) -> None:
    """`run` has the card on vfio-pci for as long as its command runs, and ends with that one's status."""
    driver = f"readlink /sys/bus/pci/devices/{GPU}/driver"
    there = pc.run(f"vfio-modectl run passthrough -- sh -c '{driver}; exit 7'")
    assert there.rc == 7, there
    assert there.stdout.endswith("/vfio-pci\n") and there.stdout.count("\n") == 1
    assert "Mode 'passthrough': 2 functions" in there.stderr and "Mode 'host': 0 functions" in there.stderr
    assert look(pc) == HOST


def steps_in_journal(pc: PC, mode: str) -> list[str]:
    """The steps that the last run of a mode's unit logged, each as `ADDRESS: what`."""
    log = pc.ok(f"{JOURNAL} _SYSTEMD_INVOCATION_ID=$(systemctl show --value -p InvocationID vfio-mode@{mode})")
    return [line for line in log.splitlines() if line.startswith(("0000:", "load the module"))]


def test_dry_run(pc: PC) -> None:
    """--dry-run changes nothing, and names the steps that then happen, in their order."""
    for mode, here in (("passthrough", HOST), ("host", PASSTHROUGH)):
        answer = ask(pc, f"switch {mode} --dry-run")
        assert (answer["mode"], answer["dry_run"], answer["changed"]) == (mode, True, True)
        text = pc.ok(f"vfio-modectl switch {mode} --dry-run")
        assert look(pc) == here
        pc.ok(f"systemctl start vfio-mode@{mode}")
        done = steps_in_journal(pc, mode)
        assert [step["text"] for step in answer["steps"]] == done
        assert len(done) >= 4
        for step in done:
            assert step in text
    assert look(pc) == HOST


@pytest.mark.parametrize("mode", [pytest.param("host", marks=pytest.mark.long), "passthrough"])
def test_what_is_shown_is_what_is(pc: PC, mode: str) -> None:
    """status, list-devices and list-modes agree with sysfs, and any user may ask."""
    pc.ok(f"systemctl start vfio-mode@{mode}")
    here = look(pc)
    drivers = {GPU: here.gpu, AUDIO: here.audio}

    status = ask(pc, "status", before="runuser -u nobody -- ")
    assert (status["mode"], status["half_way"], status["drift"]) == (mode, False, [])
    assert (status["default_mode"], status["fallback_mode"]) == ("host", "host")
    assert status["config"]["state"] == "ok"
    assert status["last_switch"]["result"] == "none"
    shown = {entry["address"]: entry["driver"] for entry in status["devices"]}
    assert {address: shown[address] for address in drivers} == drivers

    devices = ask(pc, "list-devices", before="runuser -u nobody -- ")["devices"]
    shown = {entry["address"]: entry["driver"] for entry in devices}
    assert {address: shown[address] for address in drivers} == drivers

    modes = {entry["mode"]: entry for entry in ask(pc, "list-modes", before="runuser -u nobody -- ")["modes"]}
    assert {name: entry["current"] for name, entry in modes.items()} == {
        "host": mode == "host", "passthrough": mode == "passthrough"}

    as_nobody = "runuser -u nobody -- vfio-modectl"
    assert pc.ok(f"{as_nobody} status --mode") == mode
    for verb in ("status", "list-devices", "list-devices --tree", "list-modes"):
        text = pc.ok(f"{as_nobody} {verb}")
        assert mode in text or here.gpu in text
        if verb != "list-modes":
            assert GPU in text and AUDIO in text


def test_an_ordinary_user_may_not_switch(pc: PC) -> None:
    """Looking is free, switching is not: exit status 8, and nothing moves."""
    result = pc.run("runuser -u nobody -- vfio-modectl switch passthrough")
    assert result.rc == 8, result.out
    assert look(pc) == HOST
