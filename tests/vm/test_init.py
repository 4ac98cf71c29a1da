# SPDX-License-Identifier: GPL-2.0-or-later
"""What `init` proposes on each machine is good as it stands: the checks pass and the switch works; or they fail for
the true reason of that machine."""

import pytest

import modectl
from machines import MACHINES
from modectl import ask
from modes import AUDIO, GPU, INI, drivers, overrides
from pc import PC
from test_nvidia import modules

# Where it works: the card that goes.
GPUS = {"gpu": GPU, "grub": GPU, "lvm": GPU, "nic": GPU, "two-gpus": "0000:02:00.0", "moved": "0000:02:00.0",
        "gpu-initramfs": GPU, "gpu-hooks": GPU, "gpu-hooks-bookworm": GPU, "gpu-bookworm": GPU, "numa": GPU,
        "apparmor": GPU}
# Where it does not: the exit status of `check`, the check that fails, and words of the remark that said so.
WHY_NOT = {"foreign-group": (5, "switch", "Its IOMMU group has other devices"),
           "no-iommu": (5, "iommu", "There is no IOMMU")}
# gpu-hooks, which boots to the other mode, in which nobody asks for a configuration.
NOT_ASKED = ("gpu-hooks-default",)


def on(name: str) -> object:
    return pytest.param(name, marks=pytest.mark.machine(name))


def test_every_machine_is_known() -> None:
    """A machine that is added is one more that `init` has to get right."""
    assert sorted([*GPUS, *WHY_NOT, *NOT_ASKED]) == sorted(MACHINES)


def checks(pc: PC) -> tuple[int, dict[str, str]]:
    """What is said of the mode, by the checks' ids; more than one of an id is the worst."""
    code, said = modectl.run(pc, "check passthrough")
    results: dict[str, str] = {}
    for check in said["checks"]:
        if results.get(check["id"]) != "fail":
            results[check["id"]] = check["result"]
    return code, results


@pytest.mark.drawn("inits")
@pytest.mark.parametrize("name", [on(name) for name in GPUS])
def test_it_works(pc: PC, name: str) -> None:
    pc.ok(f"vfio-modectl init --dry-run > /root/new.ini && cp /root/new.ini {INI}")
    code, results = checks(pc)
    assert code == 0 and "fail" not in results.values(), results
    # The image of these has a configuration that is another one by now.
    assert results.get("initramfs") == ("warn" if "hooks" in name else None), results
    card = GPUS[name], GPUS[name].replace(".0", ".1")
    host = drivers(pc, *card)
    pc.ok("vfio-modectl switch passthrough")
    assert drivers(pc, *card) == ["vfio-pci", "vfio-pci"]
    pc.ok("vfio-modectl switch host")
    assert drivers(pc, *card) == host and "vfio-pci" not in host


@pytest.mark.drawn("inits")
@pytest.mark.parametrize("name", [on(name) for name in WHY_NOT])
def test_it_says_why_not(pc: PC, name: str) -> None:
    """The remark is that of the machine, and so is the refusal."""
    code, failed, words = WHY_NOT[name]
    said = ask(pc, "init --dry-run")
    assert any(words in remark for remark in said["remarks"]), said["remarks"]
    pc.write(INI, "".join(f"{line}\n" for line in said["config"]))
    rc, results = checks(pc)
    assert (rc, results[failed]) == (code, "fail"), results


