# SPDX-License-Identifier: GPL-2.0-or-later
"""The way back: what is said of it before and after (what returns by reboot only, the picture), and that the
power policy is found again."""

import pytest

from machines import ini
from modectl import ask
from modes import AUDIO, GPU, INI, JOURNAL, drivers
from pc import PC
from test_faulty import DRIVER, module
from test_refusals import take_module_away

pytestmark = pytest.mark.machine("gpu")


def notes(pc: PC) -> list[str]:
    return ask(pc, "switch passthrough --dry-run")["notes"]


@pytest.mark.drawn("switches")
def test_returns_by_reboot_only(pc: PC) -> None:
    """Said in the plan and by the switch before anything is taken: a host-driver that is not there, and a
    display that never had a driver, only what the firmware left on it."""
    assert notes(pc) == []
    pc.write(INI, ini(f"address = {GPU}\nhost-driver = no-such-driver"))
    [said] = notes(pc)
    assert said.startswith(f"{GPU} returns by reboot only: its host-driver"), said
    pc.write(INI, ini(f"address = {GPU}\nhost-driver = bochs-drm"))
    assert notes(pc) == []
    pc.write(INI, ini())
    pc.ok(f"echo {GPU} > /sys/bus/pci/drivers/bochs-drm/unbind")
    assert notes(pc) == [], "its module is there"
    pc.ok("rmmod bochs")
    assert notes(pc) == [], "its module is there still"
    take_module_away(pc, "bochs")
    pc.ok("depmod", timeout=600)  # a minute, where nothing else runs
    [said] = notes(pc)
    assert said.startswith(f"{GPU} returns by reboot only: this host has no driver for it"), said
    shown = pc.ok("script -qec 'vfio-modectl switch passthrough --no-pager' /dev/null")
    assert "note: 0000:01:00.0 returns by reboot only" in shown, shown
    assert "returns by reboot only" in pc.ok(f"{JOURNAL} -u vfio-mode@passthrough")
    pc.ok("vfio-modectl switch host")
    assert drivers(pc, GPU) == [""]


def test_the_picture_is_back(pc: PC) -> None:
    """A screen that was connected is looked for again. Where the driver that has the card then knows of none,
    here one that only takes it, that is said, and the switch has succeeded all the same."""
    pc.ok("vfio-modectl switch passthrough")
    assert f"function={GPU} bochs-drm - picture " in pc.read("/run/vfio-mode/status")
    assert "screen" not in pc.ok("vfio-modectl switch host")
    pc.push(module(pc.machine.suite), "/root/vfio_mode_faulty.ko")
    pc.ok(f"insmod /root/vfio_mode_faulty.ko; echo 1234 1111 > /sys/bus/pci/drivers/{DRIVER}/new_id")
    pc.write(INI, ini(f"address = {GPU}\nhost-driver = {DRIVER}"))
    pc.ok("vfio-modectl switch passthrough")
    said = pc.ok("vfio-modectl switch host")
    assert f"{GPU} had a screen connected when it left, and has none now." in said, said
    assert drivers(pc, GPU) == [DRIVER]


def power(pc: PC, *functions: str) -> list[str]:
    """power/control and d3cold_allowed of each."""
    return pc.ok("cd /sys/bus/pci/devices; cat " + " ".join(
        f"{function}/power/control {function}/d3cold_allowed" for function in functions)).split()


def set_power(pc: PC, **policies: str) -> None:
    pc.ok("cd /sys/bus/pci/devices\n" + "\n".join(
        f"echo {value} > {function}/{attribute}" for function, values in policies.items()
        for attribute, value in zip(("power/control", "d3cold_allowed"), values.split(), strict=True)))


def test_power_policy(pc: PC) -> None:
    """What of the functions and of the port above them was set before is set after: vfio-pci lets a function sleep,
    and keeps it awake when it lets it go; whoever runs a guest may have changed the rest."""
    port = pc.ok(f"readlink /sys/bus/pci/devices/{GPU}").split("/")[-2]
    functions = (GPU, AUDIO, port)
    set_power(pc, **{GPU: "auto 0", AUDIO: "on 1", port: "on 0"})
    before = power(pc, *functions)
    assert before == ["auto", "0", "on", "1", "on", "0"]
    pc.ok("vfio-modectl switch passthrough")
    assert power(pc, GPU, AUDIO) == ["auto", "0", "auto", "1"]
    assert f"function={GPU} bochs-drm - picture power=auto/0 port={port}/on/0\n" in pc.read("/run/vfio-mode/status")
    set_power(pc, **{GPU: "on 1", AUDIO: "auto 0", port: "auto 1"})
    pc.ok("vfio-modectl switch host")
    assert drivers(pc, GPU, AUDIO) == ["bochs-drm", "snd_hda_intel"]
    assert power(pc, *functions) == before
    journal = pc.ok(f"{JOURNAL} -u vfio-mode@host")
    assert journal.count("put power/control back to") == 2, journal  # GPU, port; vfio-pci leaves `on` for the other
