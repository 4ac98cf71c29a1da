# SPDX-License-Identifier: GPL-2.0-or-later
"""Which card is meant: two identical ones, one that was swapped for another, one that moved to another
slot. Cards are really unplugged and plugged in, into slots that take it while the machine runs.
"""

import pytest

from machines import ini
from modes import INI, active, check_refused, drivers, overrides, places
from pc import PC

FIRST, SECOND = ("0000:01:00.0", "0000:01:00.1"), ("0000:02:00.0", "0000:02:00.1")
HOME = ["bochs-drm", "snd_hda_intel"]
VFIO = ["vfio-pci", "vfio-pci"]


def plug_gpu(pc: PC, bus: str, name: str) -> None:
    """A card with its sound (without a codec: those cannot be plugged in). The slot wakes up with its
    function 0, so that comes last.
    """
    plug(pc, f"intel-hda,id=hda{name},bus={bus},addr=0.1")
    plug(pc, f"bochs-display,id=gpu{name},bus={bus},addr=0.0,multifunction=on")


def plug(pc: PC, device: str) -> None:
    assert pc.monitor(f"device_add {device}") == ""


def unplug(pc: PC, name: str) -> None:
    """Asks the guest to let the slot go, and waits until it has."""
    pc.qmp("device_del", id=name)
    while pc.qemu.wait_event("DEVICE_DELETED", 60)["data"].get("device") != name:
        pass
    pc.ok("udevadm settle")


def wait_for_function(pc: PC, address: str) -> None:
    pc.ok(f"udevadm wait --timeout=60 /sys/bus/pci/devices/{address} && udevadm settle")


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


# ---- Swapped and moved ----


@pytest.mark.machine("no-vga")
def test_swapped_for_another(pc: PC) -> None:
    """Another card in the configured slot is refused, with what it is and what it should be."""
    unplug(pc, "gpu0")
    plug(pc, "virtio-gpu-pci,id=other,bus=port1,addr=0.0")
    wait_for_function(pc, FIRST[0])
    pc.write(INI, ini("address = 0000:01:00.0\nid = 1234:1111", consent=""))
    check_refused(pc, "passthrough", "other-device-there", 5, FIRST[0], "1234:1111", "1af4:1050")
    assert drivers(pc, FIRST[0]) == ["virtio-pci"]


@pytest.mark.machine("no-vga")
def test_an_id_alone_follows_the_card(pc: PC) -> None:
    """By its id a card is found wherever it is plugged in, with its other function."""
    pc.write(INI, ini("id = 1234:1111", consent=""))
    pc.ok("systemctl start vfio-mode@passthrough")
    assert drivers(pc, *FIRST) == VFIO
    pc.ok("systemctl start vfio-mode@host")
    unplug(pc, "gpu0")
    plug_gpu(pc, "spare", "moved")
    wait_for_function(pc, SECOND[0])
    assert drivers(pc, *SECOND) == HOME
    pc.ok("systemctl start vfio-mode@passthrough")
    assert drivers(pc, *SECOND) == VFIO
    pc.ok("systemctl start vfio-mode@host")
    assert drivers(pc, *SECOND) == HOME
    assert overrides(pc) == {}


@pytest.mark.machine("no-vga")
def test_a_card_that_moved_is_not_where_its_address_says(pc: PC) -> None:
    """With address and id a card that moved is refused; so is an id of which a second card has come."""
    plug_gpu(pc, "spare", "second")
    wait_for_function(pc, SECOND[0])
    pc.write(INI, ini("id = 1234:1111", consent=""))
    check_refused(pc, "passthrough", "ambiguous-id", 5, "1234:1111", FIRST[0], SECOND[0])
    pc.write(INI, ini("address = 0000:01:00.0\nid = 1234:1111", consent=""))
    unplug(pc, "gpu0")
    check_refused(pc, "passthrough", "not-found", 5, f"nothing at {FIRST[0]}")
