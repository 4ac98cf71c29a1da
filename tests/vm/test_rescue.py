# SPDX-License-Identifier: GPL-2.0-or-later
"""The power button in a mode that took the screen: it is pressed as QEMU does it, by ACPI."""

import pytest

import libvirt
from machines import ini
from modectl import status
from modes import HOST, INI, JOURNAL, PASSTHROUGH, drivers, look
from pc import PC
from test_guard import LOCKS, UNIT, UNTIL_HOST, check_sleeps, check_told_alike, events, hold, until_phase, watch
from test_libvirt import START
from test_stop_vm import SECONDS, check_returned, write_service

RESCUES = ini(rescue=True) + f"stop-vm = {SECONDS}s\n"
PRESSED = "the power button was pressed"
IS_TAKEN = f"{LOCKS} | grep -q '\"handle-power-key\" \"vfio-mode\"'"


@pytest.mark.drawn("vms")
@pytest.mark.machine("gpu")
@pytest.mark.parametrize("stop", ["/bin/sh -c 'kill $MAINPID'", "sleep infinity"], ids=["obeys", "ignores"])
def test_it_brings_the_screen_back(pc: PC, stop: str) -> None:
    """With a guest on the card, and be it one that does not end by itself; then it shuts the machine down."""
    assert pc.run(IS_TAKEN).rc == 1
    pc.write(INI, RESCUES)
    write_service(pc, stop)
    watch(pc)
    pc.ok(f"vfio-modectl switch passthrough; systemctl start guest.service; until {IS_TAKEN}; do :; done")
    pid = pc.read("/run/guest.pid").strip()
    assert look(pc) == PASSTHROUGH
    pc.power_button()
    # Meanwhile it does nothing more.
    pc.ok("until systemctl show --value -p ActiveState vfio-mode-rescue | grep -qx activating; do :; done")
    pc.power_button()
    pc.ok(UNTIL_HOST)
    check_returned(pc, pid)
    there = status(pc)
    assert (there["source"], there["reason"], there["held"]["reason"]) == ("power-button", PRESSED, PRESSED)
    assert not [event for event in events(pc, '"new_mode":"host"') if event["event"] == "fell-back"]
    check_told_alike(pc, there)
    said = pc.ok(f"{JOURNAL} -p emerg")
    assert "The power button was pressed: the screen is on its way back." in said, said
    pc.ok(f"while {IS_TAKEN}; do :; done; [ $(systemctl show --value -p Result vfio-mode-rescue) = success ]")
    pc.run("systemctl kill --signal=KILL guest.service")  # what it was asked by would wait for ever
    pc.power_button()
    pc.wait_poweroff()


@pytest.mark.drawn("vms")
@pytest.mark.machine("gpu")
def test_a_guest_of_libvirt_is_shut_down(pc: PC) -> None:
    """By virsh, and it obeys: no signal ends it."""
    pc.write(INI, ini(rescue=True) + "switch-for-vm = yes\n")
    libvirt.install(pc)
    libvirt.define_obeying(pc)
    pc.ok(START, timeout=120)
    libvirt.until_it_obeys(pc)
    pc.ok(f"until {IS_TAKEN}; do :; done")
    pc.power_button()
    pc.ok(UNTIL_HOST, timeout=120)
    assert look(pc) == HOST
    assert "shutting down, reason=shutdown" in pc.ok(f"tail -n 1 {libvirt.LOG}")
    assert status(pc)["source"] == "power-button"


@pytest.mark.drawn("vms")
@pytest.mark.machine("two-gpus")
def test_another_card_has_a_screen(pc: PC) -> None:
    """Then the button is left alone."""
    pc.write(INI, ini("address = 0000:01:00.0", rescue=True))
    pc.ok("vfio-modectl switch passthrough")
    assert drivers(pc, "0000:01:00.0", "0000:02:00.0") == ["vfio-pci", "bochs-drm"]
    until_phase(pc, "over")
    assert pc.run(IS_TAKEN).rc == 1
    pc.power_button()
    pc.wait_poweroff()


@pytest.mark.drawn("vms")
@pytest.mark.machine("gpu")
def test_it_can_be_left_alone(pc: PC) -> None:
    """By the configuration; and the guard that has it is killed without losing it for good."""
    pc.write(INI, ini())
    pc.ok("vfio-modectl switch passthrough")
    until_phase(pc, "over")
    assert pc.run(IS_TAKEN).rc == 1
    pc.write(INI, RESCUES)
    pc.ok(f"vfio-modectl switch host; vfio-modectl switch passthrough; until {IS_TAKEN}; do :; done")
    # Nothing but the button and who opens the card wakes the guard; while somebody has that the machine stays awake.
    until_phase(pc, "over")
    check_sleeps(pc)
    sleep_is_locked = f"{LOCKS} | grep -q '\"sleep\" \"vfio-mode\"'"
    pid = hold(pc)
    pc.ok(f"until {sleep_is_locked}; do :; done; kill {pid}; while {sleep_is_locked}; do :; done")
    pc.ok(f"""
        old=$(systemctl show --value -p MainPID {UNIT})
        kill -KILL "$old"
        until pid=$(systemctl show --value -p MainPID {UNIT}); [ "$pid" != 0 ] && [ "$pid" != "$old" ] &&
                {LOCKS} | grep -q '"handle-power-key" "vfio-mode" "[^"]*" "block" 0 '$pid'\\b'; do :; done
    """)
    pc.power_button()
    pc.ok(UNTIL_HOST)
    assert look(pc) == HOST
