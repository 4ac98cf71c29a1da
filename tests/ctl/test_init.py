# SPDX-License-Identifier: GPL-2.0-or-later
"""The verb init, on captured machines: the program under test is $VFIO_MODECTL."""

import pytest
from captured import AUDIO, GPU, Machine, run

IGPU, TWIN = "0000:00:02.0", "0000:02:00.0"


@pytest.fixture
def machine(tmp_path):
    (tmp_path / "root").mkdir()
    return Machine(tmp_path / "root").pc(nic="e1000e")


def proposed(machine, *arguments):
    """The answer, with the lines of the configuration as one text."""
    answer = machine.json("init", "--dry-run", *arguments)
    return {**answer, "config": "".join(f"{line}\n" for line in answer["config"])}


def keys(text):
    """What it says, without the reasons beside it."""
    return [line for line in text.splitlines() if line and not line.startswith(";")]


def test_the_only_card(machine, tmp_path):
    """A configuration that is good as it stands, with the reasons beside it; and nothing is written."""
    answer = proposed(machine)
    assert keys(answer["config"]) == [
        "[general]", "default-mode = host", "fallback-mode = host",
        "[device gpu]", f"address = {GPU}", "id = 10de:2484", "functions = all", "host-driver = nvidia",
        "consent = boot-vga", "[mode host]", "[mode passthrough]", "vfio-devices = gpu"]
    assert f"; goes with it: {AUDIO}, " in answer["config"]
    assert "; Chosen since it is the only graphics card." in answer["config"]
    assert (answer["path"], answer["changed"], answer["remarks"]) == ("/etc/vfio-mode.ini", False, [])
    assert not (machine.root / "etc/vfio-mode.ini").exists()
    text = machine.run("init", "--dry-run").stdout
    assert text == answer["config"]
    (tmp_path / "new.ini").write_text(text)
    assert run("check", f"--config={tmp_path}/new.ini").returncode == 0
    # The switch that it is for.
    machine.config(text).accepted(text).state("host")
    steps = machine.json("switch", "passthrough", "--dry-run")["steps"]
    assert {step["object"] for step in steps if step["step"] == "bind"} == {GPU, AUDIO}


def test_beside_the_processors_own(machine):
    """The PC's screen stays with the host: nothing has to be consented to."""
    (machine.root / f"sys/bus/pci/devices/{GPU}/boot_vga").write_text("0\n")
    machine.add(IGPU, "8086:9bc5", "030000", group=5, driver="i915", boot_vga=1)
    config = proposed(machine)["config"]
    assert f"address = {GPU}" in config and "consent" not in config
    assert "; Chosen since it is the only card that the PC does not boot with." in config
    assert f"address = {IGPU}" in proposed(machine, f"--device={IGPU}")["config"]


def test_several_cards(machine):
    (machine.root / f"sys/bus/pci/devices/{GPU}/boot_vga").write_text("0\n")
    machine.add(IGPU, "8086:9bc5", "030000", group=5, driver="i915", boot_vga=1)
    machine.add(TWIN, "10de:2484", "030000", group=6, driver="nvidia", boot_vga=0)
    answer = machine.run("init", "--dry-run")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "say which, with --device=ADDRESS" in answer.stderr
    for line in (f"{IGPU}  Intel", f"{GPU}  NVIDIA", f"{TWIN}  NVIDIA", "(the PC boots with it)"):
        assert line in answer.stderr, answer.stderr
    assert f"address = {TWIN}\n" in proposed(machine, f"--device={TWIN}")["config"]


@pytest.mark.parametrize(("arguments", "code", "words"), [
    ([], 2, "A captured machine (--root) is not changed; add --dry-run."),
    (["--dry-run", "--device=0000:05:00.0"], 5, "There is no graphics card at 0000:05:00.0."),
    (["--dry-run", "--device=01:00.0"], 2, "--device takes a whole PCI address, such as 0000:01:00.0, not '01:00.0'"),
    (["--dry-run", "passthrough"], 2, "'init' does not take 'passthrough'"),
])
def test_refused(machine, arguments, code, words):
    answer = machine.run("init", *arguments)
    assert (answer.returncode, answer.stdout) == (code, "")
    assert words in answer.stderr


def test_no_card(tmp_path):
    answer = Machine(tmp_path).run("init", "--dry-run")
    assert (answer.returncode, answer.stderr) == (5, "vfio-modectl: There is no graphics card.\n")


def test_what_was_set_up_by_hand(machine):
    """Taken over where a mode can have it, and named, with the command that takes it away."""
    machine.write("proc/cmdline", "quiet amd_iommu=on vfio-pci.ids=10de:2484,10de:228b hugepagesz=1GB hugepages=20\n")
    machine.write(f"etc/driverctl.d/pci-{GPU}", "vfio-pci\n")
    machine.add("0000:01:02.0", "8086:10d3", "020000", group=1, driver="e1000e")
    answer = proposed(machine)
    assert "hugepages-1G = 20" in keys(answer["config"])
    assert "; also = 0000:01:02.0\n" in answer["config"]
    said = "\n".join(answer["remarks"])
    for words in ("vfio-pci.ids=10de:2484,10de:228b on the kernel command line binds these in every mode: take it out "
                  "of the boot loader's configuration", "20 hugepages of 1G are reserved by the kernel command line",
                  "driverctl", "amd_iommu=on on the kernel command line is no value",
                  "Its IOMMU group has other devices"):
        assert words in said, said
    answer = machine.run("init", "--dry-run")
    assert all(remark in answer.stderr for remark in said.splitlines())


def test_pages_of_a_mode(machine):
    """In a boot into a mode what the kernel was told is the mode's, and none of a hand-made setup."""
    words = "hugepagesz=1G hugepages=20 panic=10 vfio_mode.boot=once.7.0"
    machine.write("proc/cmdline", f"quiet vfio_mode=passthrough {words}\n")
    answer = proposed(machine)
    assert "hugepages" not in answer["config"] and answer["remarks"] == []


def test_without_an_iommu(machine):
    for child in (machine.root / "sys/class/iommu").iterdir():
        child.rmdir()
    assert ["There is no IOMMU" in remark for remark in proposed(machine)["remarks"]] == [True]
