# SPDX-License-Identifier: GPL-2.0-or-later
"""What `init` proposes on each machine is good as it stands: the checks pass and the switch works; or they fail for
the true reason of that machine."""

import json

import pytest

from modes import AUDIO, GPU, INI, drivers
from pc import PC

pytestmark = pytest.mark.drawn("inits")

GPUS = {"gpu": GPU, "nic": GPU, "two-gpus": "0000:02:00.0", "gpu-bookworm": GPU}


def on(name: str) -> object:
    return pytest.param(name, marks=pytest.mark.machine(name))


def checks(pc: PC) -> tuple[int, dict[str, str]]:
    """What is said of the mode, by the checks' ids; more than one of an id is the worst."""
    said = pc.run("vfio-modectl check passthrough --json=short")
    results: dict[str, str] = {}
    for check in json.loads(said.stdout)["checks"]:
        if results.get(check["id"]) != "fail":
            results[check["id"]] = check["result"]
    return said.rc, results


@pytest.mark.parametrize("name", [on(name) for name in GPUS])
def test_it_works(pc: PC, name: str) -> None:
    pc.ok(f"vfio-modectl init --dry-run > /root/new.ini && cp /root/new.ini {INI}")
    code, results = checks(pc)
    assert code == 0 and "fail" not in results.values(), results
    host = drivers(pc, GPUS[name])
    pc.ok("vfio-modectl switch passthrough")
    assert drivers(pc, GPUS[name]) == ["vfio-pci"]
    pc.ok("vfio-modectl switch host")
    assert drivers(pc, GPUS[name]) == host


@pytest.mark.parametrize(("name", "code", "failed"), [
    pytest.param("foreign-group", 5, "switch", marks=pytest.mark.machine("foreign-group")),
    pytest.param("no-iommu", 5, "iommu", marks=pytest.mark.machine("no-iommu"))])
def test_it_says_why_not(pc: PC, name: str, code: int, failed: str) -> None:
    """The remark is that of the machine, and so is the refusal."""
    said = json.loads(pc.ok("vfio-modectl init --dry-run --json=short"))
    words = {"foreign-group": "Its IOMMU group has other devices", "no-iommu": "There is no IOMMU"}[name]
    assert any(words in remark for remark in said["remarks"]), said["remarks"]
    pc.write(INI, "".join(f"{line}\n" for line in said["config"]))
    rc, results = checks(pc)
    assert (rc, results[failed]) == (code, "fail"), results


@pytest.mark.machine("gpu")
def test_it_is_put_in_place(pc: PC) -> None:
    """Where there is none; what it may not choose it asks on a terminal."""
    refused = pc.run("vfio-modectl init")
    assert refused.rc == 1 and "--force replaces it" in refused.out, refused
    before = pc.read(INI)
    pc.ok(f"rm {INI}")
    pc.ok("printf 'y\\nn\\n' | script --quiet --return --command 'vfio-modectl init' /root/said")
    text = pc.read(INI)
    assert "\nend-sessions = yes\n" in text and "\n; switch-for-vm = yes\n" in text, text
    said = pc.read("/root/said")
    assert "May a switch end the desktop sessions" in said and "Next: vfio-modectl check passthrough" in said, said
    assert pc.ok(f"stat --format=%a {INI}") == "644"
    pc.write(INI, before)
    pc.ok("vfio-modectl init --force < /dev/null")
    assert "\n; end-sessions = yes\n" in pc.read(INI)
    assert drivers(pc, GPU, AUDIO) == ["bochs-drm", "snd_hda_intel"]
