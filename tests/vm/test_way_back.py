# SPDX-License-Identifier: GPL-2.0-or-later
"""What is said of the way back, before and after: what returns by reboot only."""

import json

import pytest

from machines import ini
from modes import GPU, INI, drivers
from pc import PC
from test_refusals import take_module_away

pytestmark = pytest.mark.machine("gpu")


def notes(pc: PC) -> list[str]:
    return json.loads(pc.ok("vfio-modectl switch passthrough --dry-run --json=short"))["notes"]


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
    pc.ok("depmod")
    [said] = notes(pc)
    assert said.startswith(f"{GPU} returns by reboot only: this host has no driver for it"), said
    shown = pc.ok("script -qec 'vfio-modectl switch passthrough --no-pager' /dev/null")
    assert "note: 0000:01:00.0 returns by reboot only" in shown, shown
    assert "returns by reboot only" in pc.ok("journalctl -b -o cat --no-pager -u vfio-mode@passthrough")
    pc.ok("vfio-modectl switch host")
    assert drivers(pc, GPU) == [""]
