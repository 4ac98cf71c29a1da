# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks of a mode, provoked on the emulated PC: what tests/ctl/test_checks.py has on made-up machines is true of
a real one, too; and what only a running one can say is seen both ways here."""

import pytest

import libvirt
import modectl
from machines import ini
from modes import GPU, INI, NIC
from pc import PC

Rows = list[tuple[str, str, str]]


def checks(pc: PC) -> Rows:
    return [(row["id"], row["result"], row["message"]) for row in modectl.checks(pc)]


def of(rows: Rows, name: str) -> list[str]:
    return [result for check, result, _ in rows if check == name]


def words(rows: Rows, name: str) -> str:
    return " ".join(message for check, _, message in rows if check == name)


@pytest.mark.machine("gpu")
def test_checks(pc: PC) -> None:
    """Each is provoked, and passes again or has passed before."""
    seen: set[tuple[str, str]] = set()

    def look() -> Rows:
        rows = checks(pc)
        seen.update((check, "pass" if result == "pass" else "no") for check, result, _ in rows)
        return rows

    rows = look()
    for name in ("config", "iommu", "interrupts", "cmdline-words", "device-gpu", "group-gpu", "framebuffer-gpu",
                 "bars-gpu", "power-gpu", "host-driver-gpu", "owner", "holders", "switch", "boot-unit"):
        assert of(rows, name) == ["pass"], rows
    assert of(rows, "virtualisation") == of(rows, "screen-gpu") == ["warn"], rows

    # Who has it open, and an owner beside us.
    pid = pc.ok("(exec 3<> /dev/dri/card0; exec sleep infinity) > /dev/null 2>&1 & echo $!")
    pc.write(f"/etc/driverctl.d/pci-{GPU}", "vfio-pci\n")
    rows = look()
    assert (of(rows, "owner"), of(rows, "holders")) == (["fail"], []), rows  # who holds it is looked at later
    pc.ok(f"rm /etc/driverctl.d/pci-{GPU}")
    rows = look()
    assert (of(rows, "holders"), of(rows, "switch")) == (["warn"], ["fail"]), rows
    pc.ok(f"kill {pid}")

    # Another device where it should be; a function that cannot be reset; units that are not enabled.
    pc.write(INI, ini("address = 0000:01:00.0\nid = 10de:2484"))
    assert of(look(), "device-gpu") == ["fail"]
    pc.write(INI, "[mode passthrough]\nnonsense = 1\n")
    assert of(look(), "config") == ["fail"]
    pc.write(INI, ini(nic=NIC).replace("vfio-devices = gpu", "vfio-devices = gpu nic") +
             "hugepages-2M = 8\nhugepages-1G = 64\nswitch-for-vm = yes\n")
    pc.ok(f"echo > /sys/bus/pci/devices/{NIC}/reset_method; systemctl disable --quiet vfio-mode-boot.service")
    rows = look()
    assert (of(rows, "reset-nic"), of(rows, "boot-unit")) == (["warn"], ["warn"]), rows
    pc.ok(f"echo default > /sys/bus/pci/devices/{NIC}/reset_method; systemctl enable --quiet vfio-mode-boot.service")
    rows = look()
    assert (of(rows, "reset-nic"), of(rows, "boot-unit")) == (["pass"], ["pass"]), rows

    # Pages, with what each node has.
    assert (of(rows, "hugepages-2M"), of(rows, "hugepages-1G")) == (["pass"], ["fail"]), rows
    assert ": node 0 has 0 (0 free)" in words(rows, "hugepages-2M"), rows
    text = pc.read(INI)
    pc.write(INI, text.replace("hugepages-2M = 8", "hugepages-2M = 8000"))
    assert of(look(), "hugepages-2M") == ["fail"]
    pc.write(INI, text)

    # A boot that nobody would confirm, a driver that would not come back, a guest that would be refused.
    pc.write(INI, ini())
    pc.ok("systemctl disable --quiet vfio-mode-confirm.service; mkdir -p /etc/pve/qemu-server")
    pc.write("/etc/modprobe.d/people.conf", "blacklist bochs\n")
    pc.write("/etc/pve/qemu-server/100.conf", "onboot: 1\nhostpci0: 01:00,pcie=1\n")
    rows = look()
    assert of(rows, "confirm-unit") == of(rows, "host-driver-gpu") == of(rows, "guests") == ["warn"], rows
    pc.ok("systemctl enable --quiet vfio-mode-confirm.service; rm /etc/modprobe.d/people.conf "
          "/etc/pve/qemu-server/100.conf")
    rows = look()
    assert of(rows, "confirm-unit") == of(rows, "host-driver-gpu") == of(rows, "guests") == ["pass"], rows

    # The hook, before libvirt looks for it, and after.
    pc.write(INI, ini() + "switch-for-vm = yes\n")
    rows = look()
    assert of(rows, "libvirt-hook") == ["warn"] and "not switched on" in words(rows, "libvirt-hook"), rows
    libvirt.run(pc)
    pc.ok("install -D -t /etc/libvirt/hooks/qemu.d /usr/share/vfio-mode/hooks/libvirt")
    rows = look()
    assert of(rows, "libvirt-hook") == ["warn"] and "has not looked for hooks" in words(rows, "libvirt-hook"), rows
    pc.ok("systemctl reload libvirtd.service")
    rows = look()
    assert of(rows, "libvirt-hook") == ["pass"], rows

    both = {check for check, result in seen if result == "pass"} & {check for check, result in seen if result == "no"}
    assert both >= {"config", "device-gpu", "reset-nic", "hugepages-2M", "owner", "holders", "libvirt-hook", "switch",
                    "boot-unit", "confirm-unit", "host-driver-gpu", "guests"}, both


@pytest.mark.drawn("inits")
@pytest.mark.machine("no-iommu")
def test_no_iommu(pc: PC) -> None:
    rows = checks(pc)
    assert of(rows, "iommu") == ["fail"], rows
    assert of(rows, "switch") == ["fail"], rows


@pytest.mark.drawn("inits")
@pytest.mark.machine("foreign-group")
def test_foreign_group(pc: PC) -> None:
    rows = checks(pc)
    assert of(rows, "group-gpu") == ["fail"], rows
    assert "0000:0" in words(rows, "group-gpu"), rows
