# SPDX-License-Identifier: GPL-2.0-or-later
"""Machines that GRUB cannot write the root of, or that have no GRUB."""

import random

import pytest

from nextboot import INI, block, boot, config, drawn_arguments, refused, reset, status
from machines import ini
from pc import PC

ON_ESP = "/boot/efi/EFI/vfio-mode/vfio-mode.env"


@pytest.mark.nextboot("lvm")
def test_logical_volume_and_esp(pc: PC, rng: random.Random) -> None:
    """Proxmox VE's layout: trial, confirm and next host work from the block on the ESP."""
    assert boot(pc).went_to("host", "idle"), boot(pc)
    assert pc.ok("findmnt -n -o SOURCE /") == "/dev/mapper/pve-root"
    pc.write(INI, config(cmdline=(drawn := drawn_arguments(rng))))
    pc.ok("vfio-modectl set-default passthrough")
    there = reset(pc)
    assert there.went_to("passthrough", "trial", drawn), there
    pc.ok("vfio-modectl confirm; vfio-modectl next host")
    once = reset(pc)
    assert once.went_to("host", "skipped"), once
    default = block(pc, ON_ESP)
    assert (default["vfio_mode"], default["vfio_left"], default["vfio_keep"], default["vfio_skip"]) == (
        "passthrough", "3", "2", "0")
    assert status(pc)["next_boot"]["mode"] == "passthrough"


@pytest.mark.nextboot("lvm")
def test_logical_volume_alone(pc: PC) -> None:
    """Without an ESP and without EFI variables nothing can carry a mode; the refusal says what to do."""
    pc.write(INI, config())
    pc.ok("umount /boot/efi; sed -i /efi/d /etc/fstab; mount -t tmpfs none /sys/firmware/efi")
    for verb in ("next", "set-default"):
        said = refused(pc, f"vfio-modectl {verb} passthrough", "(not-supported)")
        assert "LVM" in said or "logical volume" in said, said
    refused(pc, "vfio-modectl next passthrough --without-protection", "(not-supported)")


_SYSTEMD_BOOT = r"""
mount /dev/vda1 /boot/efi
mkdir -p /boot/efi/loader/entries
cp /boot/systemd-bootx64.efi /boot/efi/EFI/BOOT/BOOTX64.EFI
cp -L /boot/vmlinuz /boot/initrd.img /boot/efi
echo 'timeout 0' > /boot/efi/loader/loader.conf
{
    echo 'title Debian'
    echo 'linux /vmlinuz'
    echo 'initrd /initrd.img'
    echo "options $(sed 's/^BOOT_IMAGE=[^ ]* //; s/vfio_mode[^ ]*//g' /proc/cmdline)"
} > /boot/efi/loader/entries/debian.conf
echo '/dev/vda1 /boot/efi vfat umask=0077 0 0' >> /etc/fstab
rm -r /boot/grub /etc/grub.d /etc/default/grub.d
sync
"""


@pytest.mark.nextboot("grub")
def test_systemd_boot(pc: PC) -> None:
    """A mode without kernel arguments goes by the EFI variable, for one boot; one with is refused."""
    pc.ok(_SYSTEMD_BOOT)
    pc.write(INI, ini())
    before = reset(pc)
    assert "vfio_mode" not in before.cmdline and before.mode == "host", before
    assert pc.run("ls /sys/firmware/efi/efivars/LoaderInfo-*").rc == 0
    said = pc.ok("vfio-modectl next passthrough")
    next_boot = status(pc)["next_boot"]
    assert (next_boot["mode"], next_boot["protection"]) == ("passthrough", "efi"), (said, next_boot)
    there = reset(pc)
    assert "vfio_mode" not in there.cmdline and there.mode == "passthrough", there
    assert pc.run("ls /sys/firmware/efi/efivars | grep -i vfio").out == ""

    pc.write(INI, config())
    refused(pc, "vfio-modectl next passthrough", "(not-supported)", "press e in the boot menu")
    refused(pc, "vfio-modectl set-default passthrough", "(not-supported)")
    assert status(pc)["next_boot"]["mode"] == "host"
