# SPDX-License-Identifier: GPL-2.0-or-later
"""The verb rom, on captured machines: the program under test is $VFIO_MODECTL. Reading through the kernel is
tests/vm/test_rom.py's."""

import os
import pty
import struct
import subprocess

import pytest
from captured import AUDIO, GPU, PROGRAM, Machine, run, sanitizers

LEGACY, EFI = 0, 3
NO_BAR, OWN, SHADOW = (0, 0, 0), (0xf6000000, 0xf607ffff, 0x46200), (0xc0000, 0xdffff, 0x212)


def image(code=LEGACY, last=False, units=2, pci_id="10de:2484"):
    """One image of a ROM, its sum right."""
    data = bytearray(units * 512)
    vendor, device = (int(number, 16) for number in pci_id.split(":"))
    struct.pack_into("<2sB", data, 0, b"\x55\xaa", units)
    struct.pack_into("<H", data, 0x18, 0x1c)
    if code == EFI:
        struct.pack_into("<IHHH", data, 4, 0xef1, 11, 0x8664, 1)
    struct.pack_into("<4sHHHHBxxxHHBB", data, 0x1c, b"PCIR", vendor, device, 0, 0x18, 3, units, 1, code,
                     0x80 if last else 0)
    data[-1] = -sum(data) & 0xff
    return bytes(data)


GOOD = image() + image(EFI, last=True)
BIOS = image(last=True)
DAMAGED = BIOS[:-1] + bytes([BIOS[-1] ^ 1])


@pytest.fixture
def machine(tmp_path):
    (tmp_path / "root").mkdir()
    return Machine(tmp_path / "root").pc()


def put_rom(machine, rom, resource=OWN, address=GPU):
    where = machine.root / "sys/bus/pci/devices" / address
    if resource:
        lines = [(0, 0, 0)] * 6 + [resource] + [(0, 0, 0)] * 6
        (where / "resource").write_text("".join("0x%016x 0x%016x 0x%016x\n" % line for line in lines))
    if rom is not None:
        (where / "rom").write_bytes(rom)
    return machine


def test_a_good_one(machine, tmp_path):
    """What is in it, and where it was written; everybody may read that, QEMU's user among them."""
    put_rom(machine, GOOD)
    answer = machine.run("rom", GPU, "-o", tmp_path / "gpu.rom")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.splitlines() == [
        "OFFSET  BYTES  IMAGE                FOR        STATE",
        "0x0     1024   x86                  10de:2484  good",
        "0x400   1024   efi x64, compressed  10de:2484  good",
        "The ROM is complete and valid.",
        f"2048 bytes are written to {tmp_path}/gpu.rom."]
    assert (tmp_path / "gpu.rom").read_bytes() == GOOD
    assert (tmp_path / "gpu.rom").stat().st_mode & 0o777 == 0o644
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["gpu.rom"]
    assert machine.text("rom", GPU, "--quiet").splitlines() == [
        "0x0    1024  x86                  10de:2484  good", "0x400  1024  efi x64, compressed  10de:2484  good"]


@pytest.mark.parametrize("address", [GPU, GPU.removeprefix("0000:")])
def test_json(machine, address):
    assert put_rom(machine, GOOD).json("rom", address) == {
        "schema": 1, "address": GPU, "id": "10de:2484", "size": 2048, "valid": True, "fault": None, "shadow": False,
        "images": [
            {"offset": 0, "size": 1024, "type": "x86", "code_type": 0, "machine": None, "id": "10de:2484",
             "fault": None},
            {"offset": 1024, "size": 1024, "type": "efi", "code_type": 3, "machine": "x64", "id": "10de:2484",
             "fault": None}],
        "remarks": [], "file": None}


@pytest.mark.parametrize(("rom", "fault", "words", "n_images"), [
    (DAMAGED, "checksum", "has an image whose checksum is wrong", 1),
    (GOOD[:-1], "cut", "ends inside an image", 2),
    (image(), "no-last", "ends where another image should follow", 1),
    (image(EFI, last=True, pci_id="1002:744c"), "other-device", "has an image for another device", 1),
    (b"\xff" * 512, "no-signature", "has no image (55 aa) where one should begin", 0),
    (b"", "empty", "is empty", 0),
])
def test_a_bad_one(machine, tmp_path, rom, fault, words, n_images):
    """Said what is wrong with it; and written all the same, for who wants to see."""
    answer = put_rom(machine, rom).run("rom", GPU, f"--output={tmp_path}/bad.rom")
    assert answer.returncode == 5
    assert f"vfio-modectl: The ROM of {GPU} is not valid: it {words}.\n" in answer.stderr
    assert "valid" not in answer.stdout
    assert (tmp_path / "bad.rom").read_bytes() == rom
    said = machine.json("rom", GPU, code=5)
    assert (said["valid"], said["fault"], len(said["images"])) == (False, fault, n_images)


def test_a_copy(machine):
    """Where the kernel says so it is one; where that was not captured it may be."""
    put_rom(machine, BIOS, SHADOW)
    answer = machine.run("rom", GPU)
    assert answer.returncode == 0
    assert "This is the copy that the firmware has made" in answer.stderr
    assert "It has no image for UEFI" in answer.stderr
    assert machine.json("rom", GPU)["shadow"] is True
    (machine.root / f"sys/bus/pci/devices/{GPU}/resource").unlink()
    assert "This may be the copy" in machine.run("rom", GPU).stderr
    assert machine.json("rom", GPU)["shadow"] is None
    (machine.root / f"sys/bus/pci/devices/{GPU}/boot_vga").write_text("0\n")
    assert "the copy" not in machine.run("rom", GPU).stderr


