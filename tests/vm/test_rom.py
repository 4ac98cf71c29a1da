# SPDX-License-Identifier: GPL-2.0-or-later
"""Expansion ROMs, read through the real kernel: of a card of its own, of the one that the PC has booted with, of one
that a guest has; damaged ones; and that the function is left as it was found.
"""

import base64
import struct
import subprocess
from pathlib import Path

import pytest

from modectl import ask, run
from modes import GPU, drivers
from pc import PC, Result

pytestmark = pytest.mark.machine("two-gpus")

FIRST, SECOND, SPARE = "0000:01:00.0", "0000:02:00.0", "0000:03:00.0"
DEVICES = "/sys/bus/pci/devices"
# As in test_guest.py: it returns when it has the card.
GUEST = ("qemu-system-x86_64 -accel tcg -nodefaults -display none -m 16 -S -daemonize -pidfile /run/guest.pid "
         "-device vfio-pci,host=02:00.0")


def vga_bios() -> bytes:
    """What QEMU gives its VGA."""
    places = subprocess.run(["qemu-system-x86_64", "-L", "help"], capture_output=True, text=True, check=True).stdout
    found = [path for place in places.split() if (path := Path(place, "vgabios-stdvga.bin")).exists()]
    return found[0].read_bytes()


def image(units: int, *, right: bool = True, pci_id: tuple[int, int] = (0x8086, 0x10d3)) -> bytes:
    """A ROM of one image, for the card that plug() plugs."""
    data = bytearray(units * 512)
    struct.pack_into("<2s", data, 0, b"\x55\xaa")
    struct.pack_into("<H", data, 0x18, 0x1c)
    struct.pack_into("<4sHHHHBxxxHHBB", data, 0x1c, b"PCIR", *pci_id, 0, 0x18, 3, units, 1, 0, 0x80)
    data[-1] = (-sum(data) + (not right)) & 0xff
    return bytes(data)


def plug(pc: PC, path: Path | str) -> None:
    """A network card with this ROM."""
    assert pc.monitor(f"device_add e1000e,bus=spare,id=plugged,romfile={path}") == ""
    pc.ok(f"udevadm wait --settle --timeout=60 {DEVICES}/{SPARE}")
    assert drivers(pc, SPARE) == ["e1000e"]


def state(pc: PC, address: str) -> dict[str, str]:
    """What a reading has to leave as it was. `rom` says why it cannot be read."""
    names = ("enable", "power/control", "driver_override")
    said = pc.ok(f"cd {DEVICES}/{address}; cat {' '.join(names)}; readlink driver || echo none; "
                 "LC_ALL=C dd if=rom of=/dev/null bs=64 count=1 2>&1 | head -1").splitlines()
    return dict(zip((*names, "driver", "rom"), said, strict=True))


def check_left(pc: PC, address: str, before: dict[str, str]) -> None:
    assert before["rom"] == "dd: error reading 'rom': Invalid argument", before
    assert state(pc, address) == before


def read(pc: PC, arguments: str, code: int = 0) -> Result:
    said = pc.run(f"vfio-modectl rom {arguments}")
    assert said.rc == code, said
    return said


def content(pc: PC, path: str) -> bytes:
    return base64.b64decode(pc.ok(f"base64 {path}"))


