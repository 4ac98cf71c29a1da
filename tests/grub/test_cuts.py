# SPDX-License-Identifier: GPL-2.0-or-later
"""Power cuts during the writes of the OS and of GRUB: after each the next boot is what the crash
table allows, and never a third thing."""

import io
import random
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from emulator import BLOCK, FILE, SECTOR, Emulator, block, find, make_image
from model import Block, Model
from replay import DISCARD, FLUSH, MARK, Disk, Replay, Write, outcome, read_log, write_log

PREFIX = "(hd1)/boot/grub"
PLACE = f"boot/grub/{FILE}"
NOW = 1_800_000_000


@dataclass
class Change:
    """A write of the OS: what was there, and what is to be there then."""

    what: str
    old: bytes
    new: bytes


def boot(model: Model, path: Path) -> str:
    """What GRUB does to the file, and tells the kernel."""
    prediction, data = model.boot(path), path.read_bytes()
    assert prediction.after
    left = "-" if prediction.after.left < 0 else prediction.after.left
    for name, value in (("left", left), ("skip", prediction.after.skip)):
        line = f"\nvfio_{name}={value}\n".encode()
        at = data.index(line[:-2])
        data = data[:at] + line + data[at + len(line):]
    path.write_bytes(data)
    return " ".join(prediction.words)


def changes(model: Model, path: Path) -> list[Change]:
    """Each operation from each state that it is asked in."""
    found = []
    starts = {"idle": Block(NOW, "", 1, 0, 0), "seen": Block(NOW, "", 0, 0, 0),
              "armed": Block(NOW, "pt", 1, 0, 0), "trial": Block(NOW, "pt", 3, 1, 0),
              "default": Block(NOW, "pt", 3, 2, 0), "expired": Block(NOW, "pt", 0, 2, 0),
              "found expired": Block(NOW, "pt", -1, 1, 0),
              "skipped": Block(NOW, "pt", 2, 2, 1)}
    for name, start in starts.items():
        for verb, mode in (("set-once", "pt"), ("set-once", "host"), ("set-default", "pt"),
                           ("set-default", "other"), ("set-default", "host"), ("cancel", ""),
                           ("disarm", ""), ("confirm", "")):
            model.format(path, start, "nosmt=force panic=10" if start.mode else "")
            marker = boot(model, path) if verb == "confirm" else ""
            old = path.read_bytes()
            arguments = "hugepages=20 " * 30 if mode == "other" else "nosmt=force panic=10"
            if model.operate(verb, path, mode, arguments.strip(), 2, NOW + 5, marker):
                new = path.read_bytes()
                if new != old:
                    found.append(Change(f"{verb} {mode} from {name}", old, new))
    return found


def torn(rng: random.Random, change: Change) -> list[bytes]:
    """What a disk may hold when the power fails in the middle: either sector first, and, worse than
    disks promise, any number of bytes."""
    old, new = change.old, change.new
    cuts = [rng.randrange(BLOCK) for _ in range(4)]
    cuts += [new.index(b"\nvfio_end=") + 10, new.index(b"\nvfio_seq=") + 20]
    return [new[:SECTOR] + old[SECTOR:], old[:SECTOR] + new[SECTOR:],
            *(new[:cut] + old[cut:] for cut in cuts)]


def test_a_torn_write_is_the_old_one_the_new_one_or_the_fallback_mode(
        tmp_path: Path, emitted: dict[str, Path], model: Model, rng: random.Random) -> None:
    there = changes(model, tmp_path / "block")
    assert len(there) >= 25 and {change.what.split()[0] for change in there} == {
        "set-once", "set-default", "cancel", "disarm", "confirm"}
    contents, rows = [], []
    for change in there:
        contents += [change.old, change.new, *torn(rng, change)]
        rows.append(len(contents))
    image = make_image("ext4", tmp_path / "disk.img",
                       {f"{i:04}/{FILE}": content for i, content in enumerate(contents)}, 24)
    found = [result["vfio_args"].split() for result in Emulator(tmp_path, len(contents)).boot(
        emitted["prefix"], [f"(hd1)/{i:04}" for i in range(len(contents))], image)]
    start = 0
    for change, end in zip(there, rows, strict=True):
        old, new, *others = found[start:end]
        for number, words in enumerate(others):
            assert words in (old, new, ["vfio_mode=fallback", "vfio_mode.boot=damaged.0.0"]), (
                change.what, number, contents[start + 2 + number])
        start = end


