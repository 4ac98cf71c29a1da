# SPDX-License-Identifier: GPL-2.0-or-later
"""Which card is meant: two identical ones, one that was swapped for another, one that moved to another
slot.
"""

import pytest

from machines import ini
from modes import INI, active, check_refused, drivers, overrides, places
from pc import PC

FIRST, SECOND = ("0000:01:00.0", "0000:01:00.1"), ("0000:02:00.0", "0000:02:00.1")
HOME = ["bochs-drm", "snd_hda_intel"]
VFIO = ["vfio-pci", "vfio-pci"]


# ---- Two identical ones ----


@pytest.mark.machine("two-gpus")
def test_only_the_configured_one_moves(pc: PC) -> None:
    """Same vendor, device, subsystem and revision: the address alone tells them apart."""
    before = places(pc)
    pc.ok("systemctl start vfio-mode@passthrough")
    assert drivers(pc, *FIRST) == HOME
    assert drivers(pc, *SECOND) == VFIO
    assert overrides(pc) == dict.fromkeys(SECOND, "vfio-pci")
    assert "bochs-drm" in pc.read("/proc/fb")
    pc.ok("systemctl start vfio-mode@host")
    assert places(pc) == before


@pytest.mark.machine("two-gpus")
def test_the_other_one_moves(pc: PC) -> None:
    """Both in turn, by two modes: what the first took goes home before the second takes its own."""
    pc.write(INI, ini("address = 0000:02:00.0", consent="") + """
[device boot-gpu]
address = 0000:01:00.0
consent = boot-vga

[mode other]
vfio-devices = boot-gpu
""")
    before = places(pc)
    pc.ok("systemctl start vfio-mode@passthrough")
    pc.ok("systemctl start vfio-mode@other")
    assert drivers(pc, *FIRST) == VFIO
    assert drivers(pc, *SECOND) == HOME
    assert overrides(pc) == dict.fromkeys(FIRST, "vfio-pci")
    assert active(pc) == ["other"]
    pc.ok("systemctl start vfio-mode@host")
    assert places(pc) == before


@pytest.mark.machine("two-gpus")
def test_the_last_one_needs_consent(pc: PC) -> None:
    """A second card goes without, but not together with the one that the machine booted with."""
    pc.write(INI, ini() + f"""
[device second]
address = {SECOND[0]}

[mode both]
vfio-devices = gpu second
""")
    check_refused(pc, "both", "drives-the-console", 6, f"The last display of the host is {SECOND[0]}")
    pc.write(INI, pc.read(INI).replace("[device second]", "[device second]\nconsent = boot-vga"))
    pc.ok("vfio-modectl switch both")
    assert drivers(pc, *FIRST, *SECOND) == VFIO * 2


# ---- Swapped, and moved while the machine was off ----


@pytest.mark.machine("nic")
def test_swapped_for_another(pc: PC) -> None:
    """Another card in the configured slot is refused, with what it is and what it should be."""
    assert pc.monitor("device_del gpu0") == ""
    pc.ok(f"udevadm wait --removed --timeout=60 /sys/bus/pci/devices/{FIRST[0]}")
    assert pc.monitor("device_add virtio-rng-pci,bus=port1") == ""
    pc.ok(f"udevadm wait --settle --timeout=60 /sys/bus/pci/devices/{FIRST[0]}")
    assert drivers(pc, FIRST[0]) == ["virtio-pci"]
    check_refused(pc, "passthrough", "other-device-there", 5, FIRST[0], "1234:1111", "1af4:1044")
    assert drivers(pc, FIRST[0]) == ["virtio-pci"]


@pytest.mark.machine("nic")
def test_an_id_alone_finds_the_card(pc: PC) -> None:
    """Where one slot has the id, the card is found by it, with its other function."""
    pc.write(INI, ini("id = 1234:1111"))
    check_round_trip(pc, FIRST)


@pytest.mark.long
@pytest.mark.cold("moved")
def test_an_id_alone_follows_the_card(pc: PC) -> None:
    """In another slot as well; with its old address it is refused."""
    assert drivers(pc, *SECOND) == HOME
    check_refused(pc, "passthrough", "not-found", 5, f"nothing at {FIRST[0]}")
    pc.write(INI, ini("id = 1234:1111"))
    check_round_trip(pc, SECOND)


def check_round_trip(pc: PC, card: tuple[str, str]) -> None:
    pc.ok("systemctl start vfio-mode@passthrough")
    assert drivers(pc, *card) == VFIO
    pc.ok("systemctl start vfio-mode@host")
    assert drivers(pc, *card) == HOME
    assert overrides(pc) == {}