def test_a_card_of_its_own(pc: PC) -> None:
    """The same bytes that QEMU has, on each driver and on none; and the card is left as it was, asleep or not."""
    bios = vga_bios()
    before = state(pc, SECOND)
    refused = read(pc, f"{SECOND} -o /root/no.rom", 4)
    assert "in use by its driver bochs-drm" in refused.stderr and "--while-in-use" in refused.stderr
    assert pc.run("test -e /root/no.rom").rc == 1
    read(pc, f"{SECOND} -o /root/driver.rom --while-in-use")
    check_left(pc, SECOND, before)

    pc.ok("systemctl start vfio-mode@passthrough")
    before = state(pc, SECOND)
    assert before["power/control"] == "auto"
    said = read(pc, f"{SECOND} -o /root/vfio.rom")
    assert "The ROM is complete and valid." in said.stdout
    assert "no image for UEFI" in said.stderr and "copy" not in said.stderr
    check_left(pc, SECOND, before)

    pc.ok(f"cd {DEVICES}/{SECOND}; echo {SECOND} > driver/unbind; echo auto > power/control")
    before = state(pc, SECOND)
    assert (before["driver"], before["enable"]) == ("none", "0")
    answer = ask(pc, f"rom {SECOND} -o /root/none.rom")
    assert (answer["valid"], answer["shadow"], answer["size"]) == (True, False, len(bios))
    assert [(one["type"], one["id"]) for one in answer["images"]] == [("x86", "1234:1111")]
    check_left(pc, SECOND, before)
    for name in ("driver", "vfio", "none"):
        assert content(pc, f"/root/{name}.rom") == bios, name


def test_the_boot_display(pc: PC) -> None:
    """Where the kernel looks for a copy of its ROM, this firmware has left none; one that is put there is told."""
    before = state(pc, FIRST)
    said = read(pc, FIRST, 5)
    assert "this firmware has left none there; boot once with another card" in said.stderr
    check_left(pc, FIRST, before)
    # What a firmware does: PAM registers of the host bridge open the memory at 0xc0000, and close it.
    pc.write("/root/bios.rom", vga_bios())
    pc.ok("setpci -s 00:00.0 91.B=33 92.B=33; dd if=/root/bios.rom of=/dev/mem bs=64k seek=12 conv=notrunc")
    answer = ask(pc, f"rom {FIRST} -o /root/copy.rom")
    assert (answer["valid"], answer["shadow"]) == (True, True)
    assert "the copy that the firmware has made" in " ".join(answer["remarks"])
    assert content(pc, "/root/copy.rom") == vga_bios()
    check_left(pc, FIRST, before)


def test_a_guest_has_it(pc: PC) -> None:
    pc.ok(f"systemctl start vfio-mode@passthrough; {GUEST}")
    before = state(pc, SECOND)
    said = read(pc, f"{SECOND} -o /root/no.rom --while-in-use", 4)
    assert f"{SECOND} is in use by process {pc.read('/run/guest.pid').strip()} (qemu-system-x86)" in said.stderr
    assert pc.run("test -e /root/no.rom").rc == 1
    check_left(pc, SECOND, before)


@pytest.mark.parametrize(("rom", "code", "words"), [
    pytest.param(image(8, right=False), 5, "has an image whose checksum is wrong", id="checksum"),
    pytest.param(image(8, pci_id=(0x8086, 0x1234)), 5, "has an image for another device", id="other-device"),
    pytest.param(image(8)[:2048], 5, "ends inside an image", id="cut"),
    pytest.param(b"\x55\xab" + image(8)[2:], 5, "gives nothing that the kernel takes for a ROM", id="no-signature"),
])
def test_a_damaged_one(pc: PC, tmp_path: Path, rom: bytes, code: int, words: str) -> None:
    """Said what is wrong; what can be had is written all the same."""
    (tmp_path / "rom").write_bytes(rom)
    plug(pc, tmp_path / "rom")
    before = state(pc, SPARE)
    said = read(pc, f"{SPARE} -o /root/rom --while-in-use", code)
    assert words in said.stderr, said
    check_left(pc, SPARE, before)
    if "nothing" in words:
        assert pc.run("test -e /root/rom").rc == 1
    else:
        assert content(pc, "/root/rom") == rom


def test_none(pc: PC) -> None:
    plug(pc, "")
    assert f"{SPARE} has no expansion ROM." in read(pc, SPARE, 5).stderr
    assert "There is no PCI function at 0000:09:00.0." in read(pc, "0000:09:00.0", 5).stderr
    assert "Only root may read a ROM." in pc.run(
        f"runuser --user nobody -- vfio-modectl rom {SECOND}; echo $?").stderr


