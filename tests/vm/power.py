# SPDX-License-Identifier: GPL-2.0-or-later
"""Ways to get a PC: booted from a fresh disk, or restored from a snapshot that is made once.

A snapshot is kept per machine and image. Each PC works on its own copy of the snapshot's files, so
that two pytest workers never meet.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import cache
import ext4
from image import Image, on_lvm, with_hooks
from machines import Machine
from pc import PC, SNAPSHOT, hardware
from qemu import PCError

_CLUSTER = 64 * 1024  # of qcow2


def grub_environment(variables: dict[str, str]) -> bytes:
    """A block that GRUB's load_env reads: 1,024 bytes, filled up with #."""
    text = "# GRUB Environment Block\n" + "".join(f"{k}={v}\n" for k, v in variables.items())
    block = text.encode()
    if len(block) > 1024:
        raise ValueError("too long for a GRUB environment block")
    return block.ljust(1024, b"#")


def boot_files(machine: Machine, extra: str = "", files: dict[str, str] | None = None,
               grub: dict[str, str] | None = None) -> dict[str, str | bytes]:
    """The files that make a disk boot as this machine."""
    variables = {"args": machine.kernel_args, "extra": extra}
    if machine.initrd:
        variables["initrd"] = machine.initrd
    environment = grub_environment(variables | (grub or {}))
    return {"/boot/grub/grubenv": environment, **machine.all_files(), **(files or {})}


def _copy(source: Path, target: Path) -> None:
    subprocess.run(
        ["cp", "--sparse=always", "--reflink=auto", str(source), str(target)], check=True)


def run_directory(name: str) -> Path:
    """A directory for one PC's files. The cache's file system has the room, /tmp may be memory."""
    parent = cache.root() / "run"
    parent.mkdir(exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-{name}-", dir=parent))


def clean_run_directories() -> None:
    """Remove what test processes left that were killed."""
    for directory in (cache.root() / "run").glob("*-*"):
        if not Path("/proc", directory.name.split("-")[0]).exists():
            shutil.rmtree(directory, ignore_errors=True)


def cold(machine: Machine, image: Image, *, extra: str = "", files: dict[str, str] | None = None,
         grub: dict[str, str] | None = None) -> PC:
    """A machine that is off, with a fresh disk: boot() it."""
    directory = run_directory(machine.name)
    disk = directory / "disk.raw"
    _copy(_image(machine, image).disk, disk)
    ext4.write_files(disk, boot_files(machine, extra, files, grub))
    return PC(machine, directory, disk, "raw")


def _image(machine: Machine, image: Image) -> Image:
    if machine.lvm:
        return on_lvm(image)
    return with_hooks(image, machine.ini, machine.without) if machine.hooks else image


def restored(machine: Machine, image: Image) -> PC:
    """A machine as it was when it had just booted, with copies of the snapshot's files."""
    saved = _snapshot(machine, image)
    directory = run_directory(machine.name)
    for file in ("disk.qcow2", "vars.qcow2"):
        _copy(saved / file, directory / file)
    pc = PC(machine, directory, directory / "disk.qcow2", "qcow2")
    try:
        with cache.timed(f"loadvm {machine.name} in a new process"):
            pc.start(snapshot=SNAPSHOT)
    except PCError as error:
        logs = pc.keep_logs(machine.name)
        pc.close()
        raise PCError(f"{error}\nlogs: {logs}") from error
    pc.state = pc.saved_state = (saved / "state").read_text(encoding="ascii")
    return pc


def _snapshot(machine: Machine, image: Image) -> Path:
    """Boot this machine once per image and save it."""
    key = cache.key(image.key, hardware(machine), boot_files(machine), machine.prepare)

    def build(partial: Path) -> None:
        disk = partial / "disk.qcow2"
        _overlay(_image(machine, image).disk, boot_files(machine), disk)
        pc = PC(machine, partial, disk, "qcow2")
        try:
            pc.boot()
            if machine.prepare:
                with cache.timed(f"prepare {machine.name}"):
                    pc.ok(f"{machine.prepare} && sync")
                    pc.reset()
                    pc.wait_agent()
                    pc.wait_up()
            if pc.state != "running":
                failed = pc.run("systemctl --failed --no-legend").out
                print(f"vm: {machine.name} is {pc.state}: {failed}", file=sys.stderr)
            with cache.timed(f"savevm {machine.name}"):
                pc.save()
            (partial / "state").write_text(pc.state, encoding="ascii")
        except PCError as error:
            raise PCError(f"{error}\nlogs: {pc.keep_logs(machine.name)}") from error
        finally:
            pc.power_cut()

    return cache.once(image.disk.parent / "machines" / f"{machine.name}-{key}", build)


def _overlay(backing: Path, files: dict[str, str | bytes], overlay: Path) -> None:
    """An overlay on `backing` with these files put in, and nothing more.

    debugfs writes raw images only: so into a copy, and what differs then goes into the overlay.
    """
    changed = overlay.with_suffix(".raw")
    _copy(backing, changed)
    ext4.write_files(changed, files)
    with open(backing, "rb") as old, open(changed, "rb") as new:
        writes = []
        for number, offset in enumerate(_differences(old, new)):
            piece = overlay.with_suffix(f".{number}")
            piece.write_bytes(os.pread(new.fileno(), _CLUSTER, offset))
            writes += ["-c", f"write -q -s {piece} {offset} {piece.stat().st_size}"]
    changed.unlink()
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(backing),
                    str(overlay)], check=True)
    subprocess.run(["qemu-io", "-t", "unsafe", *writes, str(overlay)], check=True)
    for piece in overlay.parent.glob(overlay.stem + ".[0-9]*"):
        piece.unlink()


def _differences(old: BinaryIO, new: BinaryIO) -> Iterator[int]:
    """Offsets of the clusters in which two files differ. Holes of the new one are not looked at."""
    size = os.fstat(new.fileno()).st_size
    offset = 0
    while offset < size:
        try:
            data = os.lseek(new.fileno(), offset, os.SEEK_DATA)
        except OSError:  # ENXIO: only a hole is left
            return
        offset = max(offset, data - data % _CLUSTER)
        if os.pread(old.fileno(), _CLUSTER, offset) != os.pread(new.fileno(), _CLUSTER, offset):
            yield offset
        offset += _CLUSTER
