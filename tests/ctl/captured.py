# SPDX-License-Identifier: GPL-2.0-or-later
"""Machines made of words: directory trees for --root; and running vfio-modectl on them.

The program under test is $VFIO_MODECTL.
"""

import json
import os
import re
import subprocess

import schema

PROGRAM = os.environ.get("VFIO_MODECTL", "vfio-modectl")

GPU, AUDIO, NIC, BRIDGE = "0000:01:00.0", "0000:01:00.1", "0000:05:00.0", "0000:00:01.0"
EVIL = "\033]0;owned\007\u009b31m\n\u202e"

CONFIG = f"""\
[general]
default-mode = passthrough

[device gpu]
address = {GPU}
id = 10de:2484
consent = boot-vga

[device nic]
address = {NIC}

[mode host]
vfio-devices = nic

[mode passthrough]
vfio-devices = nic gpu
"""


BOOT_RECORD = {
    "vfio-mode-boot": 1, "boot-id": "00000000-0000-4000-8000-000000000001", "time": 1767225600,
    "source": "default", "marker": "idle.1.0", "wanted": "host", "mode": "host", "result": "none",
    "reason": "default-mode", "confirmed": "no", "repeated": "no", "unconfirmed": 0}


def boot_record(**changes) -> str:
    """What /var/lib has of a boot: one into the host mode, but for what is said here (boot_id="...")."""
    changed = {name.replace("_", "-"): value for name, value in changes.items()}
    assert changed.keys() <= BOOT_RECORD.keys(), changed
    return "".join(f"{name}={value}\n" for name, value in {**BOOT_RECORD, **changed}.items())


class Machine:
    def __init__(self, root):
        self.root, self.n_states = root, 0
        (root / "sys/bus/pci/devices").mkdir(parents=True)
        (root / "var/lib/vfio-mode").mkdir(parents=True)

    def write(self, path, text):
        path = self.root / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return self

    def replace(self, path, text):
        """In one step, as the product does it: a service that looks meanwhile sees no half of it."""
        self.write("new", text)
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / "new").replace(self.root / path)
        return self

    def add(self, address, pci_id, pci_class, group=None, driver=None, override=None,
            boot_vga=None):
        vendor, device = pci_id.split(":")
        where = self.root / "sys/bus/pci/devices" / address
        where.mkdir()
        (where / "modalias").write_text(
            f"pci:v0000{vendor.upper()}d0000{device.upper()}sv00000000sd00000000"
            f"bc{pci_class[0:2]}sc{pci_class[2:4]}i{pci_class[4:6]}\n")
        (where / "driver_override").write_text(f"{override or '(null)'}\n")
        if driver:
            (where / "driver").symlink_to(f"../../../../bus/pci/drivers/{driver}")
            if "\n" not in driver:
                (self.root / "sys/bus/pci/drivers" / driver).mkdir(parents=True, exist_ok=True)
        if boot_vga is not None:
            (where / "boot_vga").write_text(f"{boot_vga}\n")
        if group is not None:
            (where / "iommu_group").symlink_to(f"../../../../kernel/iommu_groups/{group}")
            members = self.root / "sys/kernel/iommu_groups" / str(group) / "devices"
            members.mkdir(parents=True, exist_ok=True)
            (members / address).symlink_to(f"../../../../bus/pci/devices/{address}")
            (self.root / "sys/class/iommu/dmar0").mkdir(parents=True, exist_ok=True)
        return self

    def pc(self, gpu="nvidia", audio="snd_hda_intel", nic="vfio-pci"):
        """A boot_vga GPU with its audio function, and a NIC, on the drivers named."""
        overrides = {name: name if name == "vfio-pci" else None for name in (gpu, audio, nic)}
        self.add(BRIDGE, "8086:1901", "060400", group=1, driver="pcieport")
        self.add(GPU, "10de:2484", "030000", group=1, driver=gpu, override=overrides[gpu],
                 boot_vga=1)
        self.add(AUDIO, "10de:228b", "040300", group=1, driver=audio, override=overrides[audio])
        self.add(NIC, "8086:10d3", "020000", group=2, driver=nic, override=overrides[nic])
        return self

    def config(self, text=CONFIG):
        return self.write("etc/vfio-mode.ini", text)

    def accepted(self, text=CONFIG):
        return self.replace("run/vfio-mode/config", text)

    def state(self, mode, old_mode="", source="unit", reason="its unit was started", homes=(),
              name="status", held="", pools=()):
        lines = ["vfio-mode-state=1", f"mode={mode}", f"old-mode={old_mode}", f"source={source}",
                 f"reason={reason}", f"since={1767225600 + self.n_states}"]
        self.n_states += 1
        if held:
            lines += [f"held-since={1767225600 * 1000000 + self.n_states}", f"held-by={held}"]
        lines += [f"function={home}" for home in homes] + [f"hugepages={pool}" for pool in pools]
        return self.replace(f"run/vfio-mode/{name}", "\n".join(lines) + "\n")

    def result(self, kind="none", mode="host", text="All is well.", name="result", invocation=""):
        return self.replace(f"run/vfio-mode/{name}",
                            f"invocation={invocation}\nverb=switch\nmode={mode}\nresult={kind}\n"
                            f"steps=0\ntext={text}\n")

    def in_host_mode(self):
        return self.pc().config().accepted().state("host", "passthrough")

    def run(self, *arguments, **environment):
        return run("--root", str(self.root), *arguments, **environment)

    def json(self, *arguments, code=0):
        answer = self.run("--json=short", *arguments)
        assert answer.returncode == code, answer
        assert answer.stdout.count("\n") == 1
        parsed = json.loads(answer.stdout)
        assert parsed["schema"] == 1
        return parsed

    def text(self, *arguments, code=0):
        answer = self.run(*arguments)
        assert answer.returncode == code, answer
        return answer.stdout


def run(*arguments, is_sane=True, **environment):
    """is_sane: what the service says is, so that the answer keeps to its schema."""
    answer = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=30,
                            check=False, env={"PATH": os.environ["PATH"], "TZ": "UTC", **sanitizers(),
                                              **environment})
    if is_sane:
        schema.check(arguments, answer.stdout)
    return answer


def sanitizers():
    return {name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")}


def rows(table):
    """The rows of a table as lists of cells, its headers first."""
    return [re.split(r"  +", line.strip()) for line in table.splitlines() if line]


def fields(status):
    """What `status` says, by label."""
    found, label = {}, None
    for line in status.splitlines():
        if not line:
            break
        if match := re.match(r" *([A-Z][a-z ]+): (.*)", line):
            label = match[1]
            found[label] = [match[2]]
        else:
            found[label].append(line.strip())
    return found