# Waits until the reading has begun, and interrupts it; with its writer, or not. Both are held meanwhile, the writer
# second, which waits for the other, so that what is found is what is interrupted: not its putting back.
INTERRUPT = f"""
env --default-signal=INT vfio-modectl rom $1 --while-in-use -o /root/big.rom & modectl=$!
until apply=$(pgrep --oldest -f 'vfio-mode-apply rom') && grep -qs '^write=rom .* -$' /run/vfio-mode/undo; do
        kill -0 $modectl || exit 3
done
writer=$(pgrep --parent $apply)
for held in $apply $writer; do
        kill -STOP $held
        while [ -e /proc/$held ] && ! grep -qs '^State:.T' /proc/$held/status; do :; done
done
head -c 1 {DEVICES}/$1/rom > /root/first && [ -s /root/first ] && [ -n "$writer" ]
midway=$?
if [ $midway = 0 ]; then
        [ -z "$3" ] || kill -$2 $writer
        kill -$2 $apply
fi
kill -CONT $apply $writer
wait $modectl; echo status $?
tail --pid=$apply -f /dev/null
[ -z "$writer" ] || tail --pid=$writer -f /dev/null
[ $midway = 0 ] || exit 3
"""


def interrupt(pc: PC, signal: str, whom: str = "") -> str:
    """Midway. On a busy machine the reading may have ended before anybody could be held, which says nothing."""
    for _ in range(10):
        said = pc.run(f"bash /root/interrupt {SPARE} {signal} {whom}")
        if said.rc == 0:
            return said.out
        assert said.rc == 3, said
        pc.ok("rm -f /root/big.rom")
    pytest.fail(f"no reading was seen: {said}")


def test_interrupted(pc: PC, tmp_path: Path) -> None:
    """Midway; or by a reader who has had enough."""
    (tmp_path / "rom").write_bytes(image(2048))
    plug(pc, tmp_path / "rom")
    before = state(pc, SPARE)
    pc.write("/root/interrupt", INTERRUPT)
    for signal in ("INT", "TERM", "HUP"):
        said = interrupt(pc, signal)
        assert "status 1" in said.splitlines(), said
        assert pc.run("ls /root/big.rom*").rc != 0
        check_left(pc, SPARE, before)
    assert len(pc.run(f"set -o pipefail; vfio-modectl rom {SPARE} --while-in-use -o - | head -c 100 | base64").stdout) > 100
    check_left(pc, SPARE, before)
    pc.ok(f"/usr/libexec/vfio-mode/vfio-mode-apply rom {SPARE} | head -c 1")
    check_left(pc, SPARE, before)
    read(pc, f"{SPARE} --while-in-use -o /root/big.rom")
    assert pc.ok("stat --format=%s /root/big.rom") == str(2048 * 512)


@pytest.mark.parametrize("mender", ["writer", "rom", "switch"])
def test_killed(pc: PC, tmp_path: Path, mender: str) -> None:
    """What is left is no switch half-way, and is put back by the writer; or, where that is killed, too, by the next
    run."""
    (tmp_path / "rom").write_bytes(image(2048))
    plug(pc, tmp_path / "rom")
    pc.ok(f"systemctl start vfio-mode@passthrough; cd {DEVICES}/{SPARE}; echo {SPARE} > driver/unbind; "
          "echo auto > power/control")
    before = state(pc, SPARE)
    assert (before["enable"], before["power/control"]) == ("0", "auto")
    pc.write("/root/interrupt", INTERRUPT)
    killed = "" if mender == "writer" else "all"
    assert "status 1" in interrupt(pc, "KILL", killed).splitlines()
    if mender == "writer":
        check_left(pc, SPARE, before)
    else:
        left = state(pc, SPARE)
        assert (left["enable"], left["power/control"]) == ("1", "on") and left["rom"] != before["rom"]
    assert pc.ok("vfio-modectl status --mode") == "passthrough"
    if mender == "rom":
        pc.ok(f"vfio-modectl rom {SECOND}")
        check_left(pc, SPARE, before)
    else:  # its unit may not write to `enable`
        pc.ok("vfio-modectl switch passthrough")
        check_left(pc, SPARE, before if mender == "writer" else {**before, "enable": "1"})
    assert pc.run("test -e /run/vfio-mode/undo").rc == 1
    assert pc.ok("vfio-modectl status --mode") == "passthrough"


