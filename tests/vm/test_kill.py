# SPDX-License-Identifier: GPL-2.0-or-later
"""vfio-mode-apply in its unit, at a system call that changes something: it is killed there, the call fails,
or somebody else is faster.
"""

import errno
import json
import random
import re
from collections.abc import Callable, Iterator
from itertools import zip_longest
from pathlib import Path

import pytest

import image
from errnos import errnos, number
from machines import ini
from modectl import parse
from modes import AUDIO, GPU, HOST, INI, PASSTHROUGH, bindings, leave_alone, look, refused
from pc import PC

SCRIPTS = Path(__file__).resolve().parent / "scripts"
FAKES = Path(__file__).resolve().parent.parent / "sweep/bin"
STOPPED = "test-stopped.service"  # in the mode passthrough
SAMPLE = 1  # point of each way; --long: every one
Recorder = Callable[[str, object], None]
AT_ONCE = 10  # pairs that the guest is sent, to the end of which it has to get in time


def prepare(pc: PC, directory: Path) -> None:
    image.compile_in_guest_tree(pc.machine.suite, SCRIPTS / "kill-at.c", directory / "kill-at")
    pc.push(directory / "kill-at", "/usr/local/bin/kill-at")
    pc.push(SCRIPTS / "kill-sweep.sh", "/usr/local/bin/kill-sweep")


def add_unit(pc: PC) -> None:
    """One that runs, and that the mode passthrough stops."""
    pc.write(f"/etc/systemd/system/{STOPPED}", "[Service]\nExecStart=sleep infinity\n")
    pc.ok(f"systemctl daemon-reload; systemctl start {STOPPED}")


def configure(pc: PC) -> None:
    """What is swept is more than drivers: pages, and a unit that is stopped."""
    add_unit(pc)
    pc.write(INI, ini() + f"hugepages-2M = 4\nstop-units = {STOPPED}\n")


@pytest.fixture(scope="module")
def counted() -> dict[str, list[str]]:
    """For each way, strace's lines of the calls; filled in by the first test that counts them."""
    return {}


def count(pc: PC, counted: dict[str, list[str]]) -> None:
    """Points of each way: as strace saw them, and as many as kill-at finds."""
    if counted:
        return
    # What is written once only is there from now on.
    pc.ok("systemctl start vfio-mode@passthrough")
    assert look(pc) == PASSTHROUGH
    pc.ok("systemctl start vfio-mode@host")
    assert look(pc) == HOST
    text = pc.ok("kill-sweep count", timeout=900)
    lines = [line.split(maxsplit=2) for line in text.splitlines()]
    calls = {way: [call for who, where, call in lines if (who, where) == ("strace", way)]
             for way in ("passthrough", "host")}
    seen = {way: said for who, way, said in lines if who == "kill-at"}
    assert seen == {way: f"seen {len(calls[way])}" for way in calls}, text
    counted.update(calls)


class Draw:
    """Which points are run; --long: all."""

    def __init__(self, rng: random.Random, request: pytest.FixtureRequest,
                 counted: dict[str, list[str]]) -> None:
        self.is_long = request.config.option.long
        self._seed = request.config.option.seed
        self._seen = {way: len(calls) for way, calls in counted.items()}
        self.chosen = {way: list(range(1, seen + 1)) for way, seen in self._seen.items()}
        if not self.is_long:
            self.chosen = {way: sorted(rng.sample(points, SAMPLE)) for way, points in self.chosen.items()}
        self.n_points = sum(len(points) for points in self.chosen.values())

    def conclude(self, what: str, n_switches: int, n_failures: int, record_property: Recorder) -> None:
        """For the end of the run: see pytest_terminal_summary in conftest.py."""
        record_property("sweep", f"emulated PC, {what} sweep (--seed={self._seed}): calls that strace saw "
                        f"{sum(self._seen.values())} {self._seen}, points run {self.n_points} "
                        f"in {n_switches} switches, failures {n_failures}")


@pytest.mark.machine("gpu")
def test_killed_at_any_point(pc: PC, rng: random.Random, tmp_path: Path, request: pytest.FixtureRequest,
                             counted: dict[str, list[str]], record_property: Recorder) -> None:
    """The next start of either mode's unit ends in that mode, whole: drivers, overrides, screen."""
    prepare(pc, tmp_path)
    leave_alone(pc)
    configure(pc)
    count(pc, counted)
    draw = Draw(rng, request, counted)
    pairs = zip_longest(draw.chosen["passthrough"], draw.chosen["host"], fillvalue=1)
    results = []
    for pair in pairs:
        results += pc.ok(f"kill-sweep kill {pair[0]} {pair[1]}", timeout=900).splitlines()
    print("\n".join(results))
    wrongs = [line for line in results if not line.endswith(" ok")]
    draw.conclude("kill", len(results), len(wrongs), record_property)
    assert len(results) >= 2 * draw.n_points
    assert not wrongs
    assert look(pc) == HOST


