# SPDX-License-Identifier: GPL-2.0-or-later
"""A second disk whose writes are recorded, by QEMU's blklogwrites.

It appears in the guest as /dev/vdb. What the guest has synced is in the log; position() counts.
"""

import struct
import sys
from pathlib import Path

from pc import PC

sys.path.append(str(Path(__file__).resolve().parent.parent / "grub"))

from emulator import make_image  # noqa: E402
from replay import OURS, read_log  # noqa: E402, F401

_SECTOR = 512
_SUPER = struct.Struct("<QQQI")  # magic, version, entries, size of a sector


def file_system(kind: str, image: Path, files: dict[str, bytes]) -> None:
    """A disk with these files, on ext4, xfs or fat."""
    make_image(kind, image, files, megabytes=64)


class Recording:
    """The disk `image`, plugged into the empty slot of a running PC."""

    def __init__(self, pc: PC, image: Path, log: Path) -> None:
        self._pc = pc
        self._log = log
        log.write_bytes(b"")
        add = {"driver": "file", "read-only": False}
        pc.qmp("blockdev-add", **add, **{"node-name": "log", "filename": str(log)})
        pc.qmp("blockdev-add", **add, **{"node-name": "extra-file", "filename": str(image)})
        pc.qmp("blockdev-add", **{"driver": "raw", "node-name": "extra-raw", "file": "extra-file"})
        pc.qmp("blockdev-add", **{"driver": "blklogwrites", "node-name": "extra", "file": "extra-raw",
                                  "log": "log", "log-sector-size": _SECTOR})
        pc.qmp("device_add", driver="virtio-blk-pci", drive="extra", id="extra", bus="spare")
        pc.ok("udevadm wait --timeout=120 /dev/vdb")

    def position(self) -> int:
        """How many writes there were. Everything that was written is on the disk then."""
        self._pc.ok("sync; blockdev --flushbufs /dev/vdb")
        start = self._log.read_bytes()[:_SUPER.size]
        if not any(start):
            return 0  # nothing was written and flushed
        magic, version, entries, sector = _SUPER.unpack(start)
        assert (magic, version, sector) == (0x6A736677736872, 1, _SECTOR), "no log of blklogwrites"
        return entries