def rows(pc: PC, name: str, options: str = "") -> list[tuple[str, str]]:
    """What a check of the mode says: results, and messages with what to do."""
    checks = run(pc, f"check passthrough {options}")[1]["checks"]
    return [(row["result"], f"{row['message']} {row['advice']}") for row in checks if row["id"] == name]


def test_the_check_reads_it(pc: PC) -> None:
    """Where it is told to, and nobody has the card: by the way of `rom`, and with its refusals."""
    before = state(pc, SECOND)
    [(result, said)] = rows(pc, "rom-gpu", "--read-rom")
    assert result == "warn" and f"{SECOND} is in use by its driver bochs-drm" in said, said
    assert f"vfio-modectl rom {SECOND} --while-in-use" in said
    check_left(pc, SECOND, before)

    pc.ok("systemctl start vfio-mode@passthrough")
    before = state(pc, SECOND)
    assert rows(pc, "rom-gpu", "--read-rom") == [
        ("pass", f"The ROM of {SECOND} is complete and valid: {len(vga_bios())} bytes, with x86; nothing for a guest "
         "with UEFI. ")]
    check_left(pc, SECOND, before)
    assert pc.run("test -e /run/vfio-mode/undo").rc == 1

    pc.ok(GUEST)
    before = state(pc, SECOND)
    [(result, said)] = rows(pc, "rom-gpu", "--read-rom")
    assert result == "warn" and f"is in use by process {pc.read('/run/guest.pid').strip()} (qemu-system-x86)" in said, said
    check_left(pc, SECOND, before)


DOMAIN = """<domain><devices><hostdev mode='subsystem' type='pci'><source>
<address domain='0x0000' bus='0x02' slot='0x00' function='0x0'/></source><rom file='/root/gpu.rom'/></hostdev></devices></domain>
"""


def test_a_file_of_a_guest(pc: PC) -> None:
    """Read by every check, wherever it lies: in a home as well."""
    pc.ok("mkdir -p /etc/libvirt/qemu")
    assert rows(pc, "guest-rom-gpu") == []
    pc.write("/etc/libvirt/qemu/win.xml", DOMAIN)
    for rom, result, words in (
            (None, "fail", f"'win' of libvirt gives {SECOND} the ROM file /root/gpu.rom, which is not there: the guest will"),
            (vga_bios(), "pass", "which is complete and valid (x86)."),
            (vga_bios()[:-1], "fail", "which ends inside an image: the guest's firmware does not run it."),
            (image(8), "warn", "which has an image for 8086:10d3, and the card is 1234:1111")):
        if rom is not None:
            pc.write("/root/gpu.rom", rom)
        [(found, said)] = rows(pc, "guest-rom-gpu")
        assert found == result and words in said, (found, said)
    said = pc.run("runuser --user nobody -- vfio-modectl check passthrough").stdout
    assert "guest-rom-gpu" in said and "/root" not in said and "win" not in said.split(), said


@pytest.mark.parametrize(("card", "result", "words"), [
    (SECOND, "pass", "has a ROM of its own, of 64 KiB at most"),
    (FIRST, "warn", f"The PC has booted with {GPU}: its ROM is the copy that the firmware made, if any. It has not been"),
])
def test_the_check(pc: PC, card: str, result: str, words: str) -> None:
    """Says what can be known without reading it."""
    pc.ok(f"sed -i 's/^address = .*/address = {card}/' /etc/vfio-mode.ini")
    [(found, said)] = rows(pc, "rom-gpu")
    assert found == result and words in said, said
    check_left(pc, card, state(pc, card))