@pytest.mark.drawn("inits")
@pytest.mark.machine("two-gpus")
def test_two_cards_of_one_driver(pc: PC) -> None:
    """One that cannot be unbound while it is in use, and not be unloaded either: said, and asked on a terminal."""
    cards = [GPU, "0000:02:00.0"]
    nvidia, *_ = modules(pc.machine.suite)
    pc.push(nvidia, "/root/nvidia.ko")
    for card in cards:
        pc.ok(f"cd /sys/bus/pci/devices/{card} && echo nvidia > driver_override && echo {card} > driver/unbind")
    pc.ok("insmod /root/nvidia.ko")
    assert drivers(pc, *cards) == ["nvidia", "nvidia"]

    said = ask(pc, "init --dry-run")
    remark(said["remarks"], f"(shared-driver): {cards[1]} cannot be taken from nvidia safely: {GPU} needs that driver")
    assert "; consent = shared-driver" in said["config"], said
    pc.write(INI, "".join(f"{line}\n" for line in said["config"]))
    code, results = checks(pc)
    assert code == 6 and [name for name, result in results.items() if result == "fail"] == ["switch"], results

    pc.ok("printf 'n\\ny\\n' | script --quiet --return --command 'vfio-modectl init --force' /root/said")
    assert "Is it to be unbound?" in pc.read("/root/said") and "\nconsent = shared-driver\n" in pc.read(INI)
    code, results = checks(pc)
    assert code == 0 and "fail" not in results.values(), results
    pc.ok("vfio-modectl switch passthrough")
    assert drivers(pc, *cards) == ["nvidia", "vfio-pci"]
    pc.ok("vfio-modectl switch host")
    assert drivers(pc, *cards) == ["nvidia", "nvidia"] and overrides(pc) == dict.fromkeys(cards, "nvidia")


@pytest.mark.drawn("inits")
@pytest.mark.machine("gpu")
def test_it_is_put_in_place(pc: PC) -> None:
    """Where there is none; what it may not choose it asks on a terminal."""
    refused = pc.run("vfio-modectl init")
    assert refused.rc == 1 and "--force replaces it" in refused.out, refused
    before = pc.read(INI)
    pc.ok(f"rm {INI}; mkdir -p /etc/pve/qemu-server")
    pc.write("/etc/pve/qemu-server/100.conf", "onboot: 1\nhostpci0: 01:00,pcie=1\n")
    pc.ok("printf 'y\\nn\\n' | script --quiet --return --command 'vfio-modectl init' /root/said")
    text = pc.read(INI)
    assert "\nend-sessions = yes\n" in text and "\n; switch-for-vm = yes\n" in text, text
    said = pc.read("/root/said")
    assert "May the start of a virtual machine, such as 100, switch to passthrough mode?" in said, said
    assert "'100' of Proxmox VE names it, and starts with the machine" in said, said
    assert "May a switch end the desktop sessions" in said and "Next: vfio-modectl check passthrough" in said, said
    assert pc.ok(f"stat --format=%a {INI}") == "644"
    pc.write(INI, before)
    pc.ok("vfio-modectl init --force < /dev/null")
    assert "\n; end-sessions = yes\n" in pc.read(INI)
    assert drivers(pc, GPU, AUDIO) == ["bochs-drm", "snd_hda_intel"]


PROXMOX = "amd_iommu=on hugepagesz={size} hugepages=20 acpi_enforce_resources=lax"
POOL = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"


def proposed(pc: PC, size: str) -> list[str]:
    """Two files as people keep them for a Proxmox host, taken over; returns the remarks."""
    before = pc.read("/etc/default/grub")
    for name, more in (("host", ""), ("passthrough", " video=efifb:off")):
        pc.write(f"/root/grub.{name}", f"{before}GRUB_DISTRIBUTOR=`lsb_release -i -s`\nGRUB_CMDLINE_LINUX_DEFAULT="
                 f"\"$GRUB_CMDLINE_LINUX_DEFAULT {PROXMOX.format(size=size)}{more}\"\n")
    said = ask(pc, "init --dry-run --from-grub /root/grub.host /root/grub.passthrough")
    assert pc.read("/etc/default/grub") == before
    pc.write(INI, "".join(f"{line}\n" for line in said["config"]))
    pc.ok(f"vfio-modectl check --config={INI}")
    return said["remarks"]


def remark(remarks: list[str], *words: str) -> str:
    """The one that has all of these words."""
    found = [said for said in remarks if all(word in said for word in words)]
    assert len(found) == 1, (words, remarks)
    return found[0]


def command(said: str) -> str:
    return said.partition(" → ")[2]


