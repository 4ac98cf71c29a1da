# SPDX-License-Identifier: GPL-2.0-or-later
"""What 09_vfio-mode wrote, run by real GRUB code over real disk images, against the C model."""

import random
import re
from pathlib import Path

import pytest
from emulator import BLOCK, FAT_ID, FILE, SECTOR, Emulator, block, find, make_image, variables_of
from model import Block, Model, Prediction
from scripts import Machine

ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.,:=/@+%~^-!"
IDLE = "vfio_mode.boot=idle"
Boots = list[dict[str, str]]


def words_of(result: dict[str, str]) -> list[str]:
    """The kernel's arguments as GRUB splits them; its quoting changes none of these bytes."""
    assert set(result) == {"vfio_args", "words"}
    words = result["words"].split("|")[1:]
    assert words == result["vfio_args"].split()
    return words


class Disk:
    """An image with one directory for each block, and GRUB to boot from each."""

    def __init__(self, folder: Path, kind: str, blocks: dict[str, bytes | None]) -> None:
        self.names = list(blocks)
        self.kind = kind
        files = {f"{name}/{FILE if content is not None else 'x'}": content or b""
                 for name, content in blocks.items()}
        self.image = make_image(kind, folder / "disk.img", files)
        self.emulator = Emulator(folder, len(blocks))

    def boot(self, script: Path) -> dict[str, list[str]]:
        device = "(inner)" if self.kind == "unwritable" else "(hd1)"
        before = "loopback inner (hd1)/inner.img" if self.kind == "unwritable" else ""
        places = [f"{device}/{name}" for name in self.names]
        results = self.emulator.boot(script, places, self.image, before=before)
        return {name: words_of(result) for name, result in zip(self.names, results, strict=True)}


def sectors_changed(before: bytes, after: bytes) -> set[int]:
    assert len(before) == len(after)
    return {at // SECTOR for at in range(0, len(before), SECTOR)
            if before[at:at + SECTOR] != after[at:at + SECTOR]}


# ---- Rows that a person wrote down: facts of GRUB, and of the state machine ----


FALLBACK, SEQ = "vfio_mode=fallback", "1700000000"


def state(mode: str = "", left: object = 1, keep: object = 0, skip: object = 0, args: str = "",
          end: str = SEQ) -> list[tuple[str, str]]:
    return [("vfio_seq", SEQ), ("vfio_mode", mode), ("vfio_left", str(left)),
            ("vfio_keep", str(keep)), ("vfio_skip", str(skip)), ("vfio_args", args), ("vfio_end", end)]


DAMAGED = [[FALLBACK, "vfio_mode.boot=damaged.0.0"]] * 3


def gone(kind: str, left: int) -> list[str]:
    return [FALLBACK, f"vfio_mode.boot={kind}.{SEQ}.{left}"]


def into(kind: str, left: int, *arguments: str) -> list[str]:
    return ["vfio_mode=pt", *arguments, f"vfio_mode.boot={kind}.{SEQ}.{left}"]


def without(pairs: list[tuple[str, str]], name: str) -> list[tuple[str, str]]:
    return [(n, v) for n, v in pairs if n != name]


