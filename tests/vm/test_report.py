# SPDX-License-Identifier: GPL-2.0-or-later
"""A report can be read in the machine's place: `--root=` says the same of it; and it does not say whose the machine
is."""

import pytest

import modectl
from modes import INI
from pc import DISK_SERIAL, PC

ARCHIVE, UNPACKED = "/root/report.tar", "/root/report"
QUESTIONS = (*(f"{question}{form}" for form in ("", f" {modectl.PRETTY}") for question in (
    "status", "list-devices", "list-devices --tree", "check passthrough", "check host", "init --dry-run")),
    "list-modes", "check", "check nosuch")
PLACEHOLDERS = {"vfio-mode-test": "machine", "acme-games": "guest001", "acme-work": "guest002", "alice": "user1"}

# Guests of both hypervisors, and a blacklist of what only modules.alias knows as a driver of the card's.
GUEST = ("<domain type='kvm'><name>{name}</name><uuid>8a1b2c3d-0000-4000-8000-00000000acce</uuid><devices><interface "
         "type='network'><mac address='52:54:00:ac:ce:01'/></interface><hostdev mode='subsystem' type='pci'><source>"
         "<address domain='0x0000' bus='0x01' slot='0x00' function='0x0'/></source></hostdev></devices></domain>\n")
BLACKLIST = "# alice's, of acme\nblacklist bochs\ninstall bochs_drm /bin/true\n"

# A session of somebody's, which has the card open.
_SESSION = """
useradd --create-home alice
printf '%s\\n' 'auth required pam_permit.so' 'account required pam_permit.so' 'session required pam_systemd.so' \
    > /etc/pam.d/vfio-mode-test
chmod a+rw /dev/dri/card0
systemd-run --quiet --unit=session-of-alice --service-type=exec --uid=alice --property=PAMName=vfio-mode-test \
    bash -c 'exec 3<>/dev/dri/card0; exec sleep infinity'
until [ "$(cat /proc/$(systemctl show --value -p MainPID session-of-alice)/comm)" = sleep ]; do :; done
"""

# Whatever was reached below the root by its descriptor and was there is in the archive, too.
_OPENED = r"""
import os, re, sys
call = re.compile(r'^\d+ +\w+\(\d+<(/[^>]*)>, "([^"]*)".* = (?:0|[1-9]\d*)')
missing = set()
for line in open("/root/trace"):
    match = call.match(line)
    if not match:
        continue
    path = os.path.normpath(f"{match[1]}/{match[2]}").replace("//", "/")
    if re.match("/proc/[0-9]+/", path) and not path.endswith("mountinfo"):
        continue  # of a process
    if path.endswith(".tmp"):
        continue  # what it is writing
    # The host's name is in that of a rules file.
    for name, other in (("acme-games", "guest001"), ("acme-work", "guest002"), (os.uname().nodename, "machine")):
        path = path.replace(name, other)
    if not os.path.lexists("/root/report" + path):
        missing.add(path)
print("\n".join(sorted(missing)))
"""


def secrets(pc: PC) -> list[str]:
    """What only this machine has."""
    found = pc.ok("cat /etc/hostname /etc/machine-id /proc/sys/kernel/random/boot_id /sys/class/net/*/address; "
                  "lsblk --noheadings --output UUID,PARTUUID,SERIAL | tr ' ' '\\n'; ls /dev/disk/by-uuid").split()
    found = [word for word in found if word.strip("0:-")]
    assert DISK_SERIAL in found and len(found) >= 6, found
    return [*found, "alice", "acme-", "52:54:00:ac", "8a1b2c3d-", *(word.replace("-", "") for word in found if word.count("-") == 4)]


def redacted(text: str) -> str:
    for word, placeholder in PLACEHOLDERS.items():
        text = text.replace(word, placeholder)
    return text


def check_by_files(pc: PC) -> None:
    """Where the check itself was not captured, it says the same of all but what only the machine knows."""
    pc.ok(f"cp -a {UNPACKED}/run/vfio-mode/inspect /root/inspect.away; "
          f"rm -r {UNPACKED}/run/vfio-mode/inspect")
    code, made = modectl.run(pc, f"--root={UNPACKED} check passthrough 2> /root/said")
    assert (code, "captured without a check of mode 'passthrough'" in pc.read("/root/said")) == (0, True), made
    assert not pc.ok(f"ls {UNPACKED}/run/vfio-mode | grep inspect || true")
    pc.ok(f"mv /root/inspect.away {UNPACKED}/run/vfio-mode/inspect")
    _, captured = modectl.run(pc, f"--root={UNPACKED} check passthrough")
    # Who uses it, what modprobe would load, which units run.
    of_machine = ("switch", "owner", "holders", "host-driver-gpu", "ways-back", "way-back-ssh", "way-back-serial-console")
    rows, expected = ([row for row in said["checks"] if row["id"] not in of_machine]
                      for said in (made, captured))
    different = [pair for pair in zip(rows, expected, strict=True) if pair[0] != pair[1]]
    assert not different and len(rows) > 10