def plausible(line: str) -> tuple[str, str]:
    """What the call in a line of strace's could fail with."""
    call = re.match(r"\d+ +(\w+)\((?:\d+</([^>]*)>)?", line)
    assert call, line
    return errnos("openat-w" if call[1] == "openat" else call[1], call[2] or "")


def draw_errors(draw: Draw, rng: random.Random, way: str, calls: list[str]) -> Iterator[str]:
    """The points of a way, each with one of its errors; --long: with both."""
    for point in draw.chosen[way]:
        names = plausible(calls[point - 1])
        for name in names if draw.is_long else [rng.choice(names)]:
            yield f"{point} {number(name)}"


def parse_failures(text: str) -> Iterator[dict[str, str]]:
    """What kill-sweep.sh says of each: a line begins with what it is about."""
    for block in re.split(r"^(?=way )", text, flags=re.MULTILINE)[1:]:
        yield dict(line.split(" ", 1) for line in block.splitlines())


def has_kept_pages(way: str, failure: dict[str, str], wanted: str, drift: list[str]) -> bool:
    """The one thing that may be left to the next switch, and it is said."""
    return (way == "host" and re.sub(r"pages:\d+", "pages:0", failure["there"]) == wanted != failure["there"]
            and len(drift) == 1 and "hugepages" in drift[0])


def judge(failure: dict[str, str], wanted: dict[str, str]) -> str:
    """What is wrong after a call has failed: "" where the machine is in a mode, and all say so."""
    way, point, _ = failure["way"].split()
    status, own_status = map(int, failure["status"].split())
    there = way if status == 0 else {"host": "passthrough", "passthrough": "host"}[way]
    told = parse("status", failure["told"])
    last, drift = told["last_switch"], told["drift"]
    kept = status == 0 and has_kept_pages(way, failure, wanted[there], drift)
    wrongs = {
        "is not where it was to fail": not failure["seen"].startswith(f"failed {point} "),
        "is not whole": failure["there"] != wanted[there] and not kept,
        "has an untrue exit status": own_status != 0 if status == 0 else own_status not in range(21, 33),
        "has no reason": failure["text"] == "",
        "left something over": failure["left"] != "*.tmp",
        "has an untrue status": (told["mode"], told["half_way"], drift) != (
            there, False, drift if kept else []),
        # The old mode's unit may have run again since then.
        "has an untrue result": (last["mode"], last["result"] == "none") not in {
            (there, True), (way, status == 0)},
        "cannot be done again": (failure["again"], failure["then"]) != ("0", wanted[way]),
    }
    return ", ".join(wrong for wrong, is_so in wrongs.items() if is_so)


@pytest.mark.machine("gpu")
def test_any_call_fails(pc: PC, rng: random.Random, tmp_path: Path, request: pytest.FixtureRequest,
                        counted: dict[str, list[str]], record_property: Recorder) -> None:
    """The end is the old mode or the new one, whole, what is told is true, and the next start succeeds."""
    prepare(pc, tmp_path)
    configure(pc)
    count(pc, counted)
    draw = Draw(rng, request, counted)
    orders = {way: list(draw_errors(draw, rng, way, calls)) for way, calls in counted.items()}
    pairs = list(zip_longest(orders["passthrough"], orders["host"], fillvalue="1 13"))
    wrongs, n_run = [], 0
    for first in range(0, len(pairs), AT_ONCE):
        text = pc.ok(f"kill-sweep fail {' '.join(map(' '.join, pairs[first:first + AT_ONCE]))}", timeout=900)
        wanted = dict(re.findall(r"^wanted (\w+) (.*)$", text, re.MULTILINE))
        for failure in parse_failures(text):
            n_run += 1
            way, point, error = failure["way"].split()
            wrong = judge(failure, wanted)
            print(f"to {way}, {point} {errno.errorcode[int(error)]}, status {failure['status']}:",
                  wrong or "ok", flush=True)
            if wrong:
                wrongs.append(wrong)
                print(counted[way][int(point) - 1], json.dumps(failure, indent=4), sep="\n", flush=True)
    draw.conclude("fault", n_run, len(wrongs), record_property)
    assert n_run == 2 * len(pairs)
    assert not wrongs
    assert look(pc) == HOST


@pytest.mark.long
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


@pytest.mark.machine("gpu")
def test_the_fake_systemctl_is_true(pc: PC) -> None:
    """The real one does what the one of tests/sweep does."""
    add_unit(pc)
    for name in "expect.sh", "systemctl-behaviours":
        pc.push(FAKES / name, f"/root/{name}")
    result = pc.run(f"/root/systemctl-behaviours {STOPPED}", timeout=300)
    assert (result.rc, "not ok" in result.stdout) == (0, False), result.out