ROWS: dict[str, tuple[bytes | None, list[list[str]]]] = {
    "no-file": (None, [["vfio_mode.boot=missing.0.0"]] * 3),
    "empty-file": (b"", DAMAGED),
    "random-bytes": (random.Random(1).randbytes(BLOCK), DAMAGED),
    "signature-only": (block([]), DAMAGED),
    "first-half": (block(state("pt", 1, args="a"))[:40], DAMAGED),
    "zeroes": (bytes(BLOCK), DAMAGED),
    "sequences-differ": (block(state("pt", end="1700000001")), DAMAGED),
    "no-end": (block(without(state("pt"), "vfio_end")), DAMAGED),
    "no-sequence": (block(without(state("pt"), "vfio_seq")), DAMAGED),
    "no-left": (block(without(state("pt"), "vfio_left")), DAMAGED),
    "no-keep": (block(without(state("pt"), "vfio_keep")), DAMAGED),
    "no-skip": (block(without(state("pt"), "vfio_skip")), DAMAGED),
    **{f"left-{i}": (block(state("pt", value)), DAMAGED)
       for i, value in enumerate(["4", "9", "-1", "--", "01", "x", " 1", "1 ", "", "!", "(", "-o"])},
    **{f"keep-{i}": (block(state("pt", 1, value)), DAMAGED)
       for i, value in enumerate(["3", "", "00"])},
    **{f"skip-{i}": (block(state("pt", 1, 0, value)), DAMAGED)
       for i, value in enumerate(["2", "", "yes"])},
    # The kernel would take the first word for the mode.
    **{f"mode-{i}": (block(state(value, 1)), DAMAGED)
       for i, value in enumerate(["pt x", "pt ", " pt", " "])},
    # What is behind the filling GRUB cannot write again; the OS makes it anew.
    "no-filling": (block(state("pt"))[:-1] + b"x", [gone("unwritable", 1)] * 3),
    "idle": (block(state()), [[f"{IDLE}.{SEQ}.0"]] * 3),
    "once": (block(state("pt", 1, args="a=1 b")),
             [into("once", 0, "a=1", "b"), gone("expired", 0), gone("expired", 0)]),
    "twice": (block(state("pt", 2)), [into("once", 1), into("once", 0), gone("expired", 0)]),
    "trial": (block(state("pt", 1, 1, args="a")),
              [into("trial", 0, "a"), gone("expired", 0), gone("expired", 0)]),
    "default": (block(state("pt", 3, 2)),
                [into("default", 2), into("default", 1), into("default", 0)]),
    "skip": (block(state("pt", 3, 2, 1)),
             [gone("skipped", 3), into("default", 2), into("default", 1)]),
    "idle-skip": (block(state(skip=1)), [gone("skipped", 1)] + [[f"{IDLE}.{SEQ}.0"]] * 2),
    "expired": (block(state("pt", 0, 2)), [gone("expired", 0)] * 3),
    "expired-skip": (block(state("pt", 0, 1, 1)), [gone("skipped", 0)] + [gone("expired", 0)] * 2),
    "found-expired": (block(state("pt", "-", 2)), [gone("expired", 0)] * 3),
    "found-expired-skip": (block(state("pt", "-", 2, 1)), [gone("skipped", 0)] + [gone("expired", 0)] * 2),
    "idle-expired": (block(state(left="-")), [[f"{IDLE}.{SEQ}.0"]] * 3),
    "hostile": (block(state("p;reboot", 3, args="$root \"a b\" 'c ; halt {")),
                [["vfio_mode=p;reboot", "$root", '"a', 'b"', "'c", ";", "halt", "{",
                  f"vfio_mode.boot=once.{SEQ}.{left}"] for left in (2, 1, 0)]),
    "other-names": (block([("prefix", "(hd0)/x"), ("root", "hd9"), ("vfio_file", "/x"),
                           ("vfio_kind", "idle"), *state("pt", 1)]), [into("once", 0)]
                    + [gone("expired", 0)] * 2),
}
UNWRITABLE = {
    "no-filling": gone("unwritable", 1),
    "no-file": ["vfio_mode.boot=missing.0.0"],
    "idle": [f"vfio_mode.boot=unwritable.{SEQ}.1"],
    "once": gone("unwritable", 1), "twice": gone("unwritable", 2), "trial": gone("unwritable", 1),
    "default": gone("unwritable", 3), "skip": gone("unwritable", 3),
    "idle-skip": gone("unwritable", 1), "expired": gone("expired", 0),
    "expired-skip": gone("unwritable", 0), "found-expired": gone("expired", 0),
    "found-expired-skip": gone("unwritable", 0), "idle-expired": [f"{IDLE}.{SEQ}.0"], "hostile": gone("unwritable", 3),
    "other-names": gone("unwritable", 1),
}


@pytest.mark.parametrize("kind", ["ext4", "fat", "xfs"])
def test_rows(tmp_path: Path, emitted: dict[str, Path], kind: str) -> None:
    disk = Disk(tmp_path, kind, {name: content for name, (content, _) in ROWS.items()})
    for number in range(3):
        found = disk.boot(emitted["prefix"])
        assert found == {name: boots[number] for name, (_, boots) in ROWS.items()}


def test_rows_that_cannot_be_written(tmp_path: Path, emitted: dict[str, Path]) -> None:
    disk = Disk(tmp_path, "unwritable", {name: content for name, (content, _) in ROWS.items()})
    for _ in range(2):
        found = disk.boot(emitted["prefix"])
        assert found == {name: UNWRITABLE.get(name, DAMAGED[0]) for name in ROWS}


