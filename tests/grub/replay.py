#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Cuts the power after each write of a recording, and boots what is on the disk then with real GRUB
code.

usage: replay.py LOG IMAGE --script FILE --prefix PLACE [--allow OUTCOME]... [--boots N] [--from N]
                 [--to N] [--every N]

LOG     what QEMU's blklogwrites or Linux' dm-log-writes wrote
IMAGE   the raw disk before the first of the writes; it is copied, with its holes
FILE    what /etc/grub.d/09_vfio-mode wrote: its output, or a grub.cfg with its part
PLACE   GRUB's $prefix, such as "(hd1,gpt2)/boot/grub"; the disk is (hd1)
OUTCOME what a boot may be: KIND:MODE, such as "trial:passthrough" or "idle:", for several boots one
        after another joined with commas. Without any, what was found is only counted.

Each line of the answer is an outcome, how often it was, and the write after which it was first. The
exit status is 1 where one is not allowed.
"""

import argparse
import dataclasses
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from emulator import SECTOR, SIGNATURE, Emulator

MAGIC = 0x6A736677736872
SUPER = struct.Struct("<QQQI")  # magic, version, entries, size of a sector
ENTRY = struct.Struct("<QQQQ")  # sector, sectors, flags, bytes of a mark's name
FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8
OURS = b"vfio_seq="  # is in each block of ours


@dataclasses.dataclass
class Write:
    offset: int
    data: bytes
    flags: int = 0
    length: int = 0  # of what is discarded

    @property
    def changes_the_disk(self) -> bool:
        return bool(self.data) or bool(self.flags & DISCARD and self.length)


def read_log(file: BinaryIO) -> Iterator[Write]:
    magic, version, entries, sector = SUPER.unpack(file.read(SUPER.size))
    if magic != MAGIC or version != 1 or sector < SECTOR:
        raise ValueError("this is no log of writes, or one that was never flushed")
    at = sector
    for _ in range(entries):
        file.seek(at)
        start, sectors, flags, mark = ENTRY.unpack(file.read(ENTRY.size))
        at += sector
        length = sectors * sector
        if flags & DISCARD:
            yield Write(start * sector, b"", flags, length)
            continue
        file.seek(at)
        data = file.read(length)
        if len(data) < length:
            raise ValueError("the log ends within a write")
        yield Write(start * sector, data, flags)
        at += length + (-(-mark // sector) * sector if flags & MARK else 0)


def write_log(file: BinaryIO, writes: list[Write], sector: int = SECTOR) -> None:
    """As blklogwrites does; for tests, and to put recordings together."""
    file.write(SUPER.pack(MAGIC, 1, len(writes), sector).ljust(sector, b"\0"))
    for write in writes:
        length = write.length if write.flags & DISCARD else len(write.data)
        file.write(ENTRY.pack(write.offset // sector, length // sector, write.flags, 0)
                   .ljust(sector, b"\0"))
        file.write(write.data)


def script_of(text: str) -> str:
    """Ours, out of a whole grub.cfg."""
    part = re.search(r"^### BEGIN \S*09_vfio-mode ###\n(.*?)^### END \S*09_vfio-mode ###", text,
                     re.M | re.S)
    return part[1] if part else text


class Disk:
    """The image with the writes up to a point. GRUB's own writes go into blocks of ours alone, and
    are taken back by putting those sectors back: copying the whole each time would take a second.
    """

    def __init__(self, image: Path) -> None:
        self._file = open(image, "r+b")
        self._size = image.stat().st_size
        self._blocks: set[int] = set()  # where a sector begins as a block of ours does, or did
        chunk = 1 << 20
        for at in self._filled(chunk):
            self._file.seek(at)
            self._note(at, self._file.read(chunk))

    def _filled(self, chunk: int) -> Iterator[int]:
        """Where the chunks are that are no holes."""
        end, last = 0, -1
        while True:
            try:
                start = os.lseek(self._file.fileno(), end, os.SEEK_DATA)
            except OSError:  # nothing but a hole is left
                return
            end = os.lseek(self._file.fileno(), start, os.SEEK_HOLE)
            for at in range(max(start // chunk, last + 1), -(-end // chunk)):
                last = at
                yield at * chunk

    def _note(self, at: int, data: bytes) -> None:
        found = data.find(SIGNATURE)
        while found >= 0:
            if (at + found) % SECTOR == 0 and OURS in data[found:found + SECTOR]:
                self._blocks.add(at + found)
            found = data.find(SIGNATURE, found + 1)

    def apply(self, write: Write) -> None:
        data = write.data or bytes(write.length if write.flags & DISCARD else 0)
        self._file.seek(write.offset)
        self._file.write(data[:max(0, self._size - write.offset)])
        self._file.flush()
        self._note(write.offset, data)

    def save(self) -> dict[int, bytes]:
        saved = {}
        for at in self._blocks:
            self._file.seek(at)
            saved[at] = self._file.read(2 * SECTOR)
        return saved

    def restore(self, saved: dict[int, bytes]) -> None:
        for at, data in saved.items():
            self._file.seek(at)
            self._file.write(data)
        self._file.flush()


def outcome(arguments: str) -> str:
    """KIND:MODE of what GRUB tells the kernel."""
    mode = re.findall(r"(?:^| )vfio_mode=(\S*)", arguments)
    kind = re.findall(r"(?:^| )vfio_mode\.boot=(\w+)", arguments)
    return f"{kind[-1] if kind else 'none'}:{mode[-1] if mode else ''}"


@dataclasses.dataclass
class Replay:
    image: Path  # is changed
    script: Path
    prefix: str
    folder: Path
    boots: int = 1

    def __post_init__(self) -> None:
        self._script = self.folder / "replayed.cfg"
        self._script.write_text(script_of(self.script.read_text()))
        self._emulator = Emulator(self.folder)
        self._disk = Disk(self.image)

    def boot(self) -> str:
        """Outcomes of the boots after a cut now. The disk stays as it was."""
        saved, found = self._disk.save(), []
        for _ in range(self.boots):
            result = self._emulator.boot(self._script, [self.prefix], self.image)[0]
            found.append(outcome(result.get("vfio_args", "")))
        self._disk.restore(saved)
        return ",".join(found)

    def outcomes(self, writes: Iterator[Write], first: int = 0, last: int | None = None,
                 every: int = 1) -> Iterator[tuple[int, str]]:
        """How many writes there were, and what a boot was then; before the first and after each."""
        if first == 0:
            yield 0, self.boot()
        for number, write in enumerate(writes, 1):
            if last is not None and number > last:
                return
            self._disk.apply(write)
            if number >= first and write.changes_the_disk and number % every == 0:
                yield number, self.boot()


def main() -> int:
    parser = argparse.ArgumentParser(usage=(__doc__ or "").partition("usage: ")[2])
    parser.add_argument("log", type=Path)
    parser.add_argument("image", type=Path)
    parser.add_argument("--script", type=Path, required=True)
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--allow", action="append")
    parser.add_argument("--boots", type=int, default=1)
    parser.add_argument("--from", type=int, default=0, dest="first")
    parser.add_argument("--to", type=int, dest="last")
    parser.add_argument("--every", type=int, default=1)
    options = parser.parse_args()
    seen: dict[str, list[int]] = {}
    with tempfile.TemporaryDirectory() as name, open(options.log, "rb") as log:
        copy = Path(name, "disk.img")
        subprocess.run(["cp", "--sparse=always", options.image, copy], check=True)
        replay = Replay(copy, options.script, options.prefix, Path(name), options.boots)
        for number, found in replay.outcomes(read_log(log), options.first, options.last,
                                             options.every):
            seen.setdefault(found, []).append(number)
    bad = [found for found in seen if options.allow and found not in options.allow]
    for found, numbers in seen.items():
        print(f"{found} {len(numbers)} {numbers[0]}{' NOT ALLOWED' if found in bad else ''}")
    return 1 if bad or not seen else 0


if __name__ == "__main__":
    if not shutil.which("grub-emu"):
        sys.exit("grub-emu is not installed")
    sys.exit(main())