@pytest.mark.machine("gpu")
def test_report(pc: PC) -> None:
    pc.ok(_SESSION)
    pc.ok("vfio-modectl switch host")
    pc.ok("mkdir -p /etc/libvirt/qemu/autostart /etc/pve/qemu-server")
    for name in ("acme-games", "acme-work"):
        pc.write(f"/etc/libvirt/qemu/{name}.xml", GUEST.format(name=name))
    pc.ok("ln -s /etc/libvirt/qemu/acme-work.xml /etc/libvirt/qemu/autostart")
    pc.write("/etc/pve/qemu-server/100.conf", "onboot: 1\nname: acme\nhostpci0: 01:00,pcie=1\n")
    pc.write("/etc/modprobe.d/acme.conf", BLACKLIST)
    assert pc.run("vfio-modectl check passthrough").rc == 4
    said = modectl.ask(pc, f"report -o {ARCHIVE}")
    assert (said["path"], said["missed"]) == (ARCHIVE, []), said
    assert pc.ok(f"stat --format=%a.%U {ARCHIVE}") == "600.root"
    live = {question: pc.run(f"vfio-modectl {question}") for question in QUESTIONS}
    pc.ok(f"mkdir {UNPACKED} && tar --extract --file={ARCHIVE} --directory={UNPACKED}")
    for question, answer in live.items():
        modectl.check(question, answer.stdout)
        read = pc.run(f"vfio-modectl --root={UNPACKED} {question}")
        assert (read.rc, read.stdout, read.stderr) == (answer.rc, redacted(answer.stdout), redacted(answer.stderr)), \
            question
    assert "of user alice" in live["check passthrough"].stderr
    assert "'acme-work'" in live["check passthrough"].stdout and "'acme-work' of libvirt" in live["init --dry-run"].stderr
    assert "blacklist bochs (/etc/modprobe.d/acme.conf:2)" in live["init --dry-run"].stderr, live["init --dry-run"]
    assert pc.ok(f"wc --lines < {UNPACKED}/lib/modules/$(uname -r)/modules.alias") != "0"
    check_by_files(pc)

    there = [secret for secret in secrets(pc)
             if pc.run(f"grep --quiet --text --fixed-strings --ignore-case -- '{secret}' {ARCHIVE}").rc != 1]
    assert there == []
    journal = pc.read(f"{UNPACKED}/vfio-mode-report/journal")
    assert "Mode 'host'" in journal and "machine" in redacted(pc.ok("hostname")), journal

    pc.write("/root/opened.py", _OPENED)
    missing = {}
    for number, program in enumerate(("vfio-modectl --root=/. status", "vfio-modectl --root=/. list-devices --tree",
                                      "vfio-modectl --root=/. switch passthrough --dry-run",
                                      "vfio-modectl --root=/. init --dry-run",
                                      "/usr/libexec/vfio-mode/vfio-mode-apply --root=/. inspect passthrough")):
        pc.ok(f"strace --follow-forks --decode-fds=path --trace=%file --output=/root/trace {program} >/dev/null || "
              f"[ {number} = 2 ]")
        assert pc.ok("grep --count 'sys/bus/pci' /root/trace") != "0"
        missing[program] = pc.ok("python3 /root/opened.py").split()
    assert not any(missing.values()), missing


_JOURNALCTL = """#!/bin/sh
head --bytes=2000000 /dev/zero | tr '\\0' x
exit 3
"""


@pytest.mark.machine("gpu")
def test_refused(pc: PC) -> None:
    """Only root; and over no other file unless it is asked for."""
    pc.ok("useradd bob")
    said = pc.run("runuser -u bob -- vfio-modectl report -o /tmp/report.tar")
    assert (said.rc, "Only root" in said.stderr) == (8, True), said
    pc.write(ARCHIVE, "something else")
    said = pc.run(f"vfio-modectl report -o {ARCHIVE}")
    assert (said.rc, "--force replaces it" in said.stderr, pc.read(ARCHIVE)) == (1, True, "something else"), said
    # As a file system without flags of a rename does it, such as NFS.
    old = "strace --inject=renameat2:error=EINVAL --output=/dev/null vfio-modectl report -o /root/nfs.tar"
    pc.ok(old)
    assert pc.run(old).rc == 1
    assert pc.ok("ls -A /root | grep nfs") == "nfs.tar"
    # What other programs do not say, or not to the end, is said to be missed.
    pc.write("/root/journalctl", _JOURNALCTL, 0o755)
    said = modectl.ask(pc, "report -o /root/cut.tar", before="PATH=/root:$PATH ")
    assert said["missed"] == [f"{name}: {what}" for name in ("journal", "kernel-messages") for what in
                              ("exit status 3 of journalctl", "what is beyond 1048575 bytes")], said
    pc.write(INI, "[mode bad\n")
    pc.ok(f"vfio-modectl report -o {ARCHIVE} --force")
    assert pc.ok(f"tar --extract --to-stdout --file={ARCHIVE} etc/vfio-mode.ini") == "[mode bad"
    assert pc.ok("ls -A /root | grep -c 'report.tar' || true") == "1"