def test_on_the_esp(tmp_path: Path, emitted: dict[str, Path]) -> None:
    armed = block(state("pt", 1, args="a"))
    image = make_image("fat", tmp_path / "esp.img", {f"EFI/{FILE}": armed})
    emulator = Emulator(tmp_path, 3)
    found = emulator.boot(emitted["esp"], ["(hd9)/x"] * 2, image)
    assert [words_of(result) for result in found[:2]] == [into("once", 0, "a"), gone("expired", 0)]
    # No ESP of that name; and the root is nobody's to change.
    other = tmp_path / "other.cfg"
    other.write_text(emitted["esp"].read_text().replace(FAT_ID, "DEAD-BEEF"))
    found = emulator.run(f"set root=hd7\nsource (host){other}\nset words=$root\n"
                         "save_env -f (hd0)/0 vfio_args words\n"
                         f"source (host){emitted['esp']}\nset words=$root\n"
                         "save_env -f (hd0)/1 vfio_args words\n", image)
    assert [result["words"] for result in found[:2]] == ["hd7", "hd7"]
    assert found[0]["vfio_args"].split() == ["vfio_mode.boot=missing.0.0"]
    assert found[1]["vfio_args"].split() == gone("expired", 0)


# ---- Against the model ----


def arguments_of(rng: random.Random, length: int) -> str:
    """Such as a configuration accepts."""
    text = ""
    while len(text) < length:
        word = "".join(rng.choice(ALPHABET) for _ in range(rng.randint(1, 40))).lstrip("/!")
        text += (" " if text and word else "") + word
    return text[:length].strip()


def states(rng: random.Random) -> list[tuple[Block, str]]:
    """Each combination of small values once, and as many drawn ones."""
    found = []
    for mode in ("", "passthrough"):
        for left in range(-1, 4):
            for keep in range(3):
                for skip in range(2):
                    found.append((mode, left, keep, skip, rng.choice(["", "nosmt=force panic=10"])))
    for _ in range(60):
        name = [rng.choice("abcdefghijklmnopqrstuvwxyz0123456789_-") for _ in range(rng.randint(1, 30))]
        found.append((f"m{''.join(name)}", rng.randrange(-1, 4), rng.randrange(3), rng.randrange(2),
                      arguments_of(rng, rng.choice([5, 100, 655]))))
    first = rng.randrange(1 << 33)
    return [(Block(first + i, *row[:4]), row[4]) for i, row in enumerate(found)]


def damage(rng: random.Random, content: bytes) -> bytes:
    """One byte becomes another, or a sector is gone."""
    data = bytearray(content)
    if rng.random() < 0.3:
        start = rng.choice([0, SECTOR])
        data[start:start + SECTOR] = bytes([rng.choice(b"\0#\xff")]) * SECTOR
    else:
        end = content.rindex(b"\nvfio_end=") + 12
        data[rng.randrange(end)] = rng.choice(ALPHABET.encode() + b"#= \n")
    return bytes(data)


def agrees(words: list[str], expected: Prediction) -> bool:
    if words == expected.words:
        return True
    # Where not all is # behind the last variable it cannot write: the safe side. An idle one names no mode.
    if words[-1].startswith("vfio_mode.boot=unwritable."):
        return expected.kind == "damaged" and (words[0] == FALLBACK or len(words) == 1)
    # GRUB cannot look at each character of a name: what is none the OS takes for an unknown mode.
    name = words[0].removeprefix("vfio_mode=")
    return expected.kind == "damaged" and (words[0] == FALLBACK
                                           or not re.fullmatch("[a-z0-9][a-z0-9_-]{0,31}", name))


