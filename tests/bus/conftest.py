# SPDX-License-Identifier: GPL-2.0-or-later
"""A rig for each test, with the service on it or not."""

import pytest
from rig import Rig


@pytest.fixture
def bare(tmp_path):
    """All but the service."""
    rig = Rig(tmp_path, tmp_path / "said")
    rig.said.touch()
    yield rig
    rig.close()


@pytest.fixture
def rig(bare):
    return bare.start()
