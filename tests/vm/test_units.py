# SPDX-License-Identifier: GPL-2.0-or-later
"""The active instance of vfio-mode@.service is the mode that the machine is in, whatever happens."""

import pytest

from machines import ini
from modectl import status
from modes import AUDIO, GPU, HOST, JOURNAL, NIC, PASSTHROUGH, Look, bindings, look, properties, refused
from pc import PC

pytestmark = pytest.mark.machine("gpu")

# What holds in one mode hardly fails in the other, and a scenario costs half a minute.
MODES = [pytest.param("host", HOST, marks=pytest.mark.long), ("passthrough", PASSTHROUGH)]


def go(pc: PC, mode: str) -> None:
    pc.ok(f"systemctl start vfio-mode@{mode}")
    assert look(pc) == {"host": HOST, "passthrough": PASSTHROUGH}[mode]


def healthy(pc: PC) -> bool:
    return pc.ok("systemctl is-system-running") == "running"


# ---- The ordinary ways ----


def test_start_again(pc: PC) -> None:
    """An instance that is active stays as it is: no second run, no error."""
    for mode, there in (("host", HOST), ("passthrough", PASSTHROUGH)):
        go(pc, mode)
        before = properties(pc, f"vfio-mode@{mode}", "InvocationID")
        pc.ok(f"systemctl start vfio-mode@{mode}")
        assert look(pc) == there
        assert properties(pc, f"vfio-mode@{mode}", "InvocationID") == before


def test_stop_leads_to_the_fallback_mode(pc: PC) -> None:
    """`stop` returns when the fallback mode is on."""
    go(pc, "passthrough")
    pc.ok("systemctl stop vfio-mode@passthrough")
    assert look(pc) == HOST
    assert healthy(pc)


def test_stop_of_the_fallback_mode_changes_nothing(pc: PC) -> None:
    """There is nowhere to go: its instance stays active, once it has looked, and nothing moves."""
    go(pc, "host")
    for _ in range(2):
        pc.run("systemctl stop vfio-mode@host")
        pc.ok("systemctl start vfio-mode@host")  # waits for the start job that is queued
        assert look(pc) == HOST
    go(pc, "passthrough")
    pc.run("systemctl stop vfio-mode@host")
    assert look(pc) == PASSTHROUGH


@pytest.mark.parametrize("mode, there", MODES)
def test_reload_mends_drift(pc: PC, mode: str, there: Look) -> None:
    """`reload` brings back what somebody took from the mode, and so does vfio-modectl switch."""
    go(pc, mode)
    for mend in (f"systemctl reload vfio-mode@{mode}", f"vfio-modectl switch {mode}"):
        for function in (GPU, AUDIO):
            pc.ok(f"echo {function} > /sys/bus/pci/devices/{function}/driver/unbind")
            assert look(pc) != there
            pc.ok(mend)
            assert look(pc) == there


def test_reload_mends_an_override(pc: PC) -> None:
    """An override that is gone, or that keeps the host's driver off, is drift as well."""
    go(pc, "passthrough")
    pc.ok(f"echo > /sys/bus/pci/devices/{GPU}/driver_override")
    assert GPU in " ".join(status(pc)["drift"])
    pc.ok("systemctl reload vfio-mode@passthrough")
    assert look(pc) == PASSTHROUGH
    go(pc, "host")
    pc.ok(f"echo vfio-pci > /sys/bus/pci/devices/{AUDIO}/driver_override")
    pc.ok("systemctl reload vfio-mode@host")
    assert look(pc) == HOST


def test_restart_stays_in_the_mode(pc: PC) -> None:
    """No function goes to the fallback mode in between: vfio-pci keeps them the whole time."""
    go(pc, "passthrough")
    before = bindings(pc, GPU, AUDIO)
    pc.ok("systemctl restart vfio-mode@passthrough")
    assert look(pc) == PASSTHROUGH
    assert bindings(pc, GPU, AUDIO) == before
    go(pc, "host")
    before = bindings(pc, GPU, AUDIO)
    pc.ok("systemctl restart vfio-mode@host")
    assert look(pc) == HOST
    assert bindings(pc, GPU, AUDIO) == before
    # Restarting another one is a switch.
    pc.ok("systemctl restart vfio-mode@passthrough")
    assert look(pc) == PASSTHROUGH


