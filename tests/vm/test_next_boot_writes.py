# SPDX-License-Identifier: GPL-2.0-or-later
"""Every write of the product's own operations on the boot environment, recorded, and the power cut after
each: what is on the disk then is booted with real GRUB code, natively.
"""

import itertools
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import cache
from nextboot import ARGUMENTS, INI, PLACE, SCRIPT, block, config, in_trial
from pc import PC
from recording import OURS, Recording, file_system, read_log

REPLAY = Path(__file__).resolve().parent.parent / "grub" / "replay.py"

# The block of the running boot, with its sequence: what no other disk's can be confirmed without.
OF_THIS_BOOT = f"cat {PLACE} > /run/block"
PUT_IT = f"dd if=/run/block of={PLACE} conv=notrunc,fsync status=none"

# What is new on an XFS is in its log alone, which GRUB does not read, until somebody unmounts it. So nothing
# is armed before a boot has shown that GRUB finds the block.
REBOOT = "systemctl stop vfio-moded.service 2>&1; umount /boot && mount /dev/vdb /boot"

STEPS = [  # a script, and what the next boot may be from its first write to its last
    ("GRUB_CMDLINE_LINUX='$vfio_args' /usr/libexec/vfio-mode/vfio-mode-apply grub-environment",
     "missing:", "idle:", "damaged:fallback"),
    (REBOOT, "missing:", "idle:"),
    ("vfio-modectl set-default passthrough", "idle:", "trial:passthrough", "damaged:fallback"),
    (PUT_IT, "trial:passthrough", "expired:fallback", "damaged:fallback"),
    ("vfio-modectl confirm", "expired:fallback", "default:passthrough", "damaged:fallback"),
    ("vfio-modectl next host", "default:passthrough", "skipped:fallback"),
    ("vfio-modectl next --cancel", "skipped:fallback", "default:passthrough"),
    ("vfio-modectl set-default host", "default:passthrough", "idle:", "damaged:fallback"),
    ("vfio-modectl next passthrough", "idle:", "once:passthrough", "damaged:fallback"),
]


