# SPDX-License-Identifier: GPL-2.0-or-later
"""A run of all of this directory has checked an answer in JSON of every verb (schema.py), or it fails. `watch` is asked
in tests/bus, of the real service.
"""

import pytest
import schema

ELSEWHERE = {"watch"}


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SEEN] = set()


SEEN = pytest.StashKey[set[str]]()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error) -> None:
    """A worker of xdist has ended."""
    node.config.stash[SEEN].update(getattr(node, "workeroutput", {}).get("verbs", ()))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    config = session.config
    if hasattr(config, "workeroutput"):
        config.workeroutput["verbs"] = sorted(schema.seen)
        return
    missing = schema.verbs() - config.stash[SEEN] - schema.seen - ELSEWHERE
    is_whole = not config.option.keyword and not config.option.collectonly and all("::" not in a and not a.endswith(".py")
                                                                                  for a in config.args)
    if is_whole and exitstatus == pytest.ExitCode.OK and missing:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        print(f"\nno test has seen the answer in JSON of: {' '.join(sorted(missing))}")