@pytest.mark.parametrize("kind", ["ext4", "fat", "xfs", "unwritable"])
def test_generated_states_are_booted_as_the_model_says(tmp_path: Path, emitted: dict[str, Path],
                                                       model: Model, rng: random.Random,
                                                       kind: str) -> None:
    blocks = {f"{i:03}": model.format(tmp_path / "block", entry, arguments)
              for i, (entry, arguments) in enumerate(states(rng))}
    assert len(blocks) >= 100 and len(set(blocks.values())) == len(blocks)
    disk = Disk(tmp_path, kind, blocks)
    data = disk.image.read_bytes()
    where = {name: find(data, content) for name, content in blocks.items()}
    for _ in range(4 if kind == "ext4" else 2):
        before = disk.image.read_bytes()
        found = disk.boot(emitted["prefix"])
        after = disk.image.read_bytes()
        for name, words in found.items():
            path = tmp_path / "block"
            path.write_bytes(before[where[name]:where[name] + BLOCK])
            expected = model.boot(path, kind != "unwritable")
            assert words == expected.words, (name, variables_of(path.read_bytes()))
            path.write_bytes(after[where[name]:where[name] + BLOCK])
            left = {key: int(value) if value.isdecimal() else -1 if value == "-" else value
                    for key, value in variables_of(path.read_bytes()).items()}
            assert Block(left["vfio_seq"], left["vfio_mode"], left["vfio_left"], left["vfio_keep"],
                         left["vfio_skip"]) == expected.after
        # What a cut could tear: nothing but the one byte in a block's first sector has changed.
        starts = {start // SECTOR for start in where.values()}
        assert sectors_changed(before, after) <= starts


@pytest.mark.parametrize("kind", ["ext4", "fat"])
def test_damaged_blocks_are_the_fallback_mode(tmp_path: Path, emitted: dict[str, Path], model: Model,
                                              rng: random.Random, kind: str) -> None:
    path, blocks = tmp_path / "block", {}
    for entry, arguments in states(rng):
        whole = model.format(path, entry, arguments)
        blocks[f"{len(blocks):03}"] = damage(rng, whole)
    disk = Disk(tmp_path, kind, blocks)
    found = disk.boot(emitted["prefix"])
    kinds = set()
    for name, words in found.items():
        path.write_bytes(blocks[name])
        expected = model.boot(path)
        kinds.add(expected.kind)
        assert agrees(words, expected), (blocks[name], words, expected)
    assert "damaged" in kinds


# ---- Kernel arguments ----


def hostile(rng: random.Random) -> bytes:
    evil = [b'"', b"'", b"$", b";", b"\n", b"\\", b"{", b"}", b"`", b"|", b"&", b"#", b"<", b"\t", b"*",
            b"?", b"[", b"(", "é".encode(), b"\x01", b"\xff", b"$vfio_mode", b"vfio_mode=x", b"init=/x",
            b"root=/dev/x", b"a" * 700, b" ", b"  ", b"=", b"!"]
    text = arguments_of(rng, rng.choice([3, 30, 600])).encode()
    for _ in range(rng.choice([0, 0, 1, 1, 1, 4])):
        at = rng.randrange(len(text) + 1)
        text = text[:at] + rng.choice(evil) + text[at:]
    return text


def test_accepted_arguments_arrive_byte_for_byte(tmp_path: Path, emitted: dict[str, Path],
                                                 model: Model, rng: random.Random) -> None:
    accepted, refused = [], 0
    for _ in range(600):
        text = model.config(b"[mode passthrough]\ncmdline = " + hostile(rng) + b"\n")
        if text is None:
            refused += 1
        elif len(accepted) < 120:
            accepted.append(text)
    assert refused >= 200 and len(accepted) >= 50
    assert not re.search(r"[^A-Za-z0-9_.,:=/@+%~^! -]", "".join(accepted))
    blocks = {f"{i:03}": model.format(tmp_path / "block", Block(i + 1, "passthrough", 1, 0, 0), text)
              for i, text in enumerate(accepted)}
    disk = Disk(tmp_path, "ext4", blocks)
    # With the module that expands * and ? as with a shell's.
    script = tmp_path / "regexp.cfg"
    script.write_text("insmod regexp\n" + emitted["prefix"].read_text())
    for name, words in disk.boot(script).items():
        assert " ".join(words[1:-1]) == accepted[int(name)]


# ---- Where the variable is used ----


def picked(folder: Path, script: Path, menu: str, entry: str, armed: bytes,
           keys: bytes = b"") -> dict[str, str]:
    """Boots that entry of a menu; its `linux` leaves the words in the variable of that name, and what
    was on the screen is "screen"."""
    image = make_image("ext4", folder / "disk.img", {f"b/{FILE}": armed})
    recorded = re.sub(r"^\s*linux\s+(.*)", r'set words=; for w in \1; do set words="${words}|${w}"; done\n'
                      r"save_env -f (hd0)/0 words\nexit", menu, flags=re.M)
    (folder / "menu.cfg").write_text(recorded)
    emulator = Emulator(folder)
    found = emulator.run(
        f"set prefix=(hd1)/b\nset menuentry_id_option=--id\nsource (host){script}\n"
        f"set default='{entry}'\nset timeout=0\nsource (host){folder}/menu.cfg\n", image,
        ends=False, keys=keys)[0]
    return {**found, "screen": emulator.output}


MENU = """
menuentry 'x' --id 'first' {
	linux /first
}
menuentry 'y' --id 'simple' {
	linux /k quiet $vfio_args
}
submenu 'z' --id 'sub' {
	menuentry 'a' --id 'advanced' {
		linux /k quiet $vfio_args
	}
}
"""


@pytest.mark.parametrize("entry", ["simple", "sub>advanced"])
def test_the_variable_is_seen_in_every_entry(tmp_path: Path, emitted: dict[str, Path],
                                             entry: str) -> None:
    """A submenu sees exported variables only."""
    found = picked(tmp_path, emitted["prefix"], MENU, entry, block(state("pt", 3, args="a b")))
    assert found["words"].split("|")[1:] == ["/k", "quiet", *into("once", 2, "a", "b")]


LINUX = """cat <<END
function f {
}
menuentry 'D' --class d \\$menuentry_id_option 'gnulinux-simple-u' {
	linux	/k $GRUB_CMDLINE_LINUX_DEFAULT
}
submenu 'more' {
	menuentry 'D, with Linux 6' --class d \\$menuentry_id_option 'gnulinux-advanced-u' {
		linux	/k $GRUB_CMDLINE_LINUX_DEFAULT
	}
}
END
"""


@pytest.mark.parametrize("entry, words", [
    ("vfio-mode-passthrough-gnulinux-simple-u", [
        "vfio_mode=passthrough", "nosmt=force", "kvm.ignore_msrs=1", "panic=10"]),
    ("vfio-mode>vfio-mode-fallback-gnulinux-advanced-u", [FALLBACK]),
])
def test_a_menu_entry_does_not_say_what_is_armed(tmp_path: Path, emitted: dict[str, Path],
                                                 machine: Machine, entry: str,
                                                 words: list[str]) -> None:
    machine.program("etc/grub.d/10_linux", LINUX)
    written = machine.run("11_vfio-mode")
    assert written.stderr == ""
    found = picked(tmp_path, emitted["prefix"], written.stdout, entry, block(state("router", 2, 2)))
    assert found["words"].split("|")[1:] == ["/k", "quiet", *words, "vfio_mode.boot=menu.0.0"]


PLACES = {"gnulinux-simple-u": "vfio-mode-{}-gnulinux-simple-u",
          "more>gnulinux-advanced-u": "vfio-mode>vfio-mode-{}-gnulinux-advanced-u"}


@pytest.mark.parametrize("unrestricted", [False, True])
@pytest.mark.parametrize("theirs", PLACES)
def test_a_password_is_asked_for_where_theirs_ask(tmp_path: Path, emitted: dict[str, Path],
                                                  machine: Machine, theirs: str,
                                                  unrestricted: bool) -> None:
    """A wrong one first: then nothing is booted, and a key has GRUB begin once more."""
    linux = LINUX.replace(" --class d", " --class d --unrestricted") if unrestricted else LINUX
    machine.program("etc/grub.d/10_linux", linux)
    both = machine.run("10_linux").stdout + machine.run("11_vfio-mode").stdout
    menu = f"set superusers=root\nexport superusers\npassword root secret\n{both}"
    shown = []
    for entry in (theirs, *(PLACES[theirs].format(mode) for mode in ("passthrough", "fallback"))):
        found = picked(tmp_path, emitted["prefix"], menu, entry, block(state()),
                       b"root\nwrong\n root\nsecret\n")
        assert found["words"].split("|")[1] == "/k"
        shown.append((found["screen"].count("Enter username:"), found["screen"].count("access denied")))
    # A submenu cannot be opened without one, neither theirs nor ours.
    assert shown == [(0, 0) if unrestricted and ">" not in theirs else (2, 1)] * 3
