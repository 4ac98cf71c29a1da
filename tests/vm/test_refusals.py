# SPDX-License-Identifier: GPL-2.0-or-later
"""Each refusal, provoked on the real kernel on a machine that has the condition.

The tool and the unit say why in the same words, each with its exit code, and the machine is as before:
the driver and the override of every PCI function, the active mode, the screens.
"""

import ast
import re
from pathlib import Path

import pytest

from machines import ini
from modes import (INI, active, check_refused, check_tool_refused, check_unit_refused, drivers,
                   overrides, refused, snapshot)
from pc import PC

GPU, AUDIO, NIC = "0000:01:00.0", "0000:01:00.1", "0000:02:00.0"
HERE = Path(__file__).resolve().parent

# A second mode beside `passthrough`, which has the NIC as well.
TWO_MODES = ini(nic=NIC) + "\n[mode both]\nvfio-devices = gpu nic\n"


def hold(pc: PC, program: str) -> int:
    """Leave a Python program running that has said it holds something; returns its process id."""
    pc.write("/root/hold.py", f"import fcntl, os, signal\n{program}\n"
             "open('/root/held', 'w').write(str(os.getpid()))\nsignal.pause()\n")
    return int(pc.ok("rm -f /root/held; mkfifo /root/held; python3 /root/hold.py & cat /root/held"))


def take_module_away(pc: PC, name: str) -> None:
    """As after an upgrade that left no modules for the running kernel."""
    pc.ok(f"file=$(modinfo -n {name}) && mv $file /root/ && echo $file > /root/{name}.was")


def bring_module_back(pc: PC, name: str) -> None:
    pc.ok(f"file=$(cat /root/{name}.was) && mv /root/${{file##*/}} $file")


# ---- The configuration ----


@pytest.mark.machine("gpu")
def test_config_invalid(pc: PC) -> None:
    """A typo is named with its file and line, and nothing is switched."""
    text = ini() + "vfio-device = gpu\n"
    pc.write(INI, text)
    check_refused(pc, "passthrough", "config-invalid", 3, f"{INI}:{text.count(chr(10))}: ", "vfio-device")


@pytest.mark.machine("gpu")
def test_config_invalid_way_back(pc: PC) -> None:
    """A typo made while the GPU is away does not keep it away: the way back has its own copy."""
    pc.ok("systemctl start vfio-mode@passthrough")
    pc.write(INI, "[mode passthrough\n")
    assert active(pc) == ["passthrough"]
    pc.ok("systemctl start vfio-mode@host")
    assert drivers(pc, GPU, AUDIO) == ["bochs-drm", "snd_hda_intel"]
    check_refused(pc, "passthrough", "config-invalid", 3, f"{INI}:1: ")


@pytest.mark.machine("gpu")
def test_unknown_mode(pc: PC) -> None:
    before = snapshot(pc)
    check_tool_refused(pc, "passthru", "unknown-mode", 3, "no mode 'passthru'")
    check_unit_refused(pc, "passthru", "unknown-mode", 3, "no mode 'passthru'")
    assert snapshot(pc) == before


@pytest.mark.machine("gpu")
def test_fallback_takes_display(pc: PC) -> None:
    """A fallback mode without the only screen would be no way back."""
    pc.write(INI, ini().replace("[mode host]", "[mode host]\nvfio-devices = gpu"))
    check_refused(pc, "passthrough", "fallback-takes-display", 3, "'host'", "'gpu'", GPU)


# ---- The devices ----


@pytest.mark.machine("gpu")
def test_not_found(pc: PC) -> None:
    pc.write(INI, ini("address = 0000:09:00.0"))
    check_refused(pc, "passthrough", "not-found", 5, "'gpu'", "nothing at 0000:09:00.0")


@pytest.mark.long
@pytest.mark.machine("gpu")
def test_not_found_by_id(pc: PC) -> None:
    pc.write(INI, ini("id = 10de:2484"))
    check_refused(pc, "passthrough", "not-found", 5, "'gpu'", "10de:2484")


@pytest.mark.long
@pytest.mark.machine("gpu")
def test_not_found_function(pc: PC) -> None:
    """A function that the configuration names and the card does not have."""
    pc.write(INI, ini(f"address = {GPU}\nfunctions = 0 1 2"))
    check_refused(pc, "passthrough", "not-found", 5, "function 2", "0000:01:00.2")


@pytest.mark.machine("gpu")
def test_other_device_there(pc: PC) -> None:
    """Both ids are named. test_two_gpus.py swaps a real card."""
    pc.write(INI, ini(f"address = {GPU}\nid = 10de:2484"))
    check_refused(pc, "passthrough", "other-device-there", 5, GPU, "10de:2484", "1234:1111")


@pytest.mark.machine("two-gpus")
def test_ambiguous_id(pc: PC) -> None:
    """Two identical cards and an id alone: neither is guessed, both are named."""
    pc.write(INI, ini("id = 1234:1111"))
    check_refused(pc, "passthrough", "ambiguous-id", 5, "1234:1111", "0000:01:00.0", "0000:02:00.0")


