#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The disk of the emulated PC, built from Debian's packages and this source tree.

Stages, each cached by a key over what goes into it:

    tree      Debian's packages, unpacked                      tree.py, minutes, once
    disk      a bootable GPT disk made of them                 here, tens of seconds
    image     that disk with the product installed             here, seconds after a change of source

    python3 tests/vm/image.py --suite trixie

prints the path of the image. Needs root: mounts in namespaces of its own, never on the host's.
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import cache
import ext4
import lvm
import suites
from suites import SUITES, Suite
from tree import run_in, tree

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parent.parent

# What the product is made of. Tests and documentation do not make it another product.
PRODUCT = ("daemon", "units", "conf", "meson.build", "meson_options.txt", "meson.options")

_MIB = 1024 * 1024
_ESP_OFFSET = _MIB
# Between the two is room for what LVM writes at the start of a partition: see on_lvm().
_ESP_END = ext4.ROOT_OFFSET - _MIB
_ROOT_SIZE = 3 * 1024 * _MIB


@dataclass(frozen=True)
class Image:
    """A raw disk: GPT with an ESP and an ext4 root. To be used as a backing file or copied.

    What is made from it lies beside it and goes with it: another build of the same key has the same
    files, but not in the same blocks.
    """

    suite: Suite
    key: str
    disk: Path


def _source_files(source: Path) -> list[Path]:
    """The files git knows or would: build directories and other litter stay out."""
    try:
        output = subprocess.run(
            ["git", "-c", "safe.directory=*", "ls-files", "-z", "-co", "--exclude-standard"],
            cwd=source, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        ).stdout
        files = [source / name for name in output.split("\0") if name]
    except (FileNotFoundError, subprocess.CalledProcessError):
        # An unpacked release.
        files = [file for file in source.rglob("*")
                 if not any(part.startswith((".", "__", "build"))
                            for part in file.relative_to(source).parts)]
    return [file for file in files if file.is_file()]


def freeze(source: Path = SOURCE) -> Path:
    """A copy of the source as it is now: what a whole test run builds, whatever is edited meanwhile."""
    files = _source_files(source)
    product = [f for f in files if f.relative_to(source).parts[0] in PRODUCT]
    directory = cache.root() / "source" / cache.key_of_files(product, source)

    def build(partial: Path) -> None:
        for file in files:
            target = partial / file.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            # With its time stamp, for ninja.
            shutil.copy2(file, target, follow_symlinks=False)

    cache.once(directory, build)
    cache.prune(directory.parent, "*", keep=5)
    return directory


def _disk(suite: Suite) -> Path:
    """Debian alone, bootable, with the tests' agent."""
    packages = tree(suite)
    ours = [file for file in _source_files(SOURCE)
            if file.is_relative_to(HERE / "guest") or file == HERE / "guest-setup.sh"]
    name = "disk-" + cache.key(
        packages.parent.name, cache.key_of_files(ours, HERE), suites.INITRD_MODULES,
        suites.INITRD_GPU_MODULES, suites.MASKED_UNITS, suites.NOT_ON_DISK, _ROOT_SIZE,
        ext4.ROOT_OFFSET,
    )

    def build(partial: Path) -> None:
        layer = partial / "layer"
        shutil.copytree(HERE / "guest", layer)
        words = {"MASKED_UNITS": suites.MASKED_UNITS, "INITRD_MODULES": suites.INITRD_MODULES,
                 "INITRD_GPU_MODULES": suites.INITRD_GPU_MODULES}
        variables = "".join(f"{name}='{' '.join(value)}'\n" for name, value in words.items())
        run_in([packages], layer, variables + (HERE / "guest-setup.sh").read_text(encoding="utf-8"))
        disk = partial / "disk.raw"
        _make_gpt(disk)
        _make_esp(disk, layer / "boot" / "BOOTX64.EFI")
        unwanted = " ".join(f'"$TREE"/{pattern}' for pattern in suites.NOT_ON_DISK)
        # Inside the namespace, since only there are the layers one tree. The features left out are
        # those that GRUB 2.06 does not read.
        run_in([layer, packages], partial / "scratch", "", outside=(
            f"rm -rf {unwanted}\n"
            "mke2fs -q -F -t ext4 -L vfio-mode -m 0 -O ^metadata_csum_seed,^orphan_file"
            f" -E offset={ext4.ROOT_OFFSET},lazy_itable_init=1"
            f" -d \"$TREE\" '{disk}' {_ROOT_SIZE // 1024}k"
        ))
        cache.remove(partial / "scratch")

    directory = cache.once(cache.root() / suite.name / name, build)
    cache.prune(directory.parent, "disk-*", keep=2)
    return directory / "disk.raw"


