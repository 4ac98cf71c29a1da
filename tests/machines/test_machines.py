#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Described machines: what is proposed on each, the plan that follows from that, and the checks.

The program under test is $VFIO_MODECTL; vfio-mode-apply lies beside it. What is said stands in NAME/*.golden. To renew
these:

    VFIO_MODE_RENEW=1 python3 -m pytest tests/machines

fails where something was renewed. A person then reads the difference as the owner of that machine would: is it true there,
and does it help?
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "ctl")]

from captured import PROGRAM, run, sanitizers  # noqa: E402
from described import Described  # noqa: E402

APPLY = Path(PROGRAM).resolve().with_name("vfio-mode-apply")
NAMES = sorted(path.parent.name for path in HERE.glob("*/machine.txt"))


class Answers:
    """What a machine's owner is told, one verb after the other."""

    def __init__(self, machine: Described) -> None:
        self.root = machine.root
        self.names = self._names()

    def _names(self) -> dict[str, str]:
        """Of cards, which depend on the version of pci.ids that is installed."""
        groups = json.loads(run("--root", str(self.root), "list-devices", "--tree", "--json=short").stdout)["groups"]
        return {function["name"]: f"[{function['id']}]" for group in groups for function in group["functions"]}

    def ask(self, *arguments: str) -> str:
        answer = run("--root", str(self.root), *arguments)
        text = f"$ vfio-modectl {' '.join(arguments)}\n{answer.stdout}{answer.stderr}"
        for name in sorted(self.names, key=len, reverse=True):
            text = text.replace(name, self.names[name])
        return f"{text}[exit status {answer.returncode}]\n"


def apply(root: Path, *arguments: str) -> str:
    return subprocess.run([APPLY, f"--root={root}", *arguments], check=True, capture_output=True, text=True, timeout=60,
                          env={"PATH": os.environ["PATH"], **sanitizers()}).stdout


def inspect(root: Path, mode: str) -> None:
    """What the service has done when it is asked for a check; and the same is said to who asks without it."""
    said = apply(root, "print-inspection", mode)
    assert not (root / "run/vfio-mode/inspect").exists()
    apply(root, "inspect", mode)
    assert (root / "run/vfio-mode/inspect" / mode).read_text(encoding="utf-8") == said


def compare(name: str, what: str, text: str) -> None:
    golden = HERE / name / f"{what}.golden"
    before = golden.read_text(encoding="utf-8") if golden.exists() else None
    if os.environ.get("VFIO_MODE_RENEW") and text != before:
        golden.write_text(text, encoding="utf-8")
        pytest.fail(f"{golden} was renewed; read what has changed")
    assert text == before, f"see {__file__}"


@pytest.mark.parametrize("name", NAMES)
def test_machine(name: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    machine = Described(HERE / name / "machine.txt", root)
    answers = Answers(machine)
    chosen = [f"--device={machine.device}"] if machine.device else []
    said = answers.ask("init", "--dry-run", *chosen)
    proposed = run("--root", str(root), "init", "--dry-run", *chosen)
    problems = []
    for what, text in (("init", said), *after(machine, answers, proposed)):
        try:
            compare(name, what, text)
        except (AssertionError, pytest.fail.Exception) as problem:
            problems.append(str(problem))
    assert not problems, "\n".join(problems)


def after(machine: Described, answers: Answers, proposed: subprocess.CompletedProcess) -> list[tuple[str, str]]:
    """With the configuration that was proposed in place, or one that shows what the machine is there for."""
    if proposed.returncode != 0:
        return []
    own = HERE / machine.name / "vfio-mode.ini"
    machine.write("etc/vfio-mode.ini", own.read_text(encoding="utf-8") if own.exists() else proposed.stdout)
    inspect(machine.root, "passthrough")
    return [("plan", answers.ask("switch", "passthrough", "--dry-run")), ("check", answers.ask("check", "passthrough"))]


def test_each_names_its_source() -> None:
    assert len(NAMES) >= 6
    for name in NAMES:
        text = (HERE / name / "machine.txt").read_text(encoding="utf-8")
        source = re.search(r"^# Source: (https://\S+)$", text, re.M)
        assert source and "# Not of the source: " in text, name
        # Of a file that may change, the version that it is.
        assert "/blob/" not in source[1] or re.search(r"/blob/[0-9a-f]{40}/", source[1]), name


@pytest.mark.parametrize("name", NAMES)
def test_a_report_of_it_reads_the_same(name: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    machine = Described(HERE / name / "machine.txt", root)
    machine.write("etc/vfio-mode.ini", "[device gpu]\naddress = " + (machine.device or next(
        address for address, where in machine.functions.items() if (root / where / "boot_vga").exists())) +
        "\nconsent = boot-vga\n[mode passthrough]\nvfio-devices = gpu\n")
    inspect(root, "passthrough")
    assert run("--root", str(root), "report", "-o", str(tmp_path / "report.tar")).returncode == 0
    (tmp_path / "read").mkdir()
    subprocess.run(["tar", "-xf", tmp_path / "report.tar", "-C", tmp_path / "read"], check=True)
    for arguments in (["status"], ["list-devices", "--tree"], ["check", "passthrough"], ["init", "--dry-run"],
                      ["switch", "passthrough", "--dry-run"]):
        there, here = (run("--root", str(where), *arguments) for where in (root, tmp_path / "read"))
        assert (here.returncode, here.stdout, here.stderr) == (there.returncode, there.stdout, there.stderr), arguments