# ---- What the machine cannot do ----


@pytest.mark.machine("no-iommu")
def test_no_iommu(pc: PC) -> None:
    """Refused before anything is touched: a failed bind would cost the console."""
    assert pc.read("/proc/fb") != ""
    check_refused(pc, "passthrough", "no-iommu", 5, GPU, "IOMMU")
    assert "frame buffer" in pc.ok("cat /sys/class/vtconsole/*/name")
    assert drivers(pc, GPU, AUDIO) == ["bochs-drm", "snd_hda_intel"]


@pytest.mark.machine("foreign-group")
def test_group_not_viable(pc: PC) -> None:
    """Whose driver is in the way, and what can be done."""
    check_refused(pc, "passthrough", "group-not-viable", 5, "0000:02:01.0", "0000:02:02.0", "e1000",
                  "also=")


@pytest.mark.machine("foreign-group")
def test_group_not_viable_after_all(pc: PC) -> None:
    """What the refusal advises works: a member that may go with it makes the group viable."""
    pc.write(INI, ini("address = 0000:02:01.0\nid = 1234:1111\nalso = 0000:02:02.0"))
    pc.ok("vfio-modectl switch passthrough")
    functions = ("0000:02:01.0", "0000:02:01.1", "0000:02:02.0")
    assert drivers(pc, *functions) == ["vfio-pci"] * 3
    pc.ok("vfio-modectl switch host")
    assert drivers(pc, *functions) == ["bochs-drm", "snd_hda_intel", "e1000"]
    assert overrides(pc) == {}


@pytest.mark.machine("gpu")
def test_drives_the_console(pc: PC) -> None:
    """The boot display does not go without consent."""
    pc.write(INI, ini(consent=""))
    check_refused(pc, "passthrough", "drives-the-console", 6, GPU, "consent = boot-vga")


@pytest.mark.machine("nic")
def test_drives_the_console_without_boot_vga(pc: PC) -> None:
    """Nor does a display that is no VGA, but has the console; on the way to the fallback mode it stays."""
    pc.write(INI, ini(consent=""))
    check_refused(pc, "passthrough", "drives-the-console", 6, f"The display that shows the console is {GPU}",
                  "consent = boot-vga")
    pc.write(INI, "[device gpu]\naddress = 0000:01:00.0\n[mode host]\nvfio-devices = gpu\n")
    pc.ok("vfio-modectl switch host")
    assert drivers(pc, GPU, AUDIO) == ["bochs-drm", "snd_hda_intel"]


@pytest.mark.drawn("switches")
@pytest.mark.machine("gpu")
def test_module_unavailable(pc: PC) -> None:
    """No vfio-pci for this kernel, or one that the administrator has forbidden."""
    assert pc.run("test -e /sys/module/vfio_pci").rc == 1
    take_module_away(pc, "vfio-pci")
    check_refused(pc, "passthrough", "module-unavailable", 5, "vfio-pci")
    bring_module_back(pc, "vfio-pci")
    pc.write("/etc/modprobe.d/forbidden.conf", "install vfio-pci /bin/false\n")
    check_refused(pc, "passthrough", "module-unavailable", 5, "vfio-pci")
    pc.ok("rm /etc/modprobe.d/forbidden.conf; vfio-modectl switch passthrough")
    assert active(pc) == ["passthrough"]


# ---- The moment ----


@pytest.mark.machine("gpu")
def test_busy(pc: PC) -> None:
    """A card that a process holds is not pulled away to mend a mode, nor is the process ended.
    (tests/vm/test_stop_vm.py leaves a mode.)"""
    pc.ok(f"""
        modprobe vfio-pci
        echo vfio-pci > /sys/bus/pci/devices/{NIC}/driver_override
        echo {NIC} > /sys/bus/pci/devices/{NIC}/driver/unbind
        echo {NIC} > /sys/bus/pci/drivers/vfio-pci/bind
    """)
    holder = hold(pc, f"fd = os.open('/dev/vfio/{pc.group(NIC)}', os.O_RDWR)")
    before = snapshot(pc)
    check_tool_refused(pc, "host", "busy", 4, NIC, f"process {holder} (python3)")
    assert snapshot(pc) == before
    pc.ok(f"kill {holder}; timeout 60 tail --pid={holder} -f /dev/null; vfio-modectl switch host")
    assert drivers(pc, NIC) == ["e1000e"]