def _make_gpt(disk: Path) -> None:
    with open(disk, "wb") as file:
        file.truncate(ext4.ROOT_OFFSET + _ROOT_SIZE + _MIB)
    _partition(disk, ext4.ROOT_OFFSET, "8304")


def _partition(disk: Path, root: int, typecode: str) -> None:
    end = ext4.ROOT_OFFSET + _ROOT_SIZE
    _run("sgdisk", "--clear",
         f"--new=1:{_ESP_OFFSET // 512}:{_ESP_END // 512 - 1}", "--typecode=1:ef00",
         f"--new=2:{root // 512}:{end // 512 - 1}", f"--typecode=2:{typecode}", str(disk))


def _make_esp(disk: Path, loader: Path) -> None:
    esp = f"{disk}@@{_ESP_OFFSET}"
    sectors = (_ESP_END - _ESP_OFFSET) // 512
    _run("mformat", "-i", esp, "-T", str(sectors), "-h", "16", "-s", "63", "::")
    _run("mmd", "-i", esp, "::/EFI", "::/EFI/BOOT")
    _run("mcopy", "-i", esp, str(loader), "::/EFI/BOOT/BOOTX64.EFI")


def _run(*command: str) -> None:
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=os.environ | {"PATH": path})


# What it leaves below /mnt is not carried to the disk. The build directory is kept from one source to
# the next: most changes compile in seconds.
_BUILD_SCRIPT = """
if [ -e /mnt/build/build.ninja ]; then set -- --reconfigure; else set --; fi
meson setup "$@" --prefix=/usr --sysconfdir=/etc --localstatedir=/var \
    --buildtype=debugoptimized -Dtests=false /mnt/build /mnt/source
meson compile -C /mnt/build
meson install -C /mnt/build --no-rebuild --quiet
for unit in /usr/lib/systemd/system/vfio-mode* /lib/systemd/system/vfio-mode*; do
    case $unit in *'*'*|*@.service) continue;; esac
    if grep -q '^\\[Install\\]' "$unit"; then systemctl preset --quiet "${unit##*/}"; fi
done
"""


def build(suite_name: str = "trixie", source: Path | None = None) -> Image:
    """The image of this suite with the product of `source` (a frozen copy) on it."""
    suite = SUITES[suite_name]
    source = source or freeze()
    disk = _disk(suite)
    key = cache.key(disk.parent.name, source.name, _BUILD_SCRIPT)

    def build_image(partial: Path) -> None:
        layer = partial / "layer"
        layer.mkdir()
        if (source / "meson.build").exists():
            _install(suite, source, layer)
        target = partial / "disk.raw"
        _run("cp", "--sparse=always", "--reflink=auto", str(disk), str(target))
        writer = ext4.Writer()
        writer.layer(layer, skip=("mnt", "run", "tmp"))
        writer.write(target)

    directory = cache.once(cache.root() / suite.name / f"image-{key}", build_image)
    cache.prune(directory.parent, "image-*", keep=3)
    return Image(suite, key, directory / "disk.raw")


def on_lvm(image: Image) -> Image:
    """The same disk with root and /boot on a logical volume, beside the ESP: Proxmox VE's layout."""
    def build_disk(partial: Path) -> None:
        disk = partial / "disk.raw"
        _run("cp", "--sparse=always", "--reflink=auto", str(image.disk), str(disk))
        start = _ESP_END
        _partition(disk, start, "8e00")
        with open(disk, "r+b") as file:
            file.seek(start)
            file.write(lvm.header("pve", "root", ext4.ROOT_OFFSET - start, _ROOT_SIZE))
        writer = ext4.Writer()
        version = next(tree(image.suite).glob("boot/vmlinuz-*")).name.removeprefix("vmlinuz-")
        for name in (f"initrd.img-{version}", "initrd.img"):
            writer.symlink(f"/boot/{name}", "initrd-lvm.img")
        writer.write(disk)

    directory = cache.once(image.disk.parent / "lvm", build_disk)
    return Image(image.suite, f"{image.key}-lvm", directory / "disk.raw")


