# SPDX-License-Identifier: GPL-2.0-or-later
"""boot-model, the program that says what the C model says of blocks. $VFIO_MODE_BOOT_MODEL names it.
"""

import os
import subprocess
from pathlib import Path
from typing import NamedTuple

PROGRAM = os.environ.get("VFIO_MODE_BOOT_MODEL")


class Block(NamedTuple):
    sequence: int
    mode: str
    left: int  # -1: none, and GRUB has come by since
    keep: int
    skip: int


class Prediction(NamedTuple):
    kind: str
    words: list[str]
    after: Block | None  # None: damaged


def _block(text: str) -> Block | None:
    if text == "damaged":
        return None
    sequence, mode, left, keep, skip = text.split(",")
    return Block(int(sequence), mode, int(left), int(keep), int(skip))


class Model:
    def __init__(self, program: str) -> None:
        self._process = subprocess.Popen([Path(program).resolve()], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, text=True, encoding="latin-1")

    def ask(self, *words: object) -> str:
        assert self._process.stdin and self._process.stdout
        line = "\t".join(map(str, words))
        assert "\n" not in line
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, f"boot-model died of: {line}"
        return answer.rstrip("\n")

    def format(self, path: Path, state: Block, arguments: str = "") -> bytes:
        self.ask("format", path, *state, arguments)
        return path.read_bytes()

    def boot(self, path: Path, can_write: bool = True) -> Prediction:
        kind, words, after = self.ask("boot", path, int(can_write)).split("\t")
        return Prediction(kind, words.split(), _block(after))

    def operate(self, verb: str, path: Path, mode: str = "", arguments: str = "", tries: int = 1,
                now: int = 1_800_000_000, marker: str = "") -> Block | None:
        """None where it was refused."""
        answer = self.ask(verb, path, mode, arguments, tries, now, marker)
        return None if answer == "refused" else _block(answer)

    def config(self, text: bytes) -> str | None:
        """The accepted cmdline of the mode passthrough; None where the text is refused."""
        answer = self.ask("config", text.hex())
        return answer[1:] if answer.startswith("+") else None

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        assert self._process.wait() == 0
