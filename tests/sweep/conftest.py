# SPDX-License-Identifier: GPL-2.0-or-later

import os
import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # errnos.py


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("sweep")
    group.addoption("--long", action="store_true", help="every point, and all that can happen there")
    group.addoption("--seed", help="seed of what is drawn (default: a new one)")


def pytest_configure(config: pytest.Config) -> None:
    if config.option.seed is None:
        config.option.seed = (os.environ.get("VFIO_MODE_SEED")
                              or str(random.SystemRandom().randrange(1_000_000)))