@pytest.mark.machine("gpu")
def test_already_switching(pc: PC) -> None:
    """Two switches at once are one too many; the second is told, and does not wait. The first one waits for
    a unit that does not stop yet."""
    pc.write(INI, TWO_MODES + "stop-units = slow.service\n")
    pc.ok("mkfifo /run/goes-on; systemd-run --quiet --unit=slow --service-type=exec "
          "--property='ExecStop=sh -c \"read line < /run/goes-on\"' tail -f /dev/null\n"
          "systemctl start --no-block vfio-mode@both\n"
          "until [ $(systemctl show --value -p ActiveState slow) = deactivating ]; do :; done")
    assert pc.run("systemctl start vfio-mode@passthrough").rc == 1
    assert refused(pc, "passthrough") == (24, "Another switch is under way.")
    check_tool_refused(pc, "passthrough", "already-switching", 4, "Another switch is under way")
    pc.ok("echo > /run/goes-on")
    assert active(pc) == ["both"]
    assert drivers(pc, GPU, AUDIO, NIC) == ["vfio-pci"] * 3


def begin_shutdown(pc: PC) -> None:
    """Going down, with a service that does not end yet."""
    pc.ok("systemd-run --quiet --unit=lingering --property=TimeoutStopSec=infinity "
          "--property='ExecStop=tail -f /dev/null' --service-type=exec tail -f /dev/null")
    pc.ok("systemctl --no-block poweroff; "
          "until [ \"$(systemctl is-system-running)\" = stopping ]; do :; done")


@pytest.mark.machine("gpu")
@pytest.mark.parametrize("here, there", [("host", "passthrough"), ("passthrough", "host")])
def test_shutting_down(pc: PC, here: str, there: str) -> None:
    """While the machine goes down no card moves, in either direction, by whatever way."""
    pc.ok(f"vfio-modectl switch {here}")
    begin_shutdown(pc)
    check_refused(pc, there, "shutting-down", 4, "going down")
    before = snapshot(pc)
    assert before.active == [here]
    pc.run("systemctl start vfio-mode-fallback.service")
    pc.run(f"systemctl stop vfio-mode@{here}")
    assert snapshot(pc).places == before.places


@pytest.mark.machine("gpu")
def test_failed(pc: PC) -> None:
    """A switch that fails on its way is undone: the NIC's host driver is gone, so it stays where it was."""
    pc.write(INI, TWO_MODES)
    pc.ok("vfio-modectl switch both")
    pc.ok("modprobe -r e1000e")
    take_module_away(pc, "e1000e")
    check_refused(pc, "passthrough", "failed", 1, NIC)
    assert active(pc) == ["both"]
    assert drivers(pc, GPU, AUDIO, NIC) == ["vfio-pci"] * 3


@pytest.mark.machine("gpu")
def test_half_way(pc: PC) -> None:
    """On the way back the screen comes back although the NIC cannot; no mode is claimed, and the next
    try mends it."""
    pc.write(INI, TWO_MODES)
    pc.ok("vfio-modectl switch both")
    pc.ok("modprobe -r e1000e")
    take_module_away(pc, "e1000e")
    check_tool_refused(pc, "host", "half-way", 1, NIC)
    assert drivers(pc, GPU, AUDIO, NIC) == ["bochs-drm", "snd_hda_intel", ""]
    assert "bochs-drm" in pc.read("/proc/fb")
    assert active(pc) == []
    assert pc.ok("vfio-modectl status --mode") == "none"
    check_unit_refused(pc, "host", "half-way", 1, NIC)
    bring_module_back(pc, "e1000e")
    pc.ok("systemctl start vfio-mode@host")
    assert drivers(pc, GPU, AUDIO, NIC) == ["bochs-drm", "snd_hda_intel", "e1000e"]
    assert active(pc) == ["host"]
    assert overrides(pc) == {}


# ---- All of them ----


CHECKS = {check.__name__ for check in (check_refused, check_tool_refused, check_unit_refused)}


def expected_by(call: ast.Call) -> set[str]:
    """The refusals that a call of a check expects; vfio-modectl writes the name in parentheses."""
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    words = [argument.value if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
             else "" for argument in call.args]
    if name in CHECKS:
        return set(words[2:3])
    return {word[1:-1] for word in words if name == "refused" and re.fullmatch(r"\([a-z-]+\)", word)}


def expected_refusals() -> set[str]:
    """Those that a test expects which every run has, or may draw."""
    return {
        name
        for file in HERE.glob("test_*.py")
        for function in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(function, ast.FunctionDef) and function.name.startswith("test_")
        and not any(re.search(r"\b(long|skip|skipif|xfail)\b", ast.unparse(mark))
                    for mark in function.decorator_list)
        for call in ast.walk(function) if isinstance(call, ast.Call)
        for name in expected_by(call)
    }


def test_every_refusal_has_a_scenario() -> None:
    table = (HERE.parent.parent / "daemon/model/refusal.c").read_text(encoding="utf-8")
    names = set(re.findall(r"\[REFUSAL_\w+\] = \{ \"([a-z-]+)\"", table)) - {"none"}
    assert len(names) == table.count("[REFUSAL_") - 1, "the table is not written as it used to be"
    assert names - expected_refusals() == set()
