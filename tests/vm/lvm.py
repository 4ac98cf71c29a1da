# SPDX-License-Identifier: GPL-2.0-or-later
"""What LVM writes at the start of a partition, made without LVM and without a device.

A physical volume's label and header, a metadata area with its header, and the description of one
volume group with one logical volume that is as large as it gets. Layout: LVM2's lib/format_text/layout.h
and lib/label/label.h.
"""

import struct
import zlib

_SECTOR = 512
_AREA = 4096  # of the metadata, behind the label's sectors
_EXTENT = 4 * 1024 * 1024
_LABEL_SECTOR = 1

# Identities have dashes in the description and none in the header.
_PV_ID = "vfiomd-0000-0000-0000-0000-0000-pvpvpv"
_VG_ID = "vfiomd-0000-0000-0000-0000-0000-vgvgvg"
_LV_ID = "vfiomd-0000-0000-0000-0000-0000-lvlvlv"


def _crc(data: bytes) -> int:
    """The usual CRC-32 with LVM's start value and without the last inversion."""
    return zlib.crc32(data, 0xF597A6CF ^ 0xFFFFFFFF) ^ 0xFFFFFFFF


def _label(start: int, size: int) -> bytes:
    header = _PV_ID.replace("-", "").encode() + struct.pack("<Q", start + size)
    header += struct.pack("<4Q", start, 0, 0, 0)  # data: to the end; then no more
    header += struct.pack("<4Q", _AREA, start - _AREA, 0, 0)  # metadata; then no more
    header += struct.pack("<II2Q", 2, 1, 0, 0)  # in use, no boot loader's area
    rest = struct.pack("<I8s", 32, b"LVM2 001") + header
    rest = rest.ljust(_SECTOR - 20, b"\0")
    return b"LABELONE" + struct.pack("<QI", _LABEL_SECTOR, _crc(rest)) + rest


def _description(group: str, volume: str, start: int, size: int) -> bytes:
    extents = size // _EXTENT
    return f"""{group} {{
id = "{_VG_ID}"
seqno = 1
format = "lvm2"
status = ["RESIZEABLE", "READ", "WRITE"]
flags = []
extent_size = {_EXTENT // _SECTOR}
max_lv = 0
max_pv = 0
metadata_copies = 0
physical_volumes {{
pv0 {{
id = "{_PV_ID}"
device = "/dev/vda2"
status = ["ALLOCATABLE"]
flags = []
dev_size = {(start + size) // _SECTOR}
pe_start = {start // _SECTOR}
pe_count = {extents}
}}
}}
logical_volumes {{
{volume} {{
id = "{_LV_ID}"
status = ["READ", "WRITE", "VISIBLE"]
flags = []
segment_count = 1
segment1 {{
start_extent = 0
extent_count = {extents}
type = "striped"
stripe_count = 1
stripes = [
"pv0", 0
]
}}
}}
}}
}}
contents = "Text Format Volume Group"
version = 1
description = ""
creation_host = "vfio-mode-test"
creation_time = 1700000000
""".encode() + b"\0"


def header(group: str, volume: str, start: int, size: int) -> bytes:
    """The first `start` bytes of a partition whose other `size` bytes are the logical volume."""
    text = _description(group, volume, start, size)
    location = struct.pack("<QQII", _SECTOR, len(text), _crc(text), 0)
    area = b" LVM2 x[5A%r0N*>" + struct.pack("<IQQ", 1, _AREA, start - _AREA) + location
    area = area.ljust(_SECTOR - 4, b"\0")
    area = struct.pack("<I", _crc(area)) + area
    label = b"".rjust(_LABEL_SECTOR * _SECTOR, b"\0") + _label(start, size)
    return (label.ljust(_AREA, b"\0") + area + text).ljust(start, b"\0")
