# SPDX-License-Identifier: GPL-2.0-or-later
"""A variant of vfio-pci, which the kernel has for some devices: faulty/vfio_mode_variant.c, for the slot of
test_faulty.py. No udev rule loads it; modprobe.d stands for modules.alias, whose index takes a minute to make.
"""

import pytest

from modectl import status
from modes import active, check_tool_refused, overrides, snapshot
from pc import PC
from test_faulty import DRIVER, SLOT, module, places, plug_in
from test_replug import replug

MODULE, VARIANT = "vfio_mode_variant", "stand-in-vfio-pci"
FILE = f"/usr/local/lib/{MODULE}.ko"
MODPROBE = f"""\
alias vfio_pci:v00001B36d00000005sv*sd*bc*sc*i* {MODULE}
install {MODULE} modprobe vfio-pci-core && insmod {FILE}
"""


@pytest.mark.machine("gpu")
@pytest.mark.drawn("switches")
def test_variant(pc: PC) -> None:
    """It is loaded and bound, also when a function comes back; its refusal is not got around by vfio-pci; and a
    blacklist is how to do without it."""
    plug_in(pc)
    pc.push(module(pc.machine.suite, MODULE), FILE)
    pc.write("/etc/modprobe.d/variant.conf", MODPROBE)
    said = pc.ok("vfio-modectl switch faulty --dry-run")
    assert f"load the module {MODULE}" in said, said
    pc.ok("vfio-modectl switch faulty")
    assert places(pc) == [VARIANT] * 3
    assert overrides(pc) == dict.fromkeys(SLOT, VARIANT)
    assert (active(pc), status(pc)["drift"]) == (["faulty"], [])
    pc.ok(f"test -c /dev/vfio/{pc.group(SLOT[0])}")
    assert replug(pc, 2, SLOT[2], units=True) == [[VARIANT]] * 2
    assert status(pc)["drift"] == []
    pc.ok("vfio-modectl switch host")
    assert (places(pc), overrides(pc), active(pc)) == ([DRIVER] * 3, {}, ["host"])

    before = snapshot(pc)
    pc.ok(f"echo 1 > /sys/module/{MODULE}/parameters/probe_refuses")
    check_tool_refused(pc, "faulty", "failed", 1, SLOT[0], VARIANT)
    assert snapshot(pc) == before
    pc.write("/etc/modprobe.d/variant.conf", f"{MODPROBE}blacklist {MODULE}\n")
    pc.ok("vfio-modectl switch faulty")
    assert places(pc) == ["vfio-pci"] * 3
