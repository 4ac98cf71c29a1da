# SPDX-License-Identifier: GPL-2.0-or-later
"""Where GRUB would not write what Linux reads, no boot is armed, and the sentence says why.

Real file systems, mounted where GRUB has its directory. What cannot be had here (ZFS) is in the unit tests.
"""

import subprocess
from pathlib import Path

import pytest

from modectl import status
from modes import INI
from nextboot import PLACE, config, refused
from pc import PC

_ARRAY = """
set -e
modprobe raid1
echo md9 > /sys/module/md_mod/parameters/new_array
cd /sys/block/md9/md
echo none > metadata_version
echo raid1 > level
echo 1 > raid_disks
cat /sys/block/$disk/dev > new_dev
echo $(($(cat /sys/block/$disk/size) / 2)) > component_size
echo 0 > dev-$disk/slot
echo active > array_state
mke2fs -q -F /dev/md9
"""


def plug(pc: PC, directory: Path) -> dict[str, str]:
    """A disk for each file system, in one slot; returns their names in the guest."""
    makers = {"xfs": "mkfs.xfs -q", "btrfs": "mkfs.btrfs -q", "ext4": "mke2fs -q -F -t ext4"}
    for function, (kind, maker) in reversed(list(enumerate(makers.items()))):
        image = directory / kind
        with open(image, "wb") as file:
            file.truncate(320 << 20)
        subprocess.run([*maker.split(), image], check=True)
        pc.qmp("blockdev-add", **{"driver": "file", "node-name": kind, "filename": str(image)})
        pc.qmp("device_add", driver="virtio-blk-pci", drive=kind, serial=kind, bus="spare",
               addr=f"0.{function}", multifunction=True)
    return {kind: Path(pc.ok(f"udevadm wait --timeout=120 /dev/disk/by-id/virtio-{kind} && "
                             f"readlink /dev/disk/by-id/virtio-{kind}")).name for kind in makers}


def move(pc: PC, device: str) -> None:
    """GRUB's directory goes there, with all that is in it."""
    pc.ok(f"mount /dev/{device} /mnt && cp -a /boot/grub/. /mnt && umount /mnt && mount /dev/{device} /boot/grub")


def leave(pc: PC) -> None:
    """The service would keep what it saw there when it started."""
    pc.ok("umount /boot/grub; systemctl stop vfio-moded")


def check_refused(pc: PC, *words: str) -> None:
    refused(pc, "vfio-modectl next passthrough", "(not-supported)", *words)
    assert status(pc)["next_boot"]["mode"] == "host"


def check_armed(pc: PC) -> None:
    pc.ok("vfio-modectl next passthrough")
    assert status(pc)["next_boot"]["mode"] == "passthrough"
    pc.ok("vfio-modectl next --cancel")


@pytest.mark.nextboot("grub")
def test_file_systems(pc: PC, tmp_path: Path) -> None:
    disks = plug(pc, tmp_path)
    pc.write(INI, config())
    assert pc.run("findmnt /boot/efi").rc != 0

    move(pc, disks["btrfs"])
    check_refused(pc, "/boot/grub is on btrfs", "update-grub")
    leave(pc)

    pc.ok("mkdir /tmp/upper /tmp/work; mount -t overlay none /boot/grub "
          "-o lowerdir=/boot/grub,upperdir=/tmp/upper,workdir=/tmp/work")
    check_refused(pc, "/boot/grub is on an overlay")
    leave(pc)

    pc.ok(f"tune2fs -o journal_data /dev/{disks['ext4']}")
    move(pc, disks["ext4"])
    check_refused(pc, "data=journal")
    leave(pc)

    pc.ok(f"disk={disks['ext4']}; {_ARRAY}")
    move(pc, "md9")
    check_refused(pc, "/boot/grub is on a software RAID")
    leave(pc)

    # XFS writes in place, but for a file that shares its blocks with a copy.
    move(pc, disks["xfs"])
    pc.ok(f"cp --reflink=always {PLACE} /boot/grub/copy")
    check_refused(pc, f"{PLACE} cannot be written safely", "shares its blocks with a copy")
    pc.ok("rm /boot/grub/copy")
    check_armed(pc)
    leave(pc)

    # A directory that GRUB does not see, since it is of another file system.
    pc.ok("cp -a /boot/grub/vfio-mode /run/elsewhere; mount --bind /run/elsewhere /boot/grub/vfio-mode")
    check_refused(pc, "/boot/grub/vfio-mode is not on the file system that is mounted at")
    pc.ok("umount /boot/grub/vfio-mode; systemctl stop vfio-moded")

    pc.ok(f"chattr +j {PLACE}")
    check_refused(pc, f"{PLACE} cannot be written safely", "data journaled")
    pc.ok(f"chattr -j {PLACE}")
    check_armed(pc)