@pytest.mark.parametrize("kind", ["ext4", "fat", "xfs"])
def test_a_cut_in_grubs_own_write(tmp_path: Path, emitted: dict[str, Path], kind: str) -> None:
    """It is one sector: before it the boot is what it would have been, after it one less is left. What
    has expired is written once, for a kernel that is resumed, and is expired before and after."""
    armed = block({"vfio_seq": "7", "vfio_mode": "pt", "vfio_left": "2", "vfio_keep": "1",
                   "vfio_skip": "1", "vfio_args": "a", "vfio_end": "7"})
    image = make_image(kind, tmp_path / "disk.img", {PLACE: armed})
    emulator = Emulator(tmp_path)
    for now, writes in (("skipped:fallback", 1), ("trial:pt", 1), ("trial:pt", 1), ("expired:fallback", 1),
                        ("expired:fallback", 0)):
        before = image.read_bytes()
        result = emulator.boot(emitted["prefix"], [PREFIX], image)[0]
        assert outcome(result["vfio_args"]) == now
        after = image.read_bytes()
        changed = [at for at in range(0, len(before), SECTOR)
                   if before[at:at + SECTOR] != after[at:at + SECTOR]]
        assert len(changed) == writes
        # The cut before it: the same boot once more. The one after it is the next turn.
        image.write_bytes(before)
        again = emulator.boot(emitted["prefix"], [PREFIX], image)[0]
        assert outcome(again["vfio_args"]) == now and image.read_bytes() == after


def writes_of(trace: str) -> list[Write]:
    """What strace saw of one file: each is a seek to where it is, and a write."""
    found, at = [], None
    for call in re.findall(r"^\d+ +(\w+)\((.*)$", trace, re.M):
        match call:
            case ("openat", _):
                at = 0
            case ("lseek", rest):
                at = int(re.search(r"= (\d+)$", rest)[1])
            case ("write", rest):
                text, size, done = re.search(r'"(.*)", (\d+)\) = (\d+)$', rest).groups()
                data = bytes.fromhex(text.replace("\\x", ""))
                assert at is not None and len(data) == int(size) == int(done)
                found.append(Write(at, data))
                at += len(data)
            case other:
                raise AssertionError(other)
    return found


# What is armed, and what it is boot by boot.
ARMED = {
    "idle": (("", 1, 0, 0), "idle:", "idle:"),
    "once": (("pt", 1, 0, 0), "once:pt", "expired:fallback"),
    "trial": (("pt", 2, 1, 0), "trial:pt", "trial:pt"),
    "default": (("pt", 3, 2, 0), "default:pt", "default:pt"),
    "skip": (("pt", 3, 2, 1), "skipped:fallback", "default:pt"),
    "idle-skip": (("", 1, 0, 1), "skipped:fallback", "idle:"),
    "expired": (("pt", 0, 2, 0), "expired:fallback", "expired:fallback"),
}


@pytest.mark.parametrize("kind", ["ext4", "fat", "xfs"])
def test_each_of_grubs_writes_is_recorded_and_cut(tmp_path: Path, emitted: dict[str, Path],
                                                  model: Model, rng: random.Random,
                                                  kind: str) -> None:
    """The calls by which GRUB writes to the disk, in their order: one a boot, into the block alone. Cut
    between two, or within one, at a sector's end or, worse than disks promise, anywhere."""
    blocks = {name: model.format(tmp_path / "block", Block(NOW + number, *state), "nosmt=force panic=10")
              for number, (name, (state, *_)) in enumerate(ARMED.items())}
    image = make_image(kind, tmp_path / "disk.img",
                       {f"{name}/{FILE}": content for name, content in blocks.items()})
    where = [find(image.read_bytes(), content) for content in blocks.values()]
    base, trace = tmp_path / "base.img", tmp_path / "trace"
    shutil.copy(image, base)

    def boot_all(emulator: Emulator, disk: Path) -> list[str]:
        found = emulator.boot(emitted["prefix"], [f"(hd1)/{name}" for name in ARMED], disk)
        return [result["vfio_args"] for result in found]

    strace = ("strace", "-f", "-xx", "-s", "65536", "-o", trace, "-P", image, "-e", "trace=openat,lseek,write")
    first = boot_all(Emulator(tmp_path, len(ARMED), strace), image)
    emulator = Emulator(tmp_path, len(ARMED))
    second = boot_all(emulator, image)
    assert [outcome(words) for words in first] == [now for _, now, _ in ARMED.values()]
    assert [outcome(words) for words in second] == [then for _, _, then in ARMED.values()]
    writes = writes_of(trace.read_text())
    assert [write.offset for write in writes] == where and {len(write.data) for write in writes} == {BLOCK}

    disk, cuts = Disk(base), 0
    for number, write in enumerate(writes):
        saved, old = disk.save(), list(blocks.values())[number]
        changed = [i for i in range(BLOCK) if write.data[i] != old[i]]
        assert len(changed) == 1 and changed[0] < SECTOR
        lengths = [0, SECTOR, changed[0], changed[0] + 1, rng.randrange(BLOCK)]
        halves = [write.data[:length] + old[length:] for length in lengths]
        for half in [*halves, old[:SECTOR] + write.data[SECTOR:]]:
            disk.apply(Write(write.offset, half))
            expected = second[:number] + first[number:]
            if half[changed[0]] == write.data[changed[0]]:
                expected[number] = second[number]
            assert boot_all(emulator, base) == expected, (number, half)
            disk.restore(saved)
            cuts += 1
        disk.apply(write)
    assert boot_all(emulator, base) == second
    print(f"{kind}: {len(writes)} writes of GRUB, {cuts} cuts in them, {cuts * len(ARMED)} boots")


