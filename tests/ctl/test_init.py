# SPDX-License-Identifier: GPL-2.0-or-later
"""The verb init, on captured machines: the program under test is $VFIO_MODECTL."""

import json
import re
import subprocess

import pytest
from captured import AUDIO, GPU, NIC, Machine, run
from test_ctl import load_nvidia, needs_disk, needs_keyboard, needs_route

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


def test_an_address_as_lspci_has_it(machine):
    """The configuration has the whole one all the same."""
    machine.add(TWIN, "10de:2484", "030000", group=6, driver="nvidia", boot_vga=0)
    assert f"address = {TWIN}\n" in proposed(machine, "--device=02:00.0")["config"]


def test_what_tells_equal_cards_apart(machine):
    """The PC boots with neither."""
    (machine.root / f"sys/bus/pci/devices/{GPU}/boot_vga").write_text("0\n")
    machine.add(TWIN, "10de:2484", "030000", group=6, boot_vga=0)
    machine.add("0000:07:00.0", "8086:15f3", "020000", group=6, driver="igc")
    machine.add("0000:07:00.1", "8086:15f3", "020000", group=6)
    machine.write("etc/libvirt/qemu/win 11.xml", hostdev(GPU)).write("etc/pve/qemu-server/100.conf", "hostpci0: 02:00\n")
    machine.write("etc/pve/qemu-server/101.conf", "hostpci0: 02:00.0\n")
    said = machine.run("init", "--dry-run").stderr.splitlines()[1:]
    assert [line.split()[0] for line in said[::2]] == [GPU, TWIN]
    assert said[1::2] == [
        "      on nvidia; in IOMMU group 1; named by 'win 11' of libvirt",
        "      on no driver; in IOMMU group 6 with 0000:07:00.0 (igc); named by '100' of Proxmox VE, '101' of Proxmox VE"]
    answer = machine.run("init", "--dry-run", "-j")
    answer = json.loads(answer.stdout)
    assert (answer["changed"], answer["config"], answer["remarks"]) == (False, [], [])
    assert [{key: value for key, value in card.items() if key != "name"} for card in answer["cards"]] == [
        {"address": GPU, "id": "10de:2484", "driver": "nvidia", "boot_vga": False, "iommu_group": 1, "group_others": [],
         "guests": ["win 11"]},
        {"address": TWIN, "id": "10de:2484", "driver": None, "boot_vga": False, "iommu_group": 6,
         "group_others": ["0000:07:00.0"], "guests": ["100", "101"]}]


