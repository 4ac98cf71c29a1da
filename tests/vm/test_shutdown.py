# SPDX-License-Identifier: GPL-2.0-or-later
"""The machine goes down with a guest on the card; test_guest.py has one that nobody shuts down."""

import pytest

import libvirt
from modes import PASSTHROUGH, active, keep_journal, look
from nextboot import block
from pc import PC
from test_libvirt import START, check_is_on, set_up


@pytest.mark.drawn("chains")
@pytest.mark.nextboot("grub")
def test_the_machine_shuts_down(pc: PC) -> None:
    """libvirt-guests ends the guest, and its hook runs: nothing switches any more, and the next boot is as it was."""
    set_up(pc)
    libvirt.define_obeying(pc)
    pc.write("/etc/default/libvirt-guests", "ON_SHUTDOWN=shutdown\nSHUTDOWN_TIMEOUT=60\n")
    keep_journal(pc)
    pc.ok("systemctl unmask --quiet libvirt-guests.service; systemctl start libvirt-guests.service; vfio-modectl next passthrough")
    before = block(pc)
    pc.ok(START, timeout=120)
    check_is_on(pc)
    libvirt.until_it_obeys(pc)
    pc.reboot()
    assert active(pc) == ["passthrough"] and look(pc).gpu == PASSTHROUGH.gpu
    last = "journalctl -b -1 --no-pager -o cat"
    said = pc.ok(f"{last} -u libvirt-guests.service")
    assert "Stopped libvirt-guests.service" in said, said
    assert "shutting down, reason=shutdown" in pc.ok(f"tail -n 1 {libvirt.LOG}")
    said = pc.ok(f"{last} -t vfio-mode-apply")
    _, there, after = said.rpartition("Mode 'passthrough'")
    assert there and "Mode '" not in after, said
    after = block(pc)
    assert (after["vfio_mode"], int(after["vfio_left"])) == (before["vfio_mode"], int(before["vfio_left"]) - 1)
