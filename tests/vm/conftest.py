# SPDX-License-Identifier: GPL-2.0-or-later
"""pytest fixtures for scenarios in the emulated PC.

    @pytest.mark.machine("gpu")                 a booted machine, restored from its snapshot (1 s)
    def test_something(pc):
        pc.ok("systemctl start vfio-mode@passthrough")

    @pytest.mark.cold("gpu", extra="vfio_mode=passthrough", files={"/etc/vfio-mode.ini": "..."})
    def test_boot(pc):                          a disk of its own, booted through OVMF and GRUB (30 s)
        assert pc.state == "running"

    @pytest.mark.nextboot("grub")               as machine(), for chains of reboots: tests of one file may
    def test_chain(pc):                         run on several workers, a minute each is no time to wait

    @pytest.mark.drawn("chains")                one of several that would all take minutes: see FEW

cold() also takes grub={variable: value} for GRUB's environment, and wait="up" (the default), "agent"
(the first moment) or "nothing". Machines are in machines.py. Run with

    python3 -m pytest tests/vm -n 2 --dist loadgroup
"""

import os
import random
import sys
import time
from pathlib import Path

import pytest

sys.path[:0] = map(str, Path(__file__).resolve().parents[:2])  # this directory's modules, and errnos.py
sys.path.append(str(Path(__file__).resolve().parents[1] / "ctl"))  # schema.py

import image  # noqa: E402
import power  # noqa: E402
from machines import GPU, MACHINES, Machine  # noqa: E402
from pc import PC, artifacts  # noqa: E402
from qemu import PCError  # noqa: E402

_MARKERS = ("machine", "nextboot", "cold")

# How many of a group's tests a run draws; which, goes by --seed. With --long or -k all of
# them. "switches" are those that take two thirds of a minute and more on a machine that is booted already.
FEW = {"chains": 1, "cuts": 2, "writes": 1, "boots": 1, "switches": 2, "vms": 1, "inits": 1, "hooks": 1}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("emulated PC")
    group.addoption("--long", action="store_true", help="run the full sweeps")
    group.addoption("--seed", type=int, help="seed of everything random (default: a new one)")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "machine(name): run on this machine, just booted")
    config.addinivalue_line(
        "markers", "nextboot(name): as machine(), and each test on whatever worker is free")
    config.addinivalue_line(
        "markers", "cold(name, extra='', files={}, grub={}, wait='up'): boot this machine first")
    config.addinivalue_line("markers", "long: only with --long")
    config.addinivalue_line("markers", "drawn(group): one of a group of which some are drawn, all with --long")
    if config.option.seed is None:
        config.option.seed = int(os.environ.get("VFIO_MODE_SEED") or time.time_ns() % 1_000_000)
    if not hasattr(config, "workerinput"):
        # Workers inherit these: one seed, one place for logs, one state of the source.
        os.environ["VFIO_MODE_SEED"] = str(config.option.seed)
        artifacts()
        power.clean_run_directories()
        source = Path(os.environ.get("VFIO_MODE_SOURCE", image.SOURCE))
        os.environ["VFIO_MODE_SOURCE"] = str(image.freeze(source))


def pytest_report_header(config: pytest.Config) -> str:
    return f"emulated PC: --seed={config.option.seed}, logs of failures in {artifacts()}"


def _wanted(item: pytest.Item) -> pytest.Mark | None:
    return next((mark for name in _MARKERS if (mark := item.get_closest_marker(name))), None)


@pytest.hookimpl(hookwrapper=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]):
    for item in items:
        mark = _wanted(item)
        if mark and mark.name == "machine":
            # Tests that share a machine share a process: two would both wait until it is built. Only of
            # the one that most have, a file's. Cold ones go anywhere.
            part = f"-{item.path.stem}" if mark.args[0] == GPU.name else ""
            item.add_marker(pytest.mark.xdist_group(mark.args[0] + part))
        if item.get_closest_marker("long") and not config.option.long:
            item.add_marker(pytest.mark.skip(reason="only with --long"))
    # Stable: machines in a row, so that each is started once; boots after them.
    items.sort(key=_order)
    yield  # xdist reads the groups; -k takes tests out
    if not config.option.long and not config.option.keyword:  # who names some wants these
        _draw(config.option.seed, items)


def _draw(seed: int, items: list[pytest.Item]) -> None:
    for group, few in FEW.items():
        members = sorted((item for item in items if (mark := item.get_closest_marker("drawn"))
                          and mark.args == (group,) and not item.get_closest_marker("long")),
                         key=lambda item: item.nodeid)
        drawn = random.Random(f"{seed}:{group}").sample(members, min(few, len(members)))
        for item in members:
            if item not in drawn:
                item.add_marker(pytest.mark.skip(
                    reason=f"{len(drawn)} of {len(members)} {group} drawn; all with --long or -k"))


def _order(item: pytest.Item) -> tuple[bool, str]:
    mark = _wanted(item)
    return (mark is not None and mark.name == "cold", mark.args[0] if mark else "")


class Fleet:
    """The machine this worker has running: the next test of the same kind only restores it."""

    def __init__(self) -> None:
        self._pc: PC | None = None
        self._images: dict[str, image.Image] = {}

    def image(self, suite: str) -> image.Image:
        if suite not in self._images:
            self._images[suite] = image.build(suite, Path(os.environ["VFIO_MODE_SOURCE"]))
        return self._images[suite]

    def restored(self, machine: Machine) -> PC:
        if self._pc and self._pc.machine == machine:
            self._pc.restore()
            return self._pc
        self.close()
        self._pc = power.restored(machine, self.image(machine.suite))
        return self._pc

    def close(self) -> None:
        if self._pc:
            self._pc.close()
            self._pc = None


@pytest.fixture(scope="session")
def fleet():
    """The machines of this worker. Tests use `pc`."""
    fleet = Fleet()
    yield fleet
    fleet.close()


@pytest.fixture
def pc(request: pytest.FixtureRequest, fleet: Fleet):
    """The emulated PC that the test's mark asks for."""
    mark = _wanted(request.node)
    if mark is None:
        pytest.fail("a test that uses `pc` needs @pytest.mark.machine or @pytest.mark.cold")
    machine = MACHINES[mark.args[0]]
    if mark.name != "cold":
        yield fleet.restored(machine)
        return
    fleet.close()  # the restored machine would go on running beside this one
    options = dict(mark.kwargs)
    wait = options.pop("wait", "up")
    pc = power.cold(machine, fleet.image(machine.suite), **options)
    try:
        _boot(pc, wait)
        yield pc
    finally:
        pc.close()


def _boot(pc: PC, wait: str) -> None:
    try:
        if wait == "up":
            pc.boot()
        else:
            pc.start()
        if wait == "agent":
            pc.wait_agent()
    except PCError as error:
        raise PCError(f"{error}\nlogs: {pc.keep_logs(pc.machine.name)}") from error


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """Random numbers that --seed repeats, the same for a test in whatever order it runs."""
    return random.Random(f"{request.config.option.seed}:{request.node.nodeid.split('@')[0]}")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    outcome = yield
    report = outcome.get_result()
    pc = getattr(item, "funcargs", {}).get("pc")
    if report.failed and call.when == "call" and isinstance(pc, PC):
        report.sections.append(("emulated PC", f"logs: {pc.keep_logs(item.name[:40])}"))


def pytest_terminal_summary(terminalreporter) -> None:
    """What a sweep has counted, which a test that passes would keep to itself; by way of its report, since
    that is all of it that another process gets to see.
    """
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, text in report.user_properties:
                if name == "sweep" and report.when == "call":
                    terminalreporter.write_line(text)