# ---- Recordings ----


def recording(image: Path, old: bytes, new: bytes) -> list[Write]:
    """A write in place, as the OS makes it, in the middle of others' writes."""
    where = find(image.read_bytes(), old)
    end = image.stat().st_size - 4096
    return [Write(end, b"x" * 4096), Write(0, b"", FLUSH),
            Write(where, new[:SECTOR]), Write(where + SECTOR, new[SECTOR:]), Write(0, b"", FLUSH),
            Write(end, b"", DISCARD, 4096), Write(end, b"y" * 512)]


@pytest.mark.parametrize("kind", ["ext4", "fat", "xfs"])
def test_a_recording_is_replayed(tmp_path: Path, emitted: dict[str, Path], model: Model,
                                 kind: str) -> None:
    old = model.format(tmp_path / "block", Block(NOW, "", 1, 0, 0), "")
    # So long that it takes two sectors.
    assert model.operate("set-default", tmp_path / "block", "pt", "a.long=one " * 50, 1, NOW + 1)
    new = (tmp_path / "block").read_bytes()
    image = make_image(kind, tmp_path / "disk.img", {PLACE: old})
    writes = recording(image, old, new)
    with open(tmp_path / "log", "wb") as log:
        write_log(log, writes)
    untouched = image.read_bytes()
    command = [sys.executable, Path(__file__).with_name("replay.py"), tmp_path / "log", image,
               "--script", emitted["prefix"], "--prefix", PREFIX, "--boots", "2"]
    allowed = ["--allow=idle:,idle:", "--allow=damaged:fallback,damaged:fallback",
               "--allow=trial:pt,expired:fallback"]
    good = subprocess.run([*command, *allowed], capture_output=True, text=True, check=False)
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.splitlines() == ["idle:,idle: 2 0", "damaged:fallback,damaged:fallback 1 3",
                                        "trial:pt,expired:fallback 3 4"]
    bad = subprocess.run([*command, *allowed[:2]], capture_output=True, text=True, check=False)
    assert bad.returncode == 1
    assert "trial:pt,expired:fallback 3 4 NOT ALLOWED" in bad.stdout
    assert image.read_bytes() == untouched


def test_the_log_is_read_as_it_is_written() -> None:
    writes = [Write(4096, b"a" * 4096), Write(0, b"", FLUSH), Write(8192, b"", DISCARD, 4096),
              Write(0, b"", MARK), Write(0, b"b" * 8192)]
    for sector in (512, 4096):
        file = io.BytesIO()
        write_log(file, writes, sector)
        file.seek(0)
        assert list(read_log(file)) == writes
    with pytest.raises(ValueError):
        list(read_log(io.BytesIO(bytes(512))))


def test_the_script_is_found_in_a_whole_configuration(tmp_path: Path,
                                                      emitted: dict[str, Path]) -> None:
    whole = tmp_path / "grub.cfg"
    parts = {"05_debian_theme": "reboot\n", "09_vfio-mode": emitted["prefix"].read_text(),
             "10_linux": "reboot\n"}
    whole.write_text("\n".join(f"### BEGIN /etc/grub.d/{name} ###\n{text}### END /etc/grub.d/{name} ###\n"
                               for name, text in parts.items()))
    image = make_image("ext4", tmp_path / "disk.img", {"boot/x": b""})
    assert Replay(image, whole, PREFIX, tmp_path).boot() == "missing:"
