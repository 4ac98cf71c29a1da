# SPDX-License-Identifier: GPL-2.0-or-later
"""Put files into the root file system of a raw disk image, without mounting it.

debugfs works on the image's bytes: no loop device, no root rights, nothing to unmount after a crash.
It reports errors by text alone, so its text is looked at.
"""

import os
import re
import stat
import subprocess
import tempfile
from pathlib import Path

ROOT_OFFSET = 98 * 1024 * 1024  # of the root file system, see image.py

# What debugfs says when it is asked to remove what is not there or make what is.
_HARMLESS = re.compile(r"debugfs \d|File not found by ext2_lookup|already exists|Allocated inode|^$")


class Writer:
    """Collects changes; write() makes them in one run of debugfs."""

    def __init__(self) -> None:
        self._commands: list[str] = []

    def directory(self, path: str, mode: int = 0o755) -> None:
        self._commands.append(f'mkdir "{path}"')
        self._set(path, stat.S_IFDIR | mode)

    def missing_directory(self, path: str) -> None:
        """A directory as mkdir makes it; one that is there keeps its mode."""
        self._commands.append(f'mkdir "{path}"')

    def file(self, path: str, source: Path, mode: int = 0o644) -> None:
        """A copy of `source`; the directory has to be there."""
        parent, name = os.path.split(path)
        # Only the first argument of write may have a path; the name is put into the current directory.
        self._commands += [f'rm "{path}"', f'cd "{parent}"', f'write "{source}" "{name}"', "cd /"]
        self._set(path, stat.S_IFREG | mode)

    def symlink(self, path: str, target: str) -> None:
        self._commands += [f'rm "{path}"', f'symlink "{path}" "{target}"']

    def remove(self, path: str) -> None:
        self._commands.append(f'rm "{path}"')

    def layer(self, upper: Path, skip: tuple[str, ...] = ()) -> None:
        """Everything an overlay's upper directory holds, whiteouts included."""
        for entry in sorted(upper.rglob("*")):
            relative = str(entry.relative_to(upper))
            if relative.split("/")[0] in skip:
                continue
            info = entry.lstat()
            path, mode = "/" + relative, stat.S_IMODE(info.st_mode)
            if stat.S_ISLNK(info.st_mode):
                self.symlink(path, os.readlink(entry))
            elif stat.S_ISDIR(info.st_mode):
                self.directory(path, mode)
            elif stat.S_ISREG(info.st_mode):
                self.file(path, entry, mode)
            elif stat.S_ISCHR(info.st_mode):
                self.remove(path)

    def write(self, disk: Path) -> None:
        if not self._commands:
            return
        with tempfile.NamedTemporaryFile("w", suffix=".debugfs") as script:
            script.write("\n".join(self._commands) + "\n")
            script.flush()
            result = subprocess.run(
                ["debugfs", "-w", "-f", script.name, f"{disk}?offset={ROOT_OFFSET}"],
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True,
                env=os.environ | {"LC_ALL": "C", "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"},
            )
        errors = [line for line in result.stderr.splitlines() if not _HARMLESS.search(line)]
        if errors:
            raise RuntimeError("debugfs: " + "\n".join(errors))

    def _set(self, path: str, mode: int) -> None:
        self._commands += [
            f'sif "{path}" mode 0{mode:o}', f'sif "{path}" uid 0', f'sif "{path}" gid 0']


def write_files(disk: Path, files: dict[str, str | bytes]) -> None:
    """Put these contents into the image, with the directories they need."""
    writer = Writer()
    with tempfile.TemporaryDirectory() as directory:
        for number, (path, content) in enumerate(files.items()):
            source = Path(directory, str(number))
            source.write_bytes(content if isinstance(content, bytes) else content.encode())
            for parent in reversed(Path(path).parents[:-1]):
                writer.missing_directory(str(parent))
            writer.file(path, source)
        writer.write(disk)
