# SPDX-License-Identifier: GPL-2.0-or-later
"""pytest plugin of `tests/run long`: writes down each test that passed, and leaves out those that an
interrupted run before this one wrote down. The file is $VFIO_MODE_PASSED; tests/run begins a new one when
a source has changed.

Each worker of xdist must leave out the same tests, so they read a copy that nobody writes to any more.
"""

import os
import pathlib
import shutil

import pytest

PASSED = pathlib.Path(os.environ["VFIO_MODE_PASSED"])
BEFORE = PASSED.with_suffix(".before")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        PASSED.touch()
        shutil.copy(PASSED, BEFORE)


def _names(item: pytest.Item) -> set[str]:
    """A test's name, and with the "@group" that xdist adds, before or after us."""
    groups = [mark.args[0] for mark in item.iter_markers("xdist_group")]
    return {item.nodeid, *(f"{item.nodeid}@{group}" for group in groups)}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    before = set(BEFORE.read_text(encoding="utf-8").splitlines())
    out = [item for item in items if _names(item) & before]
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item not in out]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" and report.passed and "PYTEST_XDIST_WORKER" not in os.environ:
        with PASSED.open("a", encoding="utf-8") as file:
            file.write(report.nodeid + "\n")
