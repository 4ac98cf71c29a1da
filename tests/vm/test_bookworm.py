# SPDX-License-Identifier: GPL-2.0-or-later
"""The short list on Debian 12: kernel 6.1, systemd 252. Debian 13 leads; this is what could differ."""

import pytest

from machines import ini
from modes import INI, active, check_refused, drivers, overrides
from pc import PC
from test_boot import check_host_drivers_never_bound, check_passthrough
from test_replug import check_replug_in_passthrough

GPU, AUDIO = "0000:01:00.0", "0000:01:00.1"


def check_host(pc: PC) -> None:
    assert drivers(pc, GPU, AUDIO) == ["bochs-drm", "snd_hda_intel"]
    assert overrides(pc) == {}
    assert "bochs-drm" in pc.read("/proc/fb")
    assert active(pc) == ["host"]


@pytest.mark.machine("gpu-bookworm")
def test_to_passthrough_and_back(pc: PC) -> None:
    check_host(pc)
    pc.ok("systemctl start vfio-mode@passthrough")
    check_passthrough(pc)
    pc.ok("systemctl start vfio-mode@host")
    check_host(pc)


@pytest.mark.machine("gpu-bookworm")
def test_stop(pc: PC) -> None:
    """Stopping a mode is the way back; stopping the fallback mode changes nothing."""
    pc.ok("systemctl start vfio-mode@passthrough")
    pc.ok("systemctl stop vfio-mode@passthrough")
    check_host(pc)
    pc.run("systemctl stop vfio-mode@host")
    check_host(pc)


@pytest.mark.machine("gpu-bookworm")
def test_fallback(pc: PC) -> None:
    pc.ok("systemctl start vfio-mode@passthrough")
    pc.ok("systemctl start vfio-mode-fallback.service")
    check_host(pc)


@pytest.mark.machine("gpu-bookworm")
def test_refused(pc: PC) -> None:
    pc.write(INI, ini(consent=""))
    check_refused(pc, "passthrough", "drives-the-console", 6, GPU, "consent = boot-vga")


@pytest.mark.machine("gpu-bookworm")
def test_replug(pc: PC) -> None:
    check_replug_in_passthrough(pc, 3)


@pytest.mark.long
@pytest.mark.cold("gpu-bookworm", extra="vfio_mode=passthrough")
def test_passthrough_twice(pc: PC) -> None:
    """A cold boot into passthrough and a reboot out of it into it."""
    for number in range(2):
        if number > 0:
            pc.reboot()
        assert pc.ok("systemctl is-system-running") == "running"
        check_passthrough(pc)
        assert f"vfio-pci {GPU}" in check_host_drivers_never_bound(pc)
