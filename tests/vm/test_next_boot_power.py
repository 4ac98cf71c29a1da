# SPDX-License-Identifier: GPL-2.0-or-later
"""Power cuts and panics between the sentence and a good boot: the next boot is one that the crash table
allows, never a third thing, and the block parses or was made anew.

A cut is the end of the QEMU process: what the guest's disk was told and not flushed may be lost or not.
Moments are drawn; pytest's header has the seed.
"""

import random
import time
from collections import Counter

import pytest

from nextboot import ARGUMENTS, INI, PLACE, block, boot, config, cut, in_trial
from pc import PC

Outcome = tuple[str, str]  # mode and kind


# With --long there are 216 cuts, in parts: two workers share them, and an interrupted run has lost one part.
in_parts = pytest.mark.parametrize(
    "part", [0, *(pytest.param(part, marks=pytest.mark.long) for part in range(1, 6))])


def cuts(request: pytest.FixtureRequest, few: int) -> int:
    """How many of a part."""
    return 9 if request.config.option.long else few


def cut_and_boot(pc: PC) -> Outcome:
    """Cut the power, switch on, and see where the machine is as soon as its mode is on."""
    there = cut(pc)
    pc.ok("systemctl start vfio-mode-confirm.service || true", timeout=300)
    whole = block(pc)
    assert whole["vfio_seq"] == whole["vfio_end"], f"the block is torn: {whole}"
    kind, sequence, left = there.marker
    # No boot of these scenarios confirms itself. So the block is as GRUB left it, also after the file
    # system's journal was replayed; but for one that was damaged, which is made anew. A `-` is a 0 that
    # GRUB has found.
    assert kind == "damaged" or (
        (int(whole["vfio_seq"]), int(whole["vfio_left"].replace("-", "0"))) == (sequence, left)), (
        f"GRUB has counted this boot, {there.marker}, and it was taken back: {whole}")
    return there.mode, kind


def check_outcomes(moments: list[tuple[float, Outcome]], allowed: set[Outcome]) -> None:
    """Every outcome is allowed; says all of them."""
    print(Counter(outcome for _, outcome in moments), [round(moment, 3) for moment, _ in moments])
    wrong = [(moment, outcome) for moment, outcome in moments if outcome not in allowed]
    assert wrong == [], f"after a cut so many seconds on the machine went to {wrong}; allowed: {allowed}"


def start(pc: PC, command: str) -> None:
    """Start it and do not wait."""
    pc.run(f"{command} >/dev/null 2>&1 &")


def duration(pc: PC, command: str) -> float:
    """How long it takes: what moments are to be drawn from."""
    begin = time.monotonic()
    pc.ok(command)
    return time.monotonic() - begin


@pytest.mark.drawn("cuts")
@pytest.mark.nextboot("grub")
@in_parts
def test_cut_while_arming(pc: PC, rng: random.Random, request: pytest.FixtureRequest, part: int) -> None:
    """Not armed, or armed: with the reply not heard, both are right."""
    pc.write(INI, config())
    longest = duration(pc, "vfio-modectl next passthrough")
    seen = []
    for _ in range(cuts(request, 3)):
        pc.restore()
        pc.write(INI, config())
        pc.ok("sync")
        start(pc, "vfio-modectl next passthrough")
        time.sleep(moment := rng.uniform(0, longest))
        seen.append((moment, cut_and_boot(pc)))
    check_outcomes(seen, {("host", "idle"), ("passthrough", "once")})


@pytest.mark.drawn("cuts")
@pytest.mark.nextboot("grub")
@in_parts
@pytest.mark.parametrize("begin, longest", [("BdsDxe: starting", 0.5), ("Loading initial ramdisk", 30)],
                         ids=["grub", "early-boot"])
def test_cut_while_booting(pc: PC, rng: random.Random, request: pytest.FixtureRequest, part: int,
                           begin: str, longest: float) -> None:
    """The one boot that is left is used up, or still there; if it is used up, the host mode."""
    seen = []
    for _ in range(cuts(request, 1)):
        pc.restore()
        pc.write(INI, config())
        pc.ok("vfio-modectl next passthrough && sync")
        pc.reset()
        pc.serial.expect(begin)
        time.sleep(moment := rng.uniform(0, longest))
        seen.append((moment, cut_and_boot(pc)))
    check_outcomes(seen, {("host", "expired"), ("passthrough", "once")})


@pytest.mark.drawn("cuts")
@pytest.mark.nextboot("grub")
@in_parts
def test_cut_while_confirming(pc: PC, rng: random.Random, request: pytest.FixtureRequest, part: int) -> None:
    """A trial that was not confirmed is over; one that was is the default, with all its boots but one."""
    in_trial(pc)
    longest = duration(pc, "vfio-modectl confirm")
    seen = []
    for _ in range(cuts(request, 1)):
        in_trial(pc)
        start(pc, "vfio-modectl confirm")
        time.sleep(moment := rng.uniform(0, longest))
        seen.append((moment, cut_and_boot(pc)))
    check_outcomes(seen, {("host", "expired"), ("passthrough", "default")})


# ---- Panic ----

# Without the initial ramdisk's programs there is no root file system. No mode may have this among its
# arguments: so it is put where GRUB takes them from.
_PANICS = "rdinit=/nonexistent"


def reset_into_panics(pc: PC, number: int) -> None:
    """Reset; so many boots panic and reboot by themselves, one after another, and one does not."""
    pc.run("sync")
    pc.reset()
    for _ in range(number):
        pc.hold_resets()
        pc.serial.expect("Kernel panic - not syncing")
        pc.after_reset()
    pc.wait_agent()


@pytest.mark.drawn("chains")
@pytest.mark.nextboot("grub")
def test_panic(pc: PC) -> None:
    """A kernel that panics in the mode comes back to the host mode by itself: after one boot of a trial,
    after as many as were left of a default that was confirmed long ago.
    """
    in_trial(pc)
    pc.ok(f"""
        vfio-modectl confirm
        grub-editenv {PLACE} set vfio_args='{ARGUMENTS} panic=1 {_PANICS}'""")
    reset_into_panics(pc, 3)
    back = boot(pc)
    assert back.went_to("host", "expired"), back

    pc.ok("vfio-modectl next --cancel && vfio-modectl set-default passthrough")
    arguments = block(pc)["vfio_args"]
    assert arguments == f"{ARGUMENTS} panic=10"  # what makes the kernel reboot is the product's
    pc.ok(f"grub-editenv {PLACE} set vfio_args='{arguments} {_PANICS}'")
    reset_into_panics(pc, 1)
    back = boot(pc)
    assert back.went_to("host", "expired"), back
    assert block(pc)["vfio_keep"] == "1"