@pytest.mark.parametrize(("arguments", "code", "words"), [
    ([], 2, "A captured machine (--root) is not changed; add --dry-run."),
    (["--dry-run", "--device=0000:05:00.0"], 5, "There is no graphics card at 0000:05:00.0."),
    (["--dry-run", "--device=1:00.0"], 2, "--device takes a PCI address, such as 0000:01:00.0, not '1:00.0'"),
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
    machine.write("proc/cmdline", "quiet amd_iommu=on vfio-pci.ids=10de:2484,10de:228b pci-stub.ids=10de:228b "
                  "hugepagesz=1GB hugepages=20\n")
    machine.write(f"etc/driverctl.d/pci-{GPU}", "vfio-pci\n")
    machine.add("0000:01:02.0", "8086:10d3", "020000", group=1, driver="e1000e")
    answer = proposed(machine)
    assert "hugepages-1G = 20" in keys(answer["config"])
    assert "; also = 0000:01:02.0\n" in answer["config"]
    said = "\n".join(answer["remarks"])
    for words in ("vfio-pci.ids=10de:2484,10de:228b on the kernel command line binds these in every mode: take it out "
                  "of the boot loader's configuration", "pci-stub.ids=10de:228b on the kernel command line keeps these from "
                  "the host's drivers in every mode: take it out", "20 hugepages of 1G are reserved by the kernel command line, "
                  "in every mode (hugepagesz=1GB hugepages=20): take it out",
                  "driverctl", "amd_iommu=on on the kernel command line is no value",
                  "Its IOMMU group has other devices"):
        assert words in said, said
    assert said.count("hugepages=20") == 1
    answer = machine.run("init", "--dry-run")
    assert all(remark in answer.stderr for remark in said.splitlines())


def test_words_for_the_hosts_drivers(machine):
    """They keep the picture away in host mode, as the same lines of modprobe.d would; in a boot into a mode they are its own."""
    words = "quiet modprobe.blacklist=nouveau,nvidia nouveau.modeset=0 vfio-pci.disable_vga=1"
    remarks = proposed(machine.write("proc/cmdline", f"{words}\n"))["remarks"]
    assert len(remarks) == 3
    the_one(remarks, "modprobe.blacklist=nouveau,nvidia on the kernel command line keeps these modules from being loaded by "
                     "themselves: a boot that leaves the card to the host has no picture", "→ Take the host's drivers out of it.")
    the_one(remarks, "nouveau.modeset=0 on the kernel command line keeps nouveau from every card")
    the_one(remarks, "vfio-pci.disable_vga=1 on the kernel command line takes legacy VGA")
    machine.write("proc/cmdline", f"{words} vfio_mode=passthrough vfio_mode.boot=once.7.0\n")
    assert proposed(machine)["remarks"] == []


@pytest.mark.parametrize(("words", "said"), [
    ("hugepages=8", ["8 hugepages of 2M are reserved by the kernel command line, in every mode (hugepages=8): "]),
    ("default_hugepagesz=1G hugepages=1", ["1 hugepage of 1G is reserved by the kernel command line, in every mode "
                                           "(hugepages=1): "]),
    ("hugepages=4 hugepagesz=1G quiet hugepages=0:2,1:2 hugepagesz=2M hugepages=8", [
        "8 hugepages of 2M are reserved by the kernel command line, in every mode (hugepages=4 hugepagesz=2M hugepages=8): ",
        "4 hugepages of 1G are reserved by the kernel command line, in every mode (hugepagesz=1G hugepages=0:2,1:2): "])])
def test_words_that_reserve_pages(machine, words, said):
    """As they stand, so that they are found in the file to take them out of; what says the default size only stays."""
    machine.write("proc/cmdline", f"{words}\n")
    remarks = [remark for remark in proposed(machine)["remarks"] if "reserved by" in remark]
    assert sorted(remark.partition("take it out")[0] for remark in remarks) == sorted(said)


def test_pages_of_a_mode(machine):
    """In a boot into a mode what the kernel was told is the mode's, and none of a hand-made setup."""
    words = "hugepagesz=1G hugepages=20 panic=10 vfio_mode.boot=once.7.0"
    machine.write("proc/cmdline", f"quiet vfio_mode=passthrough {words}\n")
    answer = proposed(machine)
    assert "hugepages" not in answer["config"] and answer["remarks"] == []


@pytest.mark.parametrize(("words", "is_said"), [("hugepages=8", True), ("quiet", False)])
def test_pages_of_proxmox(machine, grub, words, is_said):
    """Whose guests have pools of their own to make; wherever the number comes from."""
    machine.write("etc/pve/qemu-server/100.conf", "hugepages: 2\n").write("proc/cmdline", f"{words}\n")
    for arguments in ([], grub(default("quiet"), default(words))):
        remarks = proposed(machine, *arguments)["remarks"]
        assert is_said == any("make and empty the pools themselves" in remark for remark in remarks), remarks


def test_without_an_iommu(machine):
    for child in (machine.root / "sys/class/iommu").iterdir():
        child.rmdir()
    assert ["There is no IOMMU" in remark for remark in proposed(machine)["remarks"]] == [True]


# --- what the plan says of it ---

REFUSED = "a switch to passthrough mode is refused (shared-driver): "


def with_twin(machine, *on_nvidia):
    """A second card of the kind, which the PC does not boot with; these are on nvidia."""
    machine.add(TWIN, "10de:2484", "030000", group=6, driver="nvidia" if TWIN in on_nvidia else "nouveau", boot_vga=0)
    load_nvidia(machine, *on_nvidia)
    return machine


def consented(config):
    """With the line `consent` that is proposed, in place of the one that is there."""
    lines = [line for line in config.splitlines() if not line.startswith("consent =")]
    assert [line for line in lines if line.startswith("; consent =")], config
    return "".join(f"{line.removeprefix('; ') if line.startswith('; consent =') else line}\n" for line in lines)


def planned(machine, config, code=0):
    machine.config(config).state("host")
    answer = machine.json("switch", "passthrough", "--dry-run", code=code)
    return answer if code else [step["text"] for step in answer["steps"]]


@pytest.mark.parametrize(("device", "consent"), [(TWIN, "shared-driver"), (GPU, "boot-vga shared-driver")])
def test_two_cards_of_one_driver(machine, device, consent):
    """It is said, in the words of the refusal; and with the line that is proposed the switch is made."""
    with_twin(machine, GPU, TWIN)
    answer = proposed(machine, f"--device={device}")
    refusal = planned(machine, answer["config"], code=6)["refusal"]
    assert refusal["name"] == "shared-driver"
    said = the_one(answer["remarks"], REFUSED)
    assert said.startswith(f"As things are, {REFUSED}{refusal['text']} → ") and "vfio-modectl next passthrough" in said
    assert f"; consent = {consent}\n" in answer["config"], answer["config"]
    assert (", so a switch is refused. With this line instead it is made:" in answer["config"]) == (device == GPU)
    assert f"{device}: unbind from nvidia" in planned(machine, consented(answer["config"]))


def test_two_cards_of_two_drivers(machine):
    """The driver is unloaded then."""
    answer = proposed(with_twin(machine, GPU), f"--device={GPU}")
    assert answer["remarks"] == [] and "shared-driver" not in answer["config"]
    assert f"{GPU}: unload the module nvidia (in use 3 times)" in planned(machine, answer["config"])


def test_the_other_card_has_the_driver_by_now(machine):
    """The chosen one is on vfio-pci, and will be on the driver, too, as soon as the host has it."""
    with_twin(machine, GPU)
    where = machine.root / f"sys/bus/pci/devices/{TWIN}/driver"
    where.unlink()
    where.symlink_to("../../../../bus/pci/drivers/vfio-pci")
    (machine.root / "sys/bus/pci/drivers/vfio-pci").mkdir()
    answer = proposed(machine)
    assert f"address = {TWIN}\n" in answer["config"]
    assert planned(machine, answer["config"]) == []
    assert the_one(answer["remarks"], REFUSED).startswith(f"Once the host has had the card, {REFUSED}{TWIN} cannot be")
    # And so it is.
    where.unlink()
    where.symlink_to("../../../../bus/pci/drivers/nvidia")
    (machine.root / f"sys/bus/pci/drivers/nvidia/{TWIN}").symlink_to(f"../../../../devices/{TWIN}")
    text = planned(machine, answer["config"], code=6)["refusal"]["text"]
    assert text in the_one(answer["remarks"], REFUSED)


def test_what_else_is_refused(machine):
    """A disk of the host's behind a function of the card's slot, say. What another remark says is not said again."""
    needs_disk(machine)
    answer = proposed(machine)
    text = planned(machine, answer["config"], code=6)["refusal"]["text"]
    assert answer["remarks"] == [f"As things are, a switch to passthrough mode is refused (would-cut-storage): {text}"]


def test_all_that_is_refused(machine):
    """And not the first alone, behind which a person would meet the next one."""
    with_twin(machine, GPU, TWIN)
    needs_route(machine)
    needs_keyboard(machine)
    machine.write("proc/meminfo", "MemTotal:        4194304 kB\nMemAvailable:    4000000 kB\n")
    machine.write("sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "0\n")
    machine.write(f"etc/driverctl.d/pci-{GPU}", "vfio-pci\n")
    for pages, kinds in ((1, []), (9, ["no-memory"])):
        machine.write("proc/cmdline", f"quiet hugepagesz=1G hugepages={pages}\n")
        remarks = proposed(machine, f"--device={GPU}")["remarks"]
        assert re.findall(r"passthrough mode is refused \((.*?)\)", "\n".join(remarks)) == [
            "shared-driver", *kinds, "would-cut-network", "would-cut-input"], remarks
        the_one(remarks, f"driverctl gives {GPU} to vfio-pci")


def test_what_else_is_refused_without_an_iommu(machine):
    """Which another remark says, and hides nothing."""
    test_without_an_iommu(machine)
    needs_disk(machine)
    the_one(proposed(machine)["remarks"], "passthrough mode is refused (would-cut-storage)")


# --- two GRUB files ---

PROXMOX = "quiet amd_iommu=on hugepagesz=1GB hugepages=20 acpi_enforce_resources=lax"


@pytest.fixture
def grub(tmp_path):
    """Writes two files, and returns them as arguments."""
    def write(host, passthrough):
        for name, text in (("host", host), ("passthrough", passthrough)):
            (tmp_path / f"grub.{name}").write_text(text)
        return ["--from-grub", str(tmp_path / "grub.host"), str(tmp_path / "grub.passthrough")]
    return write


def default(words, always=""):
    return ("GRUB_DEFAULT=0\nGRUB_DISTRIBUTOR=`lsb_release -i -s 2> /dev/null || echo Debian`\n"
            f"GRUB_CMDLINE_LINUX_DEFAULT=\"{words}\"\nGRUB_CMDLINE_LINUX=\"{always}\"\n")


def the_one(remarks, *words):
    found = [remark for remark in remarks if all(word in remark for word in words)]
    assert len(found) == 1, (words, remarks)
    return found[0]


def test_as_on_a_proxmox_host(machine, grub, tmp_path):
    """The sentence of the issue: the right configuration, and a remark on each word."""
    machine.write("etc/modprobe.d/vfio.conf", "options vfio-pci ids=10de:2484,10de:228b disable_vga=1\n"
                  "blacklist nouveau\n")
    machine.write("usr/sbin/update-initramfs", "")
    answer = proposed(machine, *grub(default(PROXMOX), default(f"{PROXMOX} video=efifb:off")))
    assert keys(answer["config"])[-4:] == [
        "[mode passthrough]", "vfio-devices = gpu", "cmdline = video=efifb:off", "hugepages-1G = 20"]
    assert "; Both GRUB files reserved them, so that the host never had that memory." in answer["config"]
    assert "; Chosen since it is the only graphics card." in answer["config"]
    (tmp_path / "new.ini").write_text(answer["config"])
    assert run("check", f"--config={tmp_path}/new.ini").returncode == 0
    remarks = answer["remarks"]
    assert the_one(remarks, "GRUB's own keeps for every mode").endswith(
        ": quiet amd_iommu=on acpi_enforce_resources=lax")
    the_one(remarks, "amd_iommu=on is no value that the kernel knows")
    the_one(remarks, "acpi_enforce_resources=lax lets drivers use", "nothing to do with virtual machines")
    the_one(remarks, "video=efifb:off is only in", "grub.passthrough: a boot into passthrough mode gets it (cmdline)")
    the_one(remarks, "video=efifb:off keeps efifb from", "does nothing where another driver has that",
            "since kernel 6.0")
    the_one(remarks, "Both files reserve 20 hugepages of 1G", "only passthrough mode has them (hugepages-1G = 20)")
    the_one(remarks, "vfio-modectl next passthrough", "hugepages-keep = yes")
    the_one(remarks, "take every 10de:2484,10de:228b", "(/etc/modprobe.d/vfio.conf:1)",
            "→ sed --in-place --follow-symlinks '1s/[[:blank:]]ids=[^[:blank:]]*//' /etc/modprobe.d/vfio.conf "
            "&& update-initramfs -u -k all")
    the_one(remarks, "disable_vga=1 (/etc/modprobe.d/vfio.conf:1)", "stays in effect")
    # The card has nvidia now, which nothing keeps from it.
    the_one(remarks, "blacklist nouveau (/etc/modprobe.d/vfio.conf:2) leaves 0000:01:00.0 to nvidia", "may stay")
    the_one(remarks, "needed no more: do not copy them over /etc/default/grub again")
    the_one(remarks, "goes out of GRUB's own file →")


def run_command(command, machine, where):
    """As the user would, but on the files of the captured machine."""
    assert f" /etc/{where}" in command
    subprocess.run(["sh", "-euc", command.replace(f"/etc/{where}", str(machine.root / "etc" / where))], check=True)


def test_the_command_for_grubs_own_file(machine, grub):
    """Whichever of the two is in place, and whatever there is to quote: what is left is what both have."""
    words = r"a=\\\"x y\\\" it's \$b c\`d \\\\e"
    arguments = grub(default(f"{words} hugepagesz=1G hugepages=4"), default(f"{words} hugepagesz=1G hugepages=4 nosmt"))
    machine.write("etc/default/grub", default("x") + "# the last line\n")
    remarks = proposed(machine, *arguments)["remarks"]
    said = the_one(remarks, "goes out of GRUB's own file").partition(" → ")[2]
    printf, _, update = said.partition(" && ")
    assert update.startswith("update-grub"), said
    run_command(printf, machine, "default/grub")
    shell = subprocess.run(["sh", "-euc", '. "$1"; printf %s "$GRUB_CMDLINE_LINUX_DEFAULT"', "sh",
                            machine.root / "etc/default/grub"], check=True, capture_output=True, text=True)
    assert shell.stdout == r"""a=\"x y\" it's $b c`d \\e"""
    # Once it is done, nothing more is said of it.
    assert not [remark for remark in proposed(machine, *arguments)["remarks"] if "goes out of" in remark]


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_last_line_without_an_end(machine, grub, end):
    machine.write("etc/default/grub", f"GRUB_CMDLINE_LINUX_DEFAULT=x\nGRUB_TIMEOUT=5{end}")
    said = the_one(proposed(machine, *grub(default("a"), default("a b")))["remarks"], "goes out of GRUB's own file")
    run_command(said.partition(" → ")[2].partition(" && ")[0], machine, "default/grub")
    path = machine.root / "etc/default/grub"
    shell = subprocess.run(["sh", "-euc", '. "$1"; echo "$GRUB_TIMEOUT $GRUB_CMDLINE_LINUX_DEFAULT"', "sh", path],
                           check=True, capture_output=True, text=True)
    assert shell.stdout == "5 a\n", path.read_text()


def test_one_of_the_two_is_in_place(machine, grub):
    """Only the other is needed no more; also where GRUB's own is a link."""
    arguments = grub(default("a"), default("a b"))
    own = machine.root / "etc/default/grub"
    machine.write("etc/default/grub", default("a"))
    said = the_one(proposed(machine, "--from-grub", str(own), arguments[2])["remarks"], "no more")
    assert said.startswith(f"{arguments[2]} is needed no more: do not copy it over /etc/default/grub again.")
    said = the_one(proposed(machine, "--from-grub", arguments[1], str(own))["remarks"], "no more")
    assert said.startswith(f"{arguments[1]} is needed no more")
    own.unlink()
    own.symlink_to(arguments[2])
    assert the_one(proposed(machine, *arguments)["remarks"], "no more").startswith(f"{arguments[1]} is needed no more")
    assert not [remark for remark in proposed(machine, "--from-grub", str(own), str(own))["remarks"]
                if "no more" in remark]


def test_files_read_after_grubs_own(machine, grub):
    arguments = grub(default("a"), default("a b"))
    machine.write("etc/default/grub.d/b.cfg", "if true; then\n  GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX x\"\nfi\n")
    machine.write("etc/default/grub.d/a.cfg", "GRUB_TIMEOUT=5\n# GRUB_CMDLINE_LINUX=x\n")
    machine.write("etc/default/grub.d/b.cfg.old", "GRUB_CMDLINE_LINUX=x\n")
    (machine.root / "etc/default/grub.d/c.cfg").mkdir()
    remarks = [remark for remark in proposed(machine, *arguments)["remarks"] if "grub.d" in remark]
    assert [remark.partition(".cfg ")[0] for remark in remarks] == ["/etc/default/grub.d/b", "/etc/default/grub.d/c"]
    assert "sets words for the kernel as well" in remarks[0] and "cannot be read: Is a directory" in remarks[1]


@pytest.mark.parametrize(("host", "passthrough", "expected", "words"), [
    ("a", "a", [], ["keeps for every mode: a"]),
    ("a nosmt", "a", [], ["nosmt is only in", "passthrough mode gets it as well"]),
    ("a", "a vfio_mode=x root=/dev/sda1 init=/bin/sh single", [], [
        "vfio_mode=x is left out of the mode: cmdline 'vfio_mode=x' is for vfio-mode itself to say.",
        "root=/dev/sda1 is left out", "init=/bin/sh is left out", "single is left out"]),
    ("", "hugepages=0:8,1:8", ["hugepages-2M = 16"], ["reserves 16 hugepages of 2M", "by NUMA node"]),
    ("", "default_hugepagesz=1G hugepages=8", ["hugepages-1G = 8"], ["default_hugepagesz= is left out"]),
    ("hugepagesz=1G hugepages=2", "hugepagesz=1G hugepages=8", ["hugepages-1G = 8"], [
        "GRUB's own file keeps 2 hugepages of 1G for every boot", "the other 6 have to be found by the switch"]),
    ("", "pcie_acs_override=downstream nomodeset module_blacklist=nouveau",
     ["cmdline = pcie_acs_override=downstream nomodeset module_blacklist=nouveau"],
     ["a guest may reach the host's memory", "no picture returns", "cannot come back"]),
    ("", "hugepagesz=16M hugepages=4 hugepagesz=1G hugepages=4",
     ["cmdline = hugepagesz=16M hugepages=4 hugepagesz=1G hugepages=4"], ["hugepages=4 is only in"]),
    ("console=tty0", "console=ttyS0 console=tty0", ["cmdline = console=ttyS0"], [
        "console=tty0 stands behind console=ttyS0 in", "add it to the mode's cmdline, behind the other"]),
    ("", "pcie_acs_override=downstream", ["cmdline = pcie_acs_override=downstream"],
     ["does nothing but in a kernel that is patched for it"]),
    ("a", "a intel_iommu=on iommu=pt", ["cmdline = iommu=pt"], [
        "intel_iommu=on turns the IOMMU on, without which a switch at run time is refused: from now on GRUB's own file has "
        "it", "iommu=pt is about the IOMMU", "'GRUB_CMDLINE_LINUX_DEFAULT=\"a intel_iommu=on\"' >> "]),
    ("", "nofb video=vesafb:off,efifb:off", ["cmdline = nofb video=vesafb:off,efifb:off"], [
        "nofb is no word that the kernel knows", "video=vesafb:off,efifb:off keeps vesafb from the firmware's screen, and "
        "nothing else"]),
    ("", "initcall_blacklist=sysfb_init,x nouveau.modeset=0",
     ["cmdline = initcall_blacklist=sysfb_init,x nouveau.modeset=0"], [
         "initcall_blacklist=sysfb_init,x leaves the screen dark", "nouveau.modeset=0 keeps nouveau from every card"]),
    ("intel_iommu=off", "", [], ["intel_iommu=off leaves host mode without an IOMMU"]),
    ("", " ".join(f"word{i:03}" for i in range(40)),
     ["cmdline = " + " ".join(f"word{i:03}" for i in range(10))], []),
])
def test_words(machine, grub, tmp_path, host, passthrough, expected, words):
    answer = proposed(machine, *grub(default(host), default(passthrough)))
    said = keys(answer["config"])
    assert [line for line in said if line.startswith(("cmdline", "hugepages"))] == expected
    for word in words:
        assert word in "\n".join(answer["remarks"]), answer["remarks"]
    (tmp_path / "new.ini").write_text(answer["config"])
    assert run("check", f"--config={tmp_path}/new.ini").returncode == 0
    # Another card of the kind is not caught by what is written.
    assert "ids" not in "\n".join(said)


def test_words_for_another_iommu(machine, grub):
    """What is for Intel's IOMMU, on a machine that has AMD's: nothing of it has to stay."""
    machine.write("sys/firmware/acpi/tables/IVRS", "")
    remarks = proposed(machine, *grub(default("a"), default("a intel_iommu=on")))["remarks"]
    assert "intel_iommu=on does nothing here: the machine's IOMMU is AMD's" in "\n".join(remarks)
    assert "keep it in GRUB's own file" not in "\n".join(remarks)


def test_ids_say_which_card(machine, grub):
    """The last card is the one; what else they name is said."""
    machine.add(IGPU, "8086:9bc5", "030000", group=5, driver="i915", boot_vga=0)
    machine.add(TWIN, "1002:73bf", "030000", group=6, driver="amdgpu", boot_vga=0)
    answer = proposed(machine, *grub(default(""), default("vfio-pci.ids=1002:73bf,8086:10d3")))
    assert f"address = {TWIN}\n" in answer["config"] and "ids" not in "\n".join(keys(answer["config"]))
    the_one(answer["remarks"], "vfio-pci.ids=1002:73bf,8086:10d3 is left out: the device is named by its address")
    the_one(answer["remarks"], "0000:05:00.0 is 8086:10d3 as well")


def test_ids_of_a_driver_that_does_nothing(machine, grub):
    """They name no card that a guest is to have: the word goes into the mode, with what there is to say of it."""
    remarks = proposed(machine, *grub(default("quiet"), default("quiet pci-stub.ids=10de:228b")))["remarks"]
    the_one(remarks, "pci-stub.ids=10de:228b is only in", "(cmdline)")
    the_one(remarks, "pci-stub.ids=10de:228b keeps every device of these ids from the host's drivers")


@pytest.mark.parametrize(("host", "words"), [
    ("A=1\nGRUB_CMDLINE_LINUX=\"$(touch {evil})\"\n", ":2: GRUB_CMDLINE_LINUX has $(...), which takes a shell to know"),
    ("GRUB_CMDLINE_LINUX=`touch {evil}`\n", ":1: GRUB_CMDLINE_LINUX has `...`"),
    ("GRUB_CMDLINE_LINUX=a; touch {evil}\n", ":1: 'touch' is no assignment"),
    ("GRUB_CMDLINE_LINUX=$MORE\n", ":1: GRUB_CMDLINE_LINUX has $MORE, which nothing sets before"),
    ("GRUB_DEFAULT=0\n", ": it sets neither GRUB_CMDLINE_LINUX nor GRUB_CMDLINE_LINUX_DEFAULT"),
    ("GRUB_CMDLINE_LINUX=a\0\n", " is no text: it has a NUL byte."),
])
def test_what_only_a_shell_knows(machine, grub, tmp_path, host, words):
    """An error with file and line; and nothing was run or written."""
    arguments = grub(host.format(evil=tmp_path / "evil"), default("a"))
    answer = machine.run("init", "--dry-run", *arguments)
    assert (answer.returncode, answer.stdout) == (3, "")
    assert answer.stderr.startswith(f"vfio-modectl: {arguments[1]}{words}"), answer
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(("arguments", "code", "words"), [
    (["--from-grub"], 2, "--from-grub needs two files: HOST PASSTHROUGH"),
    (["--from-grub", "a"], 2, "--from-grub needs two files"),
    (["a", "b"], 2, "'init' does not take 'a'"),
    (["--from-grub", "/nowhere/a", "b"], 3, "/nowhere/a cannot be read: No such file or directory"),
    (["--from-grub", "a", "b", "c"], 2, "'init' does not take 'c'"),
])
def test_files_that_are_not_there(machine, arguments, code, words):
    answer = machine.run("init", "--dry-run", *arguments)
    assert (answer.returncode, answer.stdout) == (code, "") and words in answer.stderr, answer


# --- modprobe.d ---

ALIASES = """\
# Aliases extracted from modules themselves.
alias pci:v000010DEd*sv*sd*bc03sc*i* nvidiafb
alias pci:v000010DEd*sv*sd*bc03sc*i* nouveau
alias pci:v000010DEd*sv*sd*bc03sc00i00* nvidia
alias pci:v*d*sv*sd*bc04sc03i00* snd_hda_intel
alias vfio_pci:v*d*sv*sd*bc*sc*i* vfio_pci
"""


@pytest.fixture
def modules(machine):
    machine.write("proc/sys/kernel/osrelease", "6.12.1\n").write("lib/modules/6.12.1/modules.alias", ALIASES)
    return machine


@pytest.mark.parametrize(("text", "words"), [
    ("blacklist nouveau\n", ["blacklist nouveau (/etc/modprobe.d/x.conf:1) leaves 0000:01:00.0 to nvidia"]),
    ("blacklist nouveau\nblacklist nvidia\n", [
        "blacklist nouveau (/etc/modprobe.d/x.conf:1) leaves 0000:01:00.0 to nvidia, in host mode as well; it may stay.",
        "blacklist nvidia (/etc/modprobe.d/x.conf:2) leaves no driver for 0000:01:00.0: a switch loads it all the same, "
        "but a boot in host mode has no picture → sed --in-place --follow-symlinks '2s/^/#/' /etc/modprobe.d/x.conf"]),
    ("# a comment\ninstall nvidia /bin/false\nblacklist nouveau\n", [
        "install nvidia (/etc/modprobe.d/x.conf:2) runs '/bin/false' in its place",
        "→ sed --in-place --follow-symlinks '2s/^/#/' /etc/modprobe.d/x.conf",
        "blacklist nouveau (/etc/modprobe.d/x.conf:3) leaves 0000:01:00.0 to nvidia"]),
    ("blacklist nouveau\noptions nouveau modeset=0\n", [
        "options nouveau modeset=0 (/etc/modprobe.d/x.conf:2) leaves 0000:01:00.0 to nvidia, in host mode as well; it may stay."]),
    ("options nouveau runpm=0\noptions nouveau modeset=1\noptions nvidia-drm modeset=0\n", []),
    ("options radeon modeset=0\n", ["options radeon modeset=0 (/etc/modprobe.d/x.conf:1) is about a driver that the chosen card"]),
    ("install nouveau /bin/true\n", ["install nouveau (/etc/modprobe.d/x.conf:1) leaves 0000:01:00.0 to nvidia"]),
    ("blacklist amdgpu\n", ["blacklist amdgpu (/etc/modprobe.d/x.conf:1) is about a driver that the chosen card does "
                            "not have"]),
    ("blacklist snd-hda-intel\n", ["blacklist snd_hda_intel (/etc/modprobe.d/x.conf:1) leaves no driver for "
                                   "0000:01:00.1", "has no driver →"]),
    ("softdep nvidia pre: vfio-pci\n", ["softdep nvidia pre: vfio-pci (/etc/modprobe.d/x.conf:1) loads vfio-pci before",
                                        "→ sed --in-place --follow-symlinks '1s/^/#/'"]),
    ("softdep drm pre: vfio-pci\nsoftdep xhci_hcd pre: usbhid\n", [
        "softdep drm pre: vfio-pci (/etc/modprobe.d/x.conf:1) loads vfio-pci before that, which no mode needs",
        "→ sed --in-place --follow-symlinks '1s/^/#/'"]),
    ("options vfio-pci \\\n  ids=10de:2484\n", ["take every 10de:2484, in whatever mode (/etc/modprobe.d/x.conf:1)",
                                                "→ take away lines 1 to 2 of /etc/modprobe.d/x.conf"]),
    ("options pci-stub ids=10de:2484\n", [
        "pci-stub is told to take every 10de:2484, in whatever mode (/etc/modprobe.d/x.conf:1)", "→ sed"]),
    ("options vfio-pci ids=10de:2484 \\\n  disable_vga=1\n", [
        "→ take ids= out of lines 1 to 2 of /etc/modprobe.d/x.conf"]),
    ("blacklist nouveau\ninstall nvidia modprobe --ignore-install nvidia && modprobe nvidia-uvm\n",
     ["blacklist nouveau (/etc/modprobe.d/x.conf:1) leaves 0000:01:00.0 to nvidia"]),
    ("install nvidia /sbin/modprobe -i nvidia\n", []),
    ("blacklist nouveau\ninstall nvidia echo -i\n", ["install nvidia (/etc/modprobe.d/x.conf:2) runs 'echo -i'"]),
    ("options vfio_pci disable_vga=0\n", []),
    ("install vfio-pci /usr/local/bin/vfio-pci-override.sh\n", [
        "install vfio_pci (/etc/modprobe.d/x.conf:1) runs '/usr/local/bin/vfio-pci-override.sh' whenever vfio-pci is loaded by "
        "modprobe, in whatever mode", "→ sed --in-place --follow-symlinks '1s/^/#/'"]),
    ("options vfio_iommu_type1 allow_unsafe_interrupts=1\n", ["allow_unsafe_interrupts=1 (/etc/modprobe.d/x.conf:1) lets a guest"]),
    ("options vfio-iommu-type1 allow_unsafe_interrupts=0\n", []),
    ("options vfio-iommu-type1 allow_unsafe_interrupts=off\n", []),
    ("options vfio-iommu-type1 allow_unsafe_interrupts=on\n", ["allow_unsafe_interrupts=on"]),
    ("options vfio-pci disable_vga=F\n", []),
    ("install vfio-pci /bin/false\n", ["what does not load it keeps every switch from it"]),
    ("install vfio-pci /sbin/modprobe -i vfio-pci\n", []),
    ("install vfio-pci /sbin/modprobe -i vfio-pci && give-cards\n", ["runs '/sbin/modprobe -i vfio-pci && give-cards'"]),
    ("alias pci:v000010DEd00002484sv*sd*bc*sc*i* vfio-pci\n", [
        "alias pci:v000010DEd00002484sv*sd*bc*sc*i* vfio_pci (/etc/modprobe.d/x.conf:1) has a boot load that in place of "
        "the drivers of 0000:01:00.0, in host mode as well", "→ sed --in-place --follow-symlinks '1s/^/#/'"]),
    ("alias pci:v000010DEd00002485sv*sd*bc*sc*i* vfio-pci\nalias pci:v000010DE* nvidia\nalias nouveau off\n", []),
    ("blacklist nvidiafb\n", []),
    ("blacklist pcspkr\nsoftdep nvidia post: nvidia-uvm\noptions snd_hda_intel x=1\nblacklist\nnonsense\n", []),
])
def test_modprobe_configuration(modules, text, words):
    modules.write("etc/modprobe.d/x.conf", text)
    remarks = proposed(modules)["remarks"]
    for word in words:
        assert word in "\n".join(remarks), remarks
    assert bool(remarks) == bool(words), remarks


@pytest.mark.parametrize(("text", "command"), [
    ("modeset=0", "sed --in-place --follow-symlinks '2s/^/#/' /etc/modprobe.d/x.conf"),
    ("modeset=0 runpm=0", "sed --in-place --follow-symlinks '2s/[[:blank:]]modeset=[^[:blank:]]*//' /etc/modprobe.d/x.conf"),
])
def test_a_driver_that_is_told_to_take_no_card(modules, text, command):
    """To take its blacklist away is not enough: the two lines mostly come together."""
    modules.write("lib/modules/6.12.1/modules.alias", ALIASES.replace("sc00i00* nvidia\n", "sc00i00* nova_core\n"))
    modules.write("etc/modprobe.d/x.conf", f"blacklist nouveau\noptions nouveau {text}\nblacklist nova_core\n")
    remarks = proposed(modules)["remarks"]
    the_one(remarks, "blacklist nouveau", "leaves no driver for 0000:01:00.0")
    said = the_one(remarks, "options nouveau modeset=0 (/etc/modprobe.d/x.conf:2) keeps that driver from every card",
                   "no picture of 0000:01:00.0")
    assert said.endswith(f" → {command}"), said


def test_which_files_count(modules):
    """Of a name the first directory's; what packages bring is no setup by hand, but keeps drivers away."""
    modules.write("usr/lib/modprobe.d/a.conf", "options vfio-pci ids=10de:2484\n")
    modules.write("etc/modprobe.d/a.conf", "")
    modules.write("etc/modprobe.d/b.conf.old", "options vfio-pci ids=10de:2484\n")
    modules.write("usr/lib/modprobe.d/c.conf", "blacklist nvidia\n")
    assert proposed(modules)["remarks"] == []
    modules.write("run/modprobe.d/d.conf", "blacklist nouveau\n")
    the_one(proposed(modules)["remarks"], "blacklist nouveau (/run/modprobe.d/d.conf:1) leaves no driver")


def test_ids_of_modprobe_choose(machine):
    machine.add(IGPU, "8086:9bc5", "030000", group=5, driver="i915", boot_vga=0)
    machine.add(TWIN, "1002:73bf", "030000", group=6, driver="amdgpu", boot_vga=0)
    machine.write("etc/modprobe.d/vfio.conf", "options vfio-pci ids=1002:73bf\n")
    config = proposed(machine)["config"]
    assert f"address = {TWIN}\n" in config
    assert "; Chosen since it is the only card that is set up for virtual machines." in config


@pytest.mark.parametrize(("driver", "code"), [("vfio-pci", 0), ("nouveau", 2)])
def test_an_override_of_driverctl_chooses(machine, driver, code):
    """Which an id cannot, of two of a kind: an override to vfio-pci is what somebody has set up for guests."""
    (machine.root / f"sys/bus/pci/devices/{GPU}/boot_vga").write_text("0\n")
    machine.add(TWIN, "10de:2484", "030000", group=6, driver="nvidia", boot_vga=0)
    machine.write(f"etc/driverctl.d/pci-{TWIN}", f"{driver}\n")
    answer = machine.run("init", "--dry-run")
    assert answer.returncode == code, answer
    if code == 0:
        assert f"address = {TWIN}\n" in answer.stdout
        assert "; Chosen since it is the only card that is set up for virtual machines." in answer.stdout
        assert f"driverctl gives {TWIN} to vfio-pci at every boot (/etc/driverctl.d/pci-{TWIN}). → rm /etc" in answer.stderr


@pytest.mark.parametrize("text", ["options vfio-pci ids=1:2 disable_vga=1\n", "options vfio-pci disable_vga=1 ids=1:2\n",
                                  "blacklist nouveau\nblacklist nvidia\n", "options vfio-pci ids=1:2\n"])
def test_commands_for_modprobe(modules, text):
    """Run one after another they take away what was said, and nothing else."""
    path = modules.root / "etc/modprobe.d/x.conf"
    modules.write("etc/modprobe.d/x.conf", text)
    for remark in proposed(modules)["remarks"]:
        if " → " in remark:
            run_command(remark.partition(" → ")[2], modules, "modprobe.d/x.conf")
    left = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    assert left == [line for word, line in (("disable_vga", "options vfio-pci disable_vga=1"), (
        "nouveau", "blacklist nouveau")) if word in text]
    assert not [remark for remark in proposed(modules)["remarks"] if " → " in remark]


def test_a_quoted_path(modules):
    """In a directory it is another's to name files."""
    modules.write("etc/modprobe.d/x; touch y.conf",
                  "options vfio-pci ids=1:2\nblacklist snd-hda-intel\nsoftdep nvidia pre: vfio-pci\n")
    commands = [remark.partition(" → ")[2] for remark in proposed(modules)["remarks"] if " → " in remark]
    assert len(commands) == 3
    for command in commands:
        assert command.endswith(" '/etc/modprobe.d/x; touch y.conf'"), command


def test_the_command_follows_a_link(modules, tmp_path):
    (tmp_path / "elsewhere.conf").write_text("options vfio-pci ids=1:2\n")
    path = modules.write("etc/modprobe.d/y.conf", "").root / "etc/modprobe.d/x.conf"
    path.symlink_to(tmp_path / "elsewhere.conf")
    said = the_one(proposed(modules)["remarks"], "take every 1:2")
    run_command(said.partition(" → ")[2], modules, "modprobe.d/x.conf")
    assert path.is_symlink() and path.read_text() == "#options vfio-pci ids=1:2\n"


@pytest.mark.parametrize(("program", "command"), [
    ("usr/sbin/update-initramfs", " && update-initramfs -u -k all"),
    ("usr/bin/dracut", " && dracut --force --regenerate-all"),
    ("usr/bin/mkinitcpio", " && mkinitcpio -P"),
    ("usr/bin/booster", ""),
])
def test_every_image_is_made_anew(modules, program, command):
    modules.write("etc/modprobe.d/x.conf", "options vfio-pci ids=1:2\n").write(program, "")
    said = the_one(proposed(modules)["remarks"], "take every 1:2")
    assert said.endswith(f" /etc/modprobe.d/x.conf{command}")


@pytest.mark.parametrize(("text", "words"), [
    (f"blacklist nouveau\noptions vfio-pci ids={','.join(['10de:2484'] * 30)}\n",
     "/etc/modprobe.d/x.conf:2: ids= is longer than 255 bytes"),
    (f"install nvidia {'x' * 1100}\n", "/etc/modprobe.d/x.conf:1: the line is too long, and is not looked at."),
    (f"blacklist {'x' * 130}\n", "/etc/modprobe.d/x.conf:1: the line is too long"),
    (f"options vfio-pci ids=1:2 {'y' * 5000}\n", "/etc/modprobe.d/x.conf:1: the line is too long"),
])
def test_what_does_not_fit(modules, text, words):
    modules.write("etc/modprobe.d/x.conf", text)
    answer = modules.run("init", "--dry-run")
    assert answer.returncode == 0 and words in answer.stderr, answer


def test_what_cannot_be_read(modules):
    """A link that leads nowhere has nothing to say."""
    modules.write("usr/lib/modprobe.d", "")
    (modules.root / "etc/modprobe.d/x.conf").mkdir(parents=True)
    (modules.root / "etc/modprobe.d/y.conf").symlink_to("nowhere")
    (modules.root / "etc/modprobe.d/z.conf").symlink_to("/dev/null")
    answer = modules.run("init", "--dry-run")
    assert answer.returncode == 0
    assert answer.stderr.splitlines() == [
        "vfio-modectl: /usr/lib/modprobe.d cannot be read, and is not looked at: Not a directory",
        "vfio-modectl: /etc/modprobe.d/x.conf cannot be read, and is not looked at: Is a directory"]


# --- guests ---

def hostdev(address):
    domain, bus, rest = address.split(":")
    slot, function = rest.split(".")
    return (f"<domain type='kvm'><name>x</name><devices><hostdev mode='subsystem' type='pci'><source><address "
            f"domain='0x{domain}' bus='0x{bus}' slot='0x{slot}' function='0x{function}'/></source></hostdev></devices>"
            "</domain>")


def test_a_guest_says_which(machine):
    """Of libvirt and of Proxmox VE, by address and by mapping; and who starts with the machine."""
    machine.add(IGPU, "8086:9bc5", "030000", group=5, driver="i915", boot_vga=0)
    machine.add(TWIN, "1002:73bf", "030000", group=6, driver="amdgpu", boot_vga=0)
    machine.write("etc/libvirt/qemu/win 11.xml", hostdev("0000:02:00.0"))
    machine.write("etc/libvirt/qemu/other.xml", hostdev("0000:05:00.0"))
    machine.write("etc/libvirt/qemu/networks/default.xml", "<network/>")
    answer = proposed(machine)
    assert f"address = {TWIN}\n" in answer["config"]
    assert "; Chosen since it is the only card that a virtual machine's definition names." in answer["config"]
    assert answer["remarks"] == ["'win 11' of libvirt names it."]

    (machine.root / "etc/libvirt/qemu/autostart").mkdir()
    (machine.root / "etc/libvirt/qemu/autostart/win 11.xml").symlink_to("/etc/libvirt/qemu/win 11.xml")
    machine.write("etc/hostname", "pve.lan\n")
    machine.write("etc/pve/mapping/pci.cfg", "gaming\n\tmap id=1002:73bf,node=pve,path=0000:02:00\n")
    machine.write("etc/pve/qemu-server/100.conf", "onboot: 1\nhostpci0: mapping=gaming,pcie=1\n[old]\nonboot: 0\n")
    machine.write("etc/pve/qemu-server/101.conf", "onboot: 0\nhostpci0: 02:00.0,driver=keep\n")
    machine.write("etc/pve/qemu-server/102.conf", "onboot: 1\nhostpci0: nonsense\n")
    remarks = proposed(machine)["remarks"]
    assert the_one(remarks, "'win 11' of libvirt", "starts with the machine").endswith(
        " → virsh autostart --disable 'win 11'")
    assert the_one(remarks, "'100' of Proxmox VE", "starts with the machine").endswith(" → qm set 100 --onboot 0")
    assert the_one(remarks, "without driver=keep") == (
        "'100' of Proxmox VE has it without driver=keep: it is bound to vfio-pci when the guest starts, in host mode, too → add "
        "driver=keep to its hostpci line, which `qm config 100` shows")
    the_one(remarks, "'101' of Proxmox VE names it.")
    the_one(remarks, "1 definition of guests could not be read")


def test_what_else_a_guest_names(machine):
    """Whatever is not the card's: a slot once, and nothing that is not there."""
    machine.write("etc/pve/qemu-server/100.conf", "hostpci0: 01:00,pcie=1,driver=keep\nhostpci1: 05:00\nhostpci2: 07:00.0\n")
    machine.add("0000:05:00.1", "8086:10d3", "020000", group=3, driver="e1000e")
    assert proposed(machine)["remarks"] == [
        "'100' of Proxmox VE names it.",
        f"'100' of Proxmox VE names {NIC} as well, which the proposal leaves to the host: Proxmox VE takes it when the guest "
        "starts, whatever hangs on it. If it is to go with the mode, add a [device] for it."]
    machine.write("etc/pve/qemu-server/100.conf", "hostpci0: 05:00\n")
    assert proposed(machine)["remarks"] == []


def test_guests_of_two_cards(machine):
    """That is no choice."""
    machine.add(IGPU, "8086:9bc5", "030000", group=5, driver="i915", boot_vga=0)
    machine.add(TWIN, "1002:73bf", "030000", group=6, driver="amdgpu", boot_vga=0)
    machine.write("etc/libvirt/qemu/a.xml", hostdev("0000:02:00.0"))
    machine.write("etc/pve/qemu-server/100.conf", f"hostpci0: {GPU}\n")
    assert machine.run("init", "--dry-run").returncode == 2
