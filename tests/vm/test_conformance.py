# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel does what the fake kernel of the unit tests does: one program, the same list, on both.

Run here against real kernels, on a NIC that nobody needs and a bridge with nothing behind it.
"""

from pathlib import Path

import pytest

import image
from pc import PC

PROGRAM = Path(__file__).resolve().parent.parent / "conformance" / "conformance.c"
NIC, BRIDGE = "0000:02:00.0", "0000:00:06.0"


def check_conformance(pc: PC, suite: str, directory: Path) -> None:
    image.compile_in_guest_tree(suite, PROGRAM, directory / "conformance", "-std=c11", "-D_GNU_SOURCE")
    pc.push(directory / "conformance", "/root/conformance")
    result = pc.run(f"modprobe vfio-pci && /root/conformance / {NIC} {BRIDGE}")
    lines = result.stdout.splitlines()
    plan = next(line for line in lines if line.startswith("1.."))
    behaviours = [line for line in lines if line != plan]
    assert [line for line in behaviours if not line.startswith("ok ") or "# SKIP" in line] == []
    assert len(behaviours) == int(plan.removeprefix("1..")) >= 40
    assert result.rc == 0, result.out


@pytest.mark.machine("gpu")
def test_trixie(pc: PC, tmp_path: Path) -> None:
    check_conformance(pc, "trixie", tmp_path)


@pytest.mark.machine("gpu-bookworm")
def test_bookworm(pc: PC, tmp_path: Path) -> None:
    check_conformance(pc, "bookworm", tmp_path)
