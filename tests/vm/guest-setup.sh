#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Run by image.py in a chroot of the guest's tree, after the files below guest/ were put in place.
# MASKED_UNITS, INITRD_MODULES and INITRD_GPU_MODULES are lists of words.
# shellcheck disable=SC2086
set -eu

version=$(basename /boot/vmlinuz-*)
version=${version#vmlinuz-}

echo vfio-mode-test > /etc/hostname
echo 76666966a01d4f4da0de000000000001 > /etc/machine-id
passwd --delete root
systemctl mask --quiet $MASKED_UNITS
systemctl enable --quiet vfio-mode-test-agent.service
systemctl set-default --quiet multi-user.target
# A test that wants a display manager enables it.
systemctl disable --quiet greetd.service || true

# Modules that every boot loads, without the xz around them: each is a quarter of a second of emulation.
python3 - "$version" <<'EOF'
import lzma, pathlib, re, sys
wanted = re.compile("/(drm|sound|vfio|ext4|jbd2|virtio|virt|e1000e|lib|fat|nls|autofs|efivarfs)/|/virtio")
for file in pathlib.Path("/usr/lib/modules", sys.argv[1], "kernel").rglob("*.ko.xz"):
    if wanted.search(str(file)):
        file.with_suffix("").write_bytes(lzma.decompress(file.read_bytes()))
        file.unlink()
EOF
depmod "$version"

# MODULES=list: a small initrd is half of a fast boot under emulation.
mkdir -p /etc/initramfs-tools/conf.d
printf 'MODULES=list\nCOMPRESS=zstd\nCOMPRESSLEVEL=3\nFSTYPE=ext4\n' \
    > /etc/initramfs-tools/conf.d/vfio-mode-test
printf '%s\n' $INITRD_MODULES > /etc/initramfs-tools/modules
ln -sf "vmlinuz-$version" /boot/vmlinuz
ln -sf "initrd.img-$version" /boot/initrd.img
if [ -x /sbin/lvm ]; then
    mkinitramfs -o /boot/initrd-lvm.img "$version"
    chmod a-x /sbin/lvm # and none of it in the other initrds
fi
# Without udev, which costs each boot two seconds and would find only the disk; its modules are in the list,
# and its name is in root=.
udev=$(find /usr/share/initramfs-tools -name udev)
tar -c -f /tmp/udev.tar $udev 2>/dev/null
rm $udev
mkinitramfs -o "/boot/initrd.img-$version" "$version"
tar -C / -x -f /tmp/udev.tar
rm /tmp/udev.tar

cp -a /etc/initramfs-tools /tmp/initramfs-gpu
printf '%s\n' $INITRD_GPU_MODULES >> /tmp/initramfs-gpu/modules
mkinitramfs -d /tmp/initramfs-gpu -o /boot/initrd-gpu.img "$version"
rm -r /tmp/initramfs-gpu
if [ -e /sbin/lvm ]; then
    chmod a+x /sbin/lvm
fi

mkdir -p /boot/efi /boot/grub/x86_64-efi
cp /usr/lib/grub/x86_64-efi/*.mod /usr/lib/grub/x86_64-efi/*.lst /boot/grub/x86_64-efi/
grub-editenv /boot/grub/grubenv create
# shellcheck disable=SC2016 # the variables are GRUB's
printf '%s\n' 'search --no-floppy --label --set=root vfio-mode' 'set prefix=($root)/boot/grub' \
    'configfile $prefix/grub.cfg' > /tmp/early.cfg
grub-mkimage --format=x86_64-efi --prefix=/boot/grub --config=/tmp/early.cfg \
    --output=/boot/BOOTX64.EFI \
    part_gpt fat ext2 lvm search search_label search_fs_uuid search_fs_file configfile normal linux \
    serial terminal loadenv echo test minicmd reboot halt boot sleep true
rm /tmp/early.cfg
# For a test that puts it in the place of GRUB; the directory it is from stays off the disk.
cp /usr/lib/systemd/boot/efi/systemd-bootx64.efi /boot || true

# Nothing to catch up with at the first boot (ConditionNeedsUpdate=). These must be younger than /usr,
# which image.py still makes smaller.
touch -d '+1 hour' /etc/.updated /var/.updated