def test_what_is_behind_it(machine):
    remarks = put_rom(machine, GOOD + b"NPDS" * 10).json("rom", GPU)["remarks"]
    assert remarks == ["40 bytes behind the last image are no image, but may be the vendor's."]


def test_to_a_pipe(machine):
    put_rom(machine, DAMAGED)
    answer = subprocess.run([PROGRAM, "--root", machine.root, "rom", GPU, "-o", "-"], capture_output=True,
                            check=False, timeout=30, env={"PATH": os.environ["PATH"], **sanitizers()})
    assert (answer.returncode, answer.stdout) == (5, DAMAGED)
    assert b"checksum is wrong" in answer.stderr


def test_to_a_terminal(machine):
    put_rom(machine, GOOD)
    ours, terminal = pty.openpty()
    answer = subprocess.run([PROGRAM, "--root", machine.root, "rom", GPU, "-o", "-"], stdout=terminal,
                            stderr=subprocess.PIPE, check=False, timeout=30, env=sanitizers())
    os.close(terminal)
    os.close(ours)
    assert (answer.returncode, answer.stderr) == (
        2, b"vfio-modectl: A ROM is nothing for a terminal; send it to a file or a pipe.\n")


def test_what_is_there_already(machine, tmp_path):
    """It stays, but for --force; and what is no file stays in any case."""
    put_rom(machine, GOOD)
    there, link = tmp_path / "there", tmp_path / "link"
    there.write_text("mine")
    link.symlink_to(there)
    answer = machine.run("rom", GPU, "-o", there)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "is there already; --force replaces it" in answer.stderr
    for other in (link, tmp_path):
        answer = machine.run("rom", GPU, "-o", other, "--force")
        assert (answer.returncode, answer.stdout) == (1, "")
        assert "is there already, and is no file" in answer.stderr
    assert there.read_text() == "mine"
    machine.text("rom", GPU, "-o", there, "--force")
    assert there.read_bytes() == GOOD


def test_it_cannot_be_written(machine, tmp_path):
    answer = put_rom(machine, GOOD).run("rom", GPU, "-o", tmp_path / "none/gpu.rom")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "No such file or directory" in answer.stderr


@pytest.mark.parametrize(("arguments", "code", "words"), [
    ([], 2, "'rom' needs more: ADDRESS [-o FILE | --output=FILE] [--force]"),
    ([GPU, AUDIO], 2, f"'rom' does not take '{AUDIO}'"),
    (["1:00.0"], 2, "`rom` takes a PCI address, such as 0000:01:00.0, not '1:00.0'."),
    ([GPU, "-o"], 2, "-o needs a value"),
    ([GPU, "--output"], 2, "--output needs a value"),
    ([GPU, "-o", "-", "--json=short"], 2, "--json and -o - would both write to the standard output."),
    ([GPU, "--dry-run"], 2, "--dry-run does not go with 'rom'"),
    ([GPU, "--force"], 2, "--force goes with the FILE of -o."),
    ([GPU, "--force", "-o", "-"], 2, "--force goes with the FILE of -o."),
    ([GPU, "--while-in-use"], 2, "--while-in-use does not go with it."),
    (["0000:07:00.0"], 5, "There is no PCI function at 0000:07:00.0."),
    ([AUDIO], 5, f"{AUDIO} has no expansion ROM."),
    ([GPU], 5, f"The ROM of {GPU} was not captured."),
])
def test_refused(machine, arguments, code, words):
    put_rom(machine, None, NO_BAR, AUDIO)
    answer = put_rom(machine, None).run("rom", *arguments)
    assert (answer.returncode, answer.stdout) == (code, "")
    assert words in answer.stderr


def test_a_resource_that_is_damaged(machine):
    put_rom(machine, GOOD)
    machine.write(f"sys/bus/pci/devices/{GPU}/resource", "nonsense\n")
    answer = machine.run("rom", GPU)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert f"{GPU} cannot be looked at: Bad message" in answer.stderr


def test_more_than_any(machine):
    put_rom(machine, None)
    with open(machine.root / f"sys/bus/pci/devices/{GPU}/rom", "wb") as file:
        file.truncate((16 << 20) + 1)
    answer = machine.run("rom", GPU)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "File too large" in answer.stderr


@pytest.mark.parametrize(("address", "words"), [
    (GPU, "the file `rom` is what there is to be read"), ("01:00.0", "'01:00.0' is no PCI address.")])
def test_who_reads_it_leaves_captured_files_alone(machine, address, words):
    """vfio-mode-apply, which has nothing to enable there."""
    put_rom(machine, GOOD)
    answer = subprocess.run([PROGRAM.replace("vfio-modectl", "vfio-mode-apply"), f"--root={machine.root}", "rom", address],
                            capture_output=True, text=True, check=False, timeout=30, env=sanitizers())
    assert (answer.returncode, answer.stdout) == (25, "")
    assert words in answer.stderr
    assert (machine.root / f"sys/bus/pci/devices/{GPU}/rom").read_bytes() == GOOD


def test_of_another_machine():
    answer = run("-H", "pc", "rom", GPU)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "'rom' reads this machine's files and does not go with -H" in answer.stderr
