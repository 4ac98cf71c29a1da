# SPDX-License-Identifier: GPL-2.0-or-later
"""vfio-mode-apply killed in its unit, or disturbed, before a system call that changes something."""

import random
from itertools import zip_longest
from pathlib import Path

import pytest

import image
from modes import AUDIO, GPU, HOST, PASSTHROUGH, bindings, look, refused
from pc import PC

SCRIPTS = Path(__file__).resolve().parent / "scripts"
SAMPLE = 2  # points of each way; --long: every one


def prepare(pc: PC, directory: Path) -> None:
    image.compile_in_guest_tree(pc.machine.suite, SCRIPTS / "kill-at.c", directory / "kill-at")
    pc.push(directory / "kill-at", "/usr/local/bin/kill-at")
    pc.push(SCRIPTS / "kill-sweep.sh", "/usr/local/bin/kill-sweep")


def count(pc: PC) -> dict[str, int]:
    """Points of each way: as strace saw them, and as many as kill-at finds."""
    lines = [line.split() for line in pc.ok("kill-sweep count", timeout=300).splitlines()]
    strace, kill_at = ({way: int(points) for what, way, _, points in lines if what == who}
                       for who in ("strace", "kill-at"))
    assert strace == kill_at
    return strace


@pytest.mark.machine("gpu")
def test_killed_at_any_point(pc: PC, rng: random.Random, tmp_path: Path,
                             request: pytest.FixtureRequest) -> None:
    """The next start of either mode's unit ends in that mode, whole: drivers, overrides, screen."""
    assert look(pc) == HOST
    pc.ok("systemctl start vfio-mode@passthrough")
    assert look(pc) == PASSTHROUGH
    pc.ok("systemctl start vfio-mode@host")
    prepare(pc, tmp_path)
    seen = count(pc)
    chosen = {way: list(range(1, points + 1)) for way, points in seen.items()}
    if not request.config.option.long:
        chosen = {way: sorted(rng.sample(points, SAMPLE)) for way, points in chosen.items()}
    run = sum(len(points) for points in chosen.values())
    print(f"points seen: {seen}, {sum(seen.values())} in all; points run: {run}, {chosen}")
    pairs = zip_longest(chosen["passthrough"], chosen["host"], fillvalue=1)
    results = []
    for pair in pairs:
        results += pc.ok(f"kill-sweep kill {pair[0]} {pair[1]}", timeout=300).splitlines()
    print("\n".join(results))
    assert len(results) >= 2 * run
    assert [line for line in results if not line.endswith(" ok")] == []
    assert look(pc) == HOST


@pytest.mark.machine("gpu")
def test_another_driver_is_faster(pc: PC, tmp_path: Path) -> None:
    """The kernel refuses the last bind: the audio function, which had gone, and the screen come back."""
    prepare(pc, tmp_path)
    pc.ok("modprobe pci-stub; systemctl start vfio-mode@passthrough; systemctl start vfio-mode@host")
    before = bindings(pc, AUDIO)
    pc.run(f"""kill-sweep disturb drivers/vfio-pci/bind '
        echo pci-stub > /sys/bus/pci/devices/{GPU}/driver_override &&
        echo {GPU} > /sys/bus/pci/drivers/pci-stub/bind'""")
    code, text = refused(pc, "passthrough")
    assert (code, GPU in text) == (21, True), (code, text)
    assert text in pc.run("systemctl status --no-pager --full vfio-mode@passthrough").out
    assert bindings(pc, AUDIO) != before
    there = look(pc)
    assert there.units == {"host": "active", "passthrough": "failed"}
    pc.ok("systemctl reset-failed vfio-mode@passthrough")
    assert look(pc) == HOST
    pc.ok("rm -r /run/systemd/system/vfio-mode@.service.d; systemctl daemon-reload")
    pc.ok("systemctl start vfio-mode@passthrough")
    assert look(pc) == PASSTHROUGH