@pytest.mark.drawn("inits")
@pytest.mark.machine("grub")
def test_two_grub_files(pc: PC) -> None:
    """What a hand-made Proxmox host has becomes modes; and what is said of each word is so."""
    pc.write("/etc/modprobe.d/vfio.conf", "options vfio-pci ids=1234:1111,8086:2668 disable_vga=1\nblacklist nouveau\n")
    assert not pc.ok("lsmod | grep ^vfio_pci || true")

    # 20 pages of 1 GiB are more than this PC has: that is refused, and nothing else is.
    remarks = proposed(pc, "1GB")
    assert "\nhugepages-1G = 20\n" in pc.read(INI)
    remark(remarks, "Both files reserve 20 hugepages of 1G")
    remark(remarks, "Pages of 1G are hard to find")
    code, results = checks(pc)
    failed = [name for name, result in results.items() if result == "fail"]
    assert code == 10 and failed == ["hugepages-1G", "switch"], results

    remarks = proposed(pc, "2M")
    text = pc.read(INI)
    assert "\ncmdline = video=efifb:off\n" in text and "\nhugepages-2M = 20\n" in text, text
    remark(remarks, "Both files have", "GRUB's own keeps", "quiet amd_iommu=on acpi_enforce_resources=lax")

    # GRUB's own file, by the command that was said.
    pc.ok(command(remark(remarks, "GRUB's own file →", "printf")), timeout=120)
    words = pc.ok(". /etc/default/grub; echo \"$GRUB_CMDLINE_LINUX_DEFAULT\"")
    assert words.split() == "quiet amd_iommu=on acpi_enforce_resources=lax".split()

    # The ids go, the option beside them stays in effect.
    take_away = command(remark(remarks, "vfio-pci is told to take every 1234:1111,8086:2668", "/vfio.conf:1"))
    pc.ok(take_away.partition(" && ")[0])
    assert pc.read("/etc/modprobe.d/vfio.conf") == "options vfio-pci disable_vga=1\nblacklist nouveau\n"
    remark(remarks, "disable_vga=1 (/etc/modprobe.d/vfio.conf:1)", "stays in effect")
    remark(remarks, "blacklist nouveau (/etc/modprobe.d/vfio.conf:2)", "it changes nothing for it")
    assert "nouveau" not in pc.ok(f"modprobe --resolve-alias $(cat /sys/bus/pci/devices/{GPU}/modalias)")

    code, results = checks(pc)
    assert code == 0 and "fail" not in results.values(), results
    assert results["host-driver-gpu"] == results["guests"] == "pass", results

    # The host has its memory back, which it never had before.
    remark(remarks, "Both files reserve 20 hugepages of 2M", "host mode has the memory back")
    pc.ok("vfio-modectl switch passthrough")
    assert drivers(pc, GPU, AUDIO) == ["vfio-pci", "vfio-pci"] and int(pc.read(POOL)) == 20
    assert pc.read("/sys/module/vfio_pci/parameters/disable_vga").strip() == "Y"
    pc.ok("vfio-modectl switch host")
    assert drivers(pc, GPU, AUDIO) == ["bochs-drm", "snd_hda_intel"] and int(pc.read(POOL)) == 0

    # A boot into the mode: its word comes, and the others are there as always.
    remark(remarks, "video=efifb:off is only in", "a boot into passthrough mode gets it")
    remark(remarks, "video=efifb:off keeps efifb from the firmware's screen")
    remark(remarks, "amd_iommu=on is no value that the kernel knows")
    remark(remarks, "acpi_enforce_resources=lax lets drivers")
    assert "efifb: " in pc.ok("dmesg") and "video=efifb:off" not in pc.read("/proc/cmdline")
    pc.ok("vfio-modectl next passthrough --without-protection")
    pc.reboot()
    assert drivers(pc, GPU, AUDIO) == ["vfio-pci", "vfio-pci"]
    cmdline = pc.read("/proc/cmdline")
    assert " quiet amd_iommu=on acpi_enforce_resources=lax " in cmdline, cmdline
    assert " video=efifb:off hugepagesz=2M hugepages=20 " in cmdline and int(pc.read(POOL)) == 20
    log = pc.ok("dmesg")
    assert "Unknown option - 'on'" in log and "efifb: " not in log
