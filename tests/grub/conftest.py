# SPDX-License-Identifier: GPL-2.0-or-later
"""GRUB's side, held against real GRUB code. Needs neither root nor network:

    VFIO_MODED=build/daemon/vfio-moded VFIO_MODE_BOOT_MODEL=build/tests/grub/boot-model \\
        python3 -m pytest tests/grub
"""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import emulator
import model as models
import pytest
import scripts


def pytest_report_header() -> str:
    return f"seed: {_seed()} (VFIO_MODE_SEED)"


def _seed() -> str:
    return os.environ.setdefault("VFIO_MODE_SEED", str(random.SystemRandom().randrange(1 << 32)))


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """Draws that a seed repeats; it is printed where a test fails."""
    print(f"VFIO_MODE_SEED={_seed()}")
    return random.Random(f"{_seed()} {request.node.name}")


@pytest.fixture(scope="session", autouse=True)
def tools() -> None:
    missing = emulator.missing()
    if missing:
        pytest.skip(f"not installed: {' '.join(missing)}")


@pytest.fixture
def machine(tmp_path: Path) -> scripts.Machine:
    return scripts.Machine(tmp_path / "machine").says()


@pytest.fixture(scope="session")
def model() -> Iterator[models.Model]:
    if not models.PROGRAM:
        pytest.skip("VFIO_MODE_BOOT_MODEL does not name the program")
    there = models.Model(models.PROGRAM)
    yield there
    there.close()


@pytest.fixture(scope="session")
def emitted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What 09_vfio-mode writes, by where the block is."""
    folder, found = tmp_path_factory.mktemp("emitted"), {}
    for name, place in {"prefix": f"prefix {emulator.FILE}",
                        "esp": f"esp {emulator.FAT_ID} EFI/{emulator.FILE}"}.items():
        made = scripts.Machine(folder / name).says(f"echo {place}").run("09_vfio-mode")
        assert made.returncode == 0 and made.stderr == ""
        found[name] = folder / f"{name}.cfg"
        found[name].write_text(made.stdout)
    return found