@pytest.mark.parametrize("mode, there", MODES)
@pytest.mark.drawn("switches")
def test_the_manager_may_be_reloaded(pc: PC, mode: str, there: Look) -> None:
    """daemon-reload, daemon-reexec and an upgrade of the unit files move nothing."""
    go(pc, mode)
    for command in ("systemctl daemon-reload", "systemctl daemon-reexec"):
        pc.ok(command)
        assert look(pc) == there
    pc.ok("""
        cd /usr/lib/systemd/system
        mkdir /run/new-units
        mv vfio-mode*.service /run/new-units
        systemctl daemon-reload
        cp -p /run/new-units/* .
        rm -r /run/new-units
        systemctl daemon-reload
        systemctl preset vfio-mode-boot.service vfio-mode-fallback.service 2>&1
    """)
    assert look(pc) == there
    go(pc, "passthrough")
    go(pc, "host")


# ---- The fallback unit, and isolate ----


def test_fallback_unit(pc: PC) -> None:
    """It leads to the fallback mode, from wherever, as often as it is started."""
    go(pc, "passthrough")
    for _ in range(2):
        pc.ok("systemctl start vfio-mode-fallback.service")
        assert look(pc) == HOST
    pc.ok(f"echo {GPU} > /sys/bus/pci/devices/{GPU}/driver/unbind")
    pc.ok("systemctl start vfio-mode-fallback.service")
    assert look(pc) == HOST
    assert healthy(pc)


@pytest.mark.drawn("switches")
def test_isolate(pc: PC) -> None:
    """A target decides about services; only one that wants the fallback unit moves the GPU."""
    for mode, there in (("host", HOST), ("passthrough", PASSTHROUGH)):
        go(pc, mode)
        pc.ok("systemctl isolate multi-user.target")
        assert look(pc) == there
    pc.ok("systemctl isolate rescue.target")
    assert look(pc) == HOST
    pc.ok("systemctl isolate multi-user.target")
    assert look(pc) == HOST


# ---- Refused ----


def check_refused(pc: PC, mode: str, status: int, sentence: str, before: Look) -> None:
    """Start MODE's unit in vain: the exit status and the reason are there, all else is as before."""
    assert pc.run(f"systemctl start vfio-mode@{mode}").rc == 1
    code, text = refused(pc, mode)
    assert (code, sentence in text) == (status, True), (code, text)
    assert text in pc.run(f"systemctl status --no-pager --full vfio-mode@{mode}").out
    assert text in pc.ok(f"{JOURNAL} -u vfio-mode@{mode}")
    assert look(pc) == with_failed(before, mode)
    assert pc.ok("vfio-modectl status --mode") == pc.ok(
        "systemctl list-units --plain --no-legend --state=active 'vfio-mode@*' | "
        "sed 's/^vfio-mode@//; s/\\.service.*//'")


def with_failed(before: Look, mode: str) -> Look:
    """The same machine, with the unit whose start was refused failed."""
    units = {name: "failed" if name == mode else state for name, state in before.units.items()}
    return Look(**(vars(before) | {"units": units}))


def test_refused_missing_consent(pc: PC) -> None:
    """Without consent the boot display stays: exit status 26, and modectl's 6."""
    pc.write("/etc/vfio-mode.ini", ini(consent=""))
    check_refused(pc, "passthrough", 26, "consent = boot-vga", HOST)
    result = pc.run("vfio-modectl switch passthrough")
    assert (result.rc, "drives-the-console" in result.stderr) == (6, True), result.out
    pc.write("/etc/vfio-mode.ini", ini())
    go(pc, "passthrough")
    go(pc, "host")
    assert healthy(pc)