def replay(disk: Path, log: Path, script: Path, first: int, last: int, *allowed: str,
           prefix: str = "(hd1)/grub", boots: int = 1) -> str:
    """Boot after each of these writes; fails with what is not allowed."""
    allow = [argument for outcome in allowed for argument in ("--allow", outcome)]
    result = subprocess.run(
        [sys.executable, str(REPLAY), str(log), str(disk), "--script", str(script), "--prefix", prefix,
         "--from", str(first), "--to", str(last), "--boots", str(boots), *allow],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    text = f"writes {first} to {last}: {result.stdout}"
    assert result.returncode == 0, text
    return text


def record(pc: PC, recording: Recording) -> Iterator[int]:
    """Takes the steps on that disk as /boot; how many writes there were before and after each."""
    pc.ok("mount /dev/vdb /boot; systemctl stop vfio-moded.service 2>&1")
    yield recording.position()
    for script, *_ in STEPS:
        pc.ok(script)
        if "set-default passthrough" in script:
            assert block(pc)["vfio_args"] == f"{ARGUMENTS} panic=10"
        if "confirm" in script:
            assert block(pc)["vfio_keep"] == "2"
        yield recording.position()


@pytest.mark.drawn("writes")
@pytest.mark.nextboot("grub")
def test_cut_after_each_write(pc: PC, tmp_path: Path) -> None:
    """Creation, arming, confirming, skipping, cancelling: before or after, and never a third thing."""
    if not shutil.which("grub-emu"):
        pytest.skip("grub-emu is not installed")
    script = tmp_path / "09_vfio-mode"
    for kind in ("ext4", "xfs", "fat"):
        in_trial(pc)  # each its own: a boot is confirmed once
        pc.ok(OF_THIS_BOOT)
        disk, log, base = (tmp_path / f"{kind}.{name}" for name in ("disk", "log", "base"))
        # What GRUB's directory is recognised by, and no block yet.
        files = {f"grub/{name}": pc.read(f"/boot/grub/{name}").encode() for name in ("grub.cfg", "grubenv")}
        file_system(kind, disk, files)
        subprocess.run(["cp", "--sparse=always", disk, base], check=True)
        with cache.timed(f"record {kind}"):
            recording = Recording(pc, disk, log)
            marks = []
            for mark in record(pc, recording):
                marks.append(mark)
                if len(marks) == 2:
                    script.write_text(pc.ok(SCRIPT))
        with cache.timed(f"replay {kind}, {marks} writes"):
            for (step, *allowed), first, last in zip(STEPS, marks, marks[1:], strict=False):
                if step != REBOOT or last > first:  # a FAT has nothing left to write then
                    print(kind, replay(base, log, script, first, last, *allowed))


# What is armed, with default-mode = passthrough, and the boots to come: before GRUB has written and after it.
# The default has three to count down from.
GRUBS_WRITES = {
    "once": ("next passthrough", "once:passthrough", "expired:fallback"),
    "trial": ("set-default passthrough", "trial:passthrough", "expired:fallback"),
    "default": ("set-default host", "default:host,default:host,default:host",
                "default:host,default:host,expired:fallback"),
    "skipped": ("next host", "skipped:fallback", "idle:"),
}


def check_grubs_writes(pc: PC, kind: str, directory: Path, prefix: str, disk: Path | None = None) -> None:
    """Arm this, and cut the power after each write of GRUB's; to that disk, or to the machine's own."""
    script, log, base = (directory / name for name in ("09_vfio-mode", "log", "base"))
    command, before, after = GRUBS_WRITES[kind]
    pc.ok(f"vfio-modectl {command} && sync")
    script.write_text(pc.ok(SCRIPT))
    with cache.timed(f"record {kind}"), pc.recorded(base, log, disk):
        pc.serial.expect("Loading Linux")
    with open(log, "rb") as file:
        grubs = list(itertools.takewhile(lambda write: OURS in write.data, read_log(file)))
    assert grubs, f"{kind}: the log does not begin with GRUB's writes"
    with cache.timed(f"replay {kind}, {len(grubs)} writes"):
        said = replay(base, log, script, 0, len(grubs), before, after, prefix=prefix,
                      boots=before.count(",") + 1)
    print(kind, said)
    found = re.findall(r"^(?:writes.*: )?(\S+:\S*) (\d+) (\d+)$", said, re.M)
    assert [outcome for outcome, *_ in found] == [before, after], said
    assert found[0][1] == found[1][2], f"not first the one, then the other: {said}"


@pytest.mark.drawn("writes")
@pytest.mark.parametrize("prefix", [
    pytest.param("(hd1,gpt2)/boot/grub", marks=pytest.mark.nextboot("grub"), id="ext4"),
    # Where the block is the script knows by itself.
    pytest.param("(hd1,gpt1)/nowhere", marks=pytest.mark.nextboot("lvm"), id="esp"),
])
def test_cut_after_grubs_writes(pc: PC, tmp_path: Path, prefix: str) -> None:
    """GRUB's own save_env on the real disk: what was armed until it is written, not after it."""
    if not shutil.which("grub-emu"):
        pytest.skip("grub-emu is not installed")
    for kind in GRUBS_WRITES:
        pc.restore()
        pc.write(INI, config(default="passthrough"))
        check_grubs_writes(pc, kind, tmp_path, prefix)


# GRUB, which finds its directory by the label of the root file system, goes on from there.
TO_XFS = """
mount /dev/vdb /mnt
cp -a /boot/grub/. /mnt
umount /mnt
uuid=$(blkid -s UUID -o value /dev/vdb)
cat > /boot/grub/grub.cfg <<EOF
insmod xfs
search --no-floppy --fs-uuid --set=root $uuid
set prefix=(\\$root)
configfile (\\$root)/grub.cfg
EOF
mount /dev/vdb /boot/grub
systemctl stop vfio-moded.service 2>&1
"""


@pytest.mark.long
@pytest.mark.nextboot("grub")
def test_cut_after_grubs_writes_on_xfs(pc: PC, tmp_path: Path) -> None:
    """The same on an XFS, whose log GRUB does not read either."""
    if not shutil.which("grub-emu"):
        pytest.skip("grub-emu is not installed")
    for kind in GRUBS_WRITES:
        pc.restore()
        pc.write(INI, config(default="passthrough"))
        disk = tmp_path / "disk"
        file_system("xfs", disk, {})
        pc.qmp("blockdev-add", **{"driver": "file", "node-name": "xfs", "filename": str(disk)})
        pc.qmp("device_add", driver="virtio-blk-pci", drive="xfs", bus="spare")
        pc.ok(f"set -e; udevadm wait --timeout=120 /dev/vdb; {TO_XFS}")
        check_grubs_writes(pc, kind, tmp_path, "(hd1)", disk)