# What a person does to have the hooks on, and the tools' own commands. One image for each tool: with udev, and with
# the GPU's driver both in the list of what is loaded and where udev finds it.
_INITRAMFS_SCRIPT = r"""
version=$(basename /boot/vmlinuz-*)
version=${version#vmlinuz-}
printf '%s' "$INI" > /etc/vfio-mode.ini
printf '%s\n' $MODULES >> /etc/initramfs-tools/modules
ln -s /usr/share/vfio-mode/initramfs/initramfs-tools /etc/initramfs-tools/hooks/vfio-mode
if [ -e /sbin/lvm ]; then chmod a-x /sbin/lvm; fi
rm -f "/boot/initrd.img-$version" /var/lib/initramfs-tools/*
update-initramfs -c -k "$version"
if command -v dracut; then
    printf '%s\n' 'add_dracutmodules+=" vfio-mode "' "force_drivers+=\" $MODULES \"" \
        > /etc/dracut.conf.d/vfio-mode.conf
    dracut --no-hostonly --omit "$OMIT" --drivers "$DRIVERS $MODULES" /boot/initrd-dracut.img "$version"
fi
if [ -e /sbin/lvm ]; then chmod a+x /sbin/lvm; fi
"""


def with_hooks(image: Image, ini: str, without: str) -> Image:
    """The same disk with vfio-mode's part, and this configuration, in the initramfs, which have the GPU's drivers; and
    dracut's `without` these of its modules."""
    words = {"INI": ini, "MODULES": " ".join(suites.INITRD_GPU_MODULES),
             "DRIVERS": " ".join(suites.INITRD_MODULES),
             "OMIT": " ".join([*suites.OMITTED_BY_DRACUT, *without.split()])}
    script = "".join(f"{name}={shlex.quote(value)}\n" for name, value in words.items()) + _INITRAMFS_SCRIPT
    key = cache.key(image.key, script)

    def build_disk(partial: Path) -> None:
        layer = partial / "layer"
        lowers = [image.disk.parent / "layer", _disk(image.suite).parent / "layer", tree(image.suite)]
        run_in(lowers, layer, script)
        disk = partial / "disk.raw"
        _run("cp", "--sparse=always", "--reflink=auto", str(image.disk), str(disk))
        writer = ext4.Writer()
        writer.layer(layer, skip=("mnt", "run", "tmp"))
        writer.write(disk)

    directory = cache.once(image.disk.parent / f"hooks-{key}", build_disk)
    return Image(image.suite, key, directory / "disk.raw")


def _install(suite: Suite, source: Path, layer: Path) -> None:
    packages = tree(suite)
    # ninja goes by time stamps, which tell nothing of the files of another checkout.
    objects = cache.root() / suite.name / (
        f"objects-{packages.parent.name.removeprefix('tree-')}-{cache.key(SOURCE)}")
    binds = {source: "/mnt/source", objects: "/mnt/build"}
    with cache.lock(objects):
        objects.mkdir(exist_ok=True)
        try:
            run_in([packages], layer, _BUILD_SCRIPT, binds=binds)
        except subprocess.CalledProcessError:
            # What an older source left there may be what does not build. Once more, from nothing.
            cache.remove(objects)
            objects.mkdir()
            run_in([packages], layer, _BUILD_SCRIPT, binds=binds)


def in_guest_tree(suite_name: str, script: str, source: Path, output: Path) -> None:
    """Run a script in the guest's tree, with two directories of ours as /mnt/source and /mnt/output.

    The kernel's headers are there too, for drivers that tests load.
    """
    with tempfile.TemporaryDirectory(dir=cache.root()) as scratch:
        run_in([tree(SUITES[suite_name])], Path(scratch, "layer"), script,
               binds={source.resolve(): "/mnt/source", output.resolve(): "/mnt/output"})


def compile_in_guest_tree(suite_name: str, source: Path, output: Path, *flags: str) -> None:
    """Compile one C file against the guest's libraries."""
    command = ["gcc", "-O2", "-g", "-Wall", "-Wextra", "-o", f"/mnt/output/{output.name}",
               f"/mnt/source/{source.name}", *flags]
    in_guest_tree(suite_name, shlex.join(command), source.parent, output.parent)


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the disk image of the emulated PC.")
    parser.add_argument("--suite", choices=sorted(SUITES), default="trixie")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("needs root, for mounts in a namespace of its own")
    print(build(arguments.suite).disk)
    return 0


if __name__ == "__main__":
    sys.exit(main())
