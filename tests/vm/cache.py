# SPDX-License-Identifier: GPL-2.0-or-later
"""The cache directory: keys, locks, and directories that appear whole or not at all.

Everything that takes time is built once per key, below a directory outside the source tree, under a
lock that two pytest workers respect. What is half built when its builder dies is never seen; what a
living process uses is never removed.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TextIO

# Locks of the directories that this process uses, held until it ends.
_in_use: list[TextIO] = []


def root() -> Path:
    """$VFIO_MODE_CACHE, or a directory of ours where caches belong."""
    own = os.environ.get("VFIO_MODE_CACHE")
    if own:
        path = Path(own)
    else:
        path = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vfio-mode"
    path.mkdir(parents=True, exist_ok=True)
    return path.absolute()


def key(*parts: object) -> str:
    """A short name for this combination of inputs."""
    digest = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode()
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:12]


def key_of_files(files: Iterable[Path], base: Path) -> str:
    """A key over names, contents and execute bits: what git would call the same."""
    parts: list[object] = []
    for file in sorted(files):
        if file.is_symlink():
            parts += [file.relative_to(base), "link", os.readlink(file)]
        elif file.is_file():
            parts += [file.relative_to(base), os.access(file, os.X_OK), file.read_bytes()]
    return key(*parts)


def _open_lock(path: Path) -> TextIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    return open(path.with_name(path.name + ".lock"), "w", encoding="ascii")


@contextlib.contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold the lock of `path`; the kernel drops it if we die."""
    with _open_lock(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def once(path: Path, build: Callable[[Path], None]) -> Path:
    """The directory `path`, built by `build(empty directory)` if it is not there yet.

    It stays as long as this process lives.
    """
    while True:
        file = _open_lock(path)
        fcntl.flock(file, fcntl.LOCK_SH)
        if path.is_dir():
            os.utime(path)  # prune() goes by the time of the last use
            _in_use.append(file)
            return path
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not path.is_dir():
                _build(path, build)


def _build(path: Path, build: Callable[[Path], None]) -> None:
    partial = path.with_name(path.name + ".partial")
    remove(partial)
    partial.mkdir(parents=True)
    with timed(f"build {path.parent.name}/{path.name}"):
        build(partial)
    partial.rename(path)


def remove(path: Path) -> None:
    if path.exists():
        shutil.rmtree(path)


def prune(directory: Path, pattern: str, keep: int) -> None:
    """Remove all but the `keep` entries used last, but nothing that a living process uses."""
    entries = [path for path in directory.glob(pattern) if path.is_dir()]
    for entry in sorted(entries, key=lambda p: p.stat().st_mtime, reverse=True)[keep:]:
        with _open_lock(entry.with_name(entry.name.removesuffix(".partial"))) as file:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove(entry)


@contextlib.contextmanager
def timed(what: str) -> Iterator[None]:
    """Say on stderr how long something took."""
    start = time.monotonic()
    yield
    print(f"vm: {what}: {time.monotonic() - start:.1f} s", file=sys.stderr, flush=True)
