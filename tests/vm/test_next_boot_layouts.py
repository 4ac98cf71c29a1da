# SPDX-License-Identifier: GPL-2.0-or-later
"""Machines that GRUB cannot write the root of, or that have no GRUB."""

import random

import pytest

from modectl import status
from nextboot import (INI, ON_ESP, boot, check_confirmed, check_trial, check_unconfirmed, config,
                      drawn_arguments, refused, reset)
from machines import ini
from pc import PC

@pytest.mark.drawn("chains")
@pytest.mark.nextboot("lvm")
def test_logical_volume_and_esp(pc: PC, rng: random.Random) -> None:
    """Proxmox VE's layout: trial, confirm and next host work from the block on the ESP.

    With default-mode = host; test_next_boot.py does the same with passthrough.
    """
    assert boot(pc).went_to("host", "idle"), boot(pc)
    assert pc.ok("findmnt -n -o SOURCE /") == "/dev/mapper/pve-root"
    check_trial(pc, "host", drawn := drawn_arguments(rng), ON_ESP)
    check_unconfirmed(pc)
    check_confirmed(pc, "host", drawn, ON_ESP, and_host=False)


@pytest.mark.nextboot("lvm")
def test_logical_volume_alone(pc: PC) -> None:
    """Without an ESP and without EFI variables nothing can carry a mode; the refusal says what to do.

    Not before GRUB's configuration is made anew, which names the ESP.
    """
    pc.write(INI, config())
    pc.ok("umount /boot/efi; sed -i /efi/d /etc/fstab; mount -t tmpfs none /sys/firmware/efi")
    # What is on that ESP GRUB knows alone, and goes by.
    for arguments in ("next host", "set-default host", "next --cancel"):
        refused(pc, f"vfio-modectl {arguments}", "(not-supported)",
                "GRUB looks for the boot environment on the ESP", "no ESP is mounted", "update-grub")
    assert status(pc)["next_boot"]["kind"] == "unknown"
    pc.ok("update-grub")
    for arguments in ("next passthrough", "set-default passthrough",
                      "next passthrough --without-protection"):
        refused(pc, f"vfio-modectl {arguments}", "(not-supported)", "/boot/grub is on LVM",
                "no ESP is mounted", "press e in GRUB's menu, and add vfio_mode=MODE")
    assert status(pc)["next_boot"]["mode"] == "host"


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
    echo "options $(sed 's/^BOOT_IMAGE=[^ ]* //; s/vfio_mode[^ ]*//g' /proc/cmdline) vfio_mode=nosuch"
} > /boot/efi/loader/entries/debian.conf
echo '/dev/vda1 /boot/efi vfat umask=0077 0 0' >> /etc/fstab
rm -r /boot/grub /etc/grub.d /etc/default/grub.d
sync
"""


@pytest.mark.drawn("chains")
@pytest.mark.nextboot("grub")
def test_systemd_boot(pc: PC) -> None:
    """A mode without kernel arguments goes by the EFI variable, for one boot; one with is refused.

    And a mode that an entry names, but nobody has configured, is the host mode, and is complained of.
    """
    pc.ok(_SYSTEMD_BOOT)
    pc.write(INI, ini().replace("default-mode = host", "default-mode = passthrough"))
    before = reset(pc)
    assert "vfio_mode=nosuch" in before.cmdline.split() and before.mode == "host", before
    was = status(pc)["last_boot"]
    assert (was["result"], was["mode"]) == ("unknown-mode", "host"), was
    assert "vfio_mode=nosuch" in was["text"] and "vfio_mode=nosuch" in pc.ok("vfio-modectl status")
    assert pc.run("systemctl is-failed vfio-mode-boot.service").stdout == "failed\n"
    pc.write(INI, ini())
    pc.ok("sed -i 's/ vfio_mode=nosuch//' /boot/efi/loader/entries/debian.conf")
    assert pc.run("ls /sys/firmware/efi/efivars/LoaderInfo-*").rc == 0
    said = pc.ok("vfio-modectl next passthrough")
    next_boot = status(pc)["next_boot"]
    assert (next_boot["mode"], next_boot["protection"]) == ("passthrough", "efi"), (said, next_boot)
    there = reset(pc)
    assert "vfio_mode" not in there.cmdline and there.mode == "passthrough", there
    assert pc.run("ls /sys/firmware/efi/efivars | grep -i vfio").out == ""
    again = reset(pc)
    assert again.mode == "host", again

    pc.write(INI, config())
    refused(pc, "vfio-modectl next passthrough", "(not-supported)", "press e in the boot menu")
    refused(pc, "vfio-modectl set-default passthrough", "(not-supported)")
    assert status(pc)["next_boot"]["mode"] == "host"