@pytest.mark.parametrize("mode, there", MODES)
def test_refused_unknown_mode(pc: PC, mode: str, there: Look) -> None:
    """A mode that nobody configured: exit status 23, the machine's own mode stays on."""
    go(pc, mode)
    check_refused(pc, "gaming", 23, "no mode 'gaming'", there)
    assert pc.run("vfio-modectl switch gaming").rc == 3
    pc.ok("systemctl start vfio-mode-fallback.service")
    assert look(pc) == HOST
    # What was refused is forgotten with the next switch that is done.
    go(pc, "passthrough")
    assert healthy(pc)


# ---- Failed on the way, and undone (see test_kill.py, too) ----


def test_failed_between_two_modes(pc: PC) -> None:
    """The GPU is back on the host when the NIC's wrong host driver refuses it: all is taken again."""
    pc.write("/etc/vfio-mode.ini", ini(nic=NIC).replace(
        "[mode host]", "host-driver = e1000\n\n[mode host]").replace(
        "vfio-devices = gpu", "vfio-devices = gpu nic") + "\n[mode desk]\n")
    go(pc, "passthrough")
    assert pc.driver(NIC) == "vfio-pci"
    check_refused(pc, "desk", 21, NIC, PASSTHROUGH)
    log = pc.ok(f"{JOURNAL} -u vfio-mode@desk")
    assert f"{GPU}: unbind from vfio-pci" in log
    assert pc.driver(NIC) == "vfio-pci"
    assert pc.read(f"/sys/bus/pci/devices/{NIC}/driver_override") == "vfio-pci\n"


# ---- Units that are bound to a mode ----

GUEST = """
[Unit]
BindsTo=vfio-mode@passthrough.service
After=vfio-mode@passthrough.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=true
ExecStop=sh -c 'basename -a $$(readlink /sys/bus/pci/devices/*:01:00.?/driver) > /run/guest-saw'
"""


@pytest.mark.drawn("switches")
def test_a_bound_guest_ends_before_its_gpu_goes(pc: PC) -> None:
    """By whatever way: its ExecStop still sees vfio-pci on both functions."""
    pc.write("/etc/systemd/system/guest.service", GUEST)
    pc.ok("systemctl daemon-reload")
    for leave in ("start vfio-mode@host", "stop vfio-mode@passthrough",
                  "start vfio-mode-fallback.service"):
        # Against a guest the mode is held that somebody went to by hand.
        pc.ok("vfio-modectl release; systemctl start guest.service")
        assert look(pc) == PASSTHROUGH
        pc.ok(f"rm -f /run/guest-saw; systemctl {leave}")
        assert look(pc) == HOST
        assert pc.read("/run/guest-saw") == "vfio-pci\nvfio-pci\n"
        assert pc.run("systemctl is-active guest.service").stdout == "inactive\n"


def test_a_bound_guest_survives_a_refused_switch(pc: PC) -> None:
    """What is refused before anything is touched leaves guests alone."""
    pc.write("/etc/systemd/system/guest.service", GUEST)
    pc.ok("systemctl daemon-reload; systemctl start guest.service")
    check_refused(pc, "gaming", 23, "no mode 'gaming'", PASSTHROUGH)
    assert pc.run("systemctl is-active guest.service").stdout == "active\n"


# ---- A configuration that was broken while the GPU was away ----


@pytest.mark.parametrize("leave", [
    pytest.param("vfio-modectl switch host", marks=pytest.mark.long), "systemctl start vfio-mode@host",
    pytest.param("systemctl stop vfio-mode@passthrough", marks=pytest.mark.long),
    "systemctl start vfio-mode-fallback.service"])
def test_a_typo_does_not_lock_the_gpu_out(pc: PC, leave: str) -> None:
    """Every way back works; the next way in is refused with file and line: 3, and 23 of the unit."""
    go(pc, "passthrough")
    text = ini(nic=NIC).replace("consent =", "consnet =")
    line = 1 + text.splitlines().index("consnet = boot-vga")
    pc.write("/etc/vfio-mode.ini", text)
    pc.ok(leave)
    assert look(pc) == HOST
    where = f"/etc/vfio-mode.ini:{line}: "
    check_refused(pc, "passthrough", 23, where, HOST)
    result = pc.run("vfio-modectl switch passthrough")
    assert (result.rc, where in result.stderr) == (3, True), result.out
    assert look(pc) == with_failed(HOST, "passthrough")
