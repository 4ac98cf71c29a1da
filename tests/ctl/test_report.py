# SPDX-License-Identifier: GPL-2.0-or-later
"""The verb report, on captured machines: the program under test is $VFIO_MODECTL."""

import json
import os
import re
import subprocess
import tarfile
from pathlib import Path
from types import MappingProxyType

import pytest
from captured import AUDIO, EVIL, GPU, PROGRAM, Machine, run, sanitizers

UUID, MAC, MACHINE_ID = "6d3f1c52-8f0e-4a53-9d0c-2f5b7c1e9a44", "52:54:00:ab:cd:ef", "76666966a01d4f4da0de00000000beef"
SECRETS = (UUID, UUID.upper(), MAC, MAC.replace(":", ""), MACHINE_ID, "1A2B-3C4D", "alice", "bob", "deepthought", "10.9.8.7",
           "S3R1AL", "hunter2")
QUESTIONS = (("status",), ("status", "--json=pretty"), ("list-devices",), ("list-devices", "--tree"), ("list-modes",),
             ("check",), ("check", "passthrough"), ("switch", "passthrough", "--dry-run"), ("init", "--dry-run"))
DEEP = "sys/devices/pci0000:00/" + "/".join(f"0000:{bus:02x}:00.0" for bus in range(1, 12))

INSPECTION = """\
vfio-mode-inspection=1
mode=passthrough
invocation=
result=busy
text=0000:01:00.0 is in use by process 17 (weston) of user alice's weston.service.
public-text=0000:01:00.0 is in use by 1 process.
check=iommu pass
message=The kernel uses the IOMMU.
advice=
"""


@pytest.fixture
def machine(tmp_path):
    """One whose files say whose it is, wherever that is known to happen."""
    (tmp_path / "root").mkdir()
    machine = Machine(tmp_path / "root").in_host_mode()
    machine.write("etc/hostname", "deepthought.example.org\n")
    machine.write("etc/passwd", "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000:Alice:/home/alice:/bin/sh\n"
                  "host:x:1001:1001::/home/host:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n")
    machine.write("etc/machine-id", f"{MACHINE_ID}\n")
    machine.write("proc/cmdline", f"root=UUID={UUID} ip=10.9.8.7 systemd.machine_id={MACHINE_ID}\n")
    machine.write("proc/self/mountinfo", "30 1 8:2 / / rw - ext4 /dev/mapper/deepthought--vg-root rw\n"
                  "31 30 0:50 / /home/bob/nas rw - cifs //10.9.8.7/bob rw,username=bob,password=hunter2\n")
    machine.write("boot/grub/grub.cfg", f"password alice hunter2\nsearch --fs-uuid --set=root {UUID}\n")
    machine.write("run/udev/data/b8:2", f"S:disk/by-id/x-S3R1AL\nE:ID_SERIAL=S3R1AL\nE:ID_FS_UUID={UUID}\n")
    machine.write("etc/libvirt/hooks/qemu", "#!/bin/sh\ncurl -u alice:hunter2 http://10.9.8.7/\nmodprobe -r nvidia\n")
    machine.write("etc/modprobe.d/local.conf", f"options kvm x=/home/bob/{MAC.upper()}\n")
    machine.write(f"{DEEP}/net/enx{MAC.replace(':', '')}/address", f"{MAC}\n")
    machine.write(f"{DEEP}/net/enx{MAC.replace(':', '')}/tun_flags", "0x1002\n")
    machine.write(f"{DEEP}/nvme/nvme0/serial", "S3R1AL\n")
    (machine.root / "sys/class/net").mkdir(parents=True)
    (machine.root / f"sys/class/net/enx{MAC.replace(':', '')}").symlink_to(
        f"../../{DEEP.removeprefix('sys/')}/net/enx{MAC.replace(':', '')}")
    return machine


NTFS, LVM, FAT, PARTITION = "01D9A2B3C4D5E6F7", "3EI0yF-1UiS-tcbW-gHEF-5KM5-m0Cc-cFWRtK", "5E6F-7A8B", "9f8e7d6c"
KERNEL_WORDS = ("dev", "vm", "block", "net", "power", "devices", "sda", "pve", "zen", "kvmfr", "snd_hda_intel")


@pytest.fixture
def named(tmp_path):
    """One whose names are in other spellings; and users who are called like parts of paths, so that its disks are
    not found where they are taken out. The function that is to be given away has one of them."""
    (tmp_path / "root").mkdir()
    machine = Machine(tmp_path / "root").in_host_mode()
    users = "".join(f"{name}:x:{1000 + i}:1000::/:/bin/sh\n" for i, name in enumerate((*KERNEL_WORDS, "alice")))
    machine.write("sys/module/kvmfr/refcnt", "0\n")
    machine.write("etc/passwd", users).write("etc/hostname", "# a comment\n\n  Alice-PC  \n")
    machine.write("proc/sys/kernel/osrelease", "6.8.12-4-zen\n").write("etc/machine-id", f"{MACHINE_ID}\n")
    machine.write("proc/cmdline", f"root=UUID={NTFS} a={FAT} resume=PARTUUID={PARTITION}-02 b={LVM}\n")
    machine.write("proc/self/mountinfo", "30 1 8:2 / / rw - ext4 /dev/sda rw\n"
                  "31 30 8:18 / /mnt/win\\040alice rw - fuseblk /dev/sdb rw,user_id=0\n"
                  "32 30 0:50 / /home/alice/far rw - fuse.sshfs bob@10.9.8.7:/ rw\n")
    machine.write("boot/grub/grub.cfg", f"search --fs-uuid --set=root {NTFS}\nsearch --fs-uuid {FAT}\n"
                  f"menuentry X $menuentry_id_option 'osprober-efi-{FAT}'\nset root='lvmid/{LVM}/{LVM[::-1]}'\n"
                  f"linux /vmlinuz root=/dev/mapper/alice--pc--vg-root resume=PARTUUID={PARTITION}-02\n")
    machine.write("run/udev/data/b8:2", f"E:ID_FS_UUID={NTFS}\nE:ID_FS_LABEL=Alice-Backup\n")
    for link in (f"dev/disk/by-uuid/{NTFS}", f"dev/disk/by-uuid/{FAT}", "dev/mapper/alice--pc--vg-root"):
        (machine.root / link).parent.mkdir(parents=True, exist_ok=True)
        (machine.root / link).symlink_to("/dev/sda")
    machine.write("etc/modprobe.d/local.conf", f"# dev-disk-by\\x2duuid-{UUID.replace('-', chr(92) + 'x2d')}.device\n"
                  "# of ALICE-PC, dev-mapper-alice\\x2d\\x2dpc\\x2d\\x2dvg\\x2droot.device\n")
    for number, disk, function in (("8:2", "sda", "0000:00:1f.2"), ("8:18", "sdb", AUDIO)):
        device = f"devices/pci0000:00/{function}/block/{disk}"
        machine.write(f"sys/{device}/dev", f"{number}\n")
        for link in (f"sys/dev/block/{number}", f"sys/class/block/{disk}"):
            (machine.root / link).parent.mkdir(parents=True, exist_ok=True)
            (machine.root / link).symlink_to(f"../../{device}")
    return machine


def report(machine, path, *arguments):
    answer = machine.run("report", "-o", str(path), *arguments)
    assert answer.returncode == 0, answer
    return answer


def test_nothing_says_whose_it_is(machine, tmp_path):
    report(machine, tmp_path / "a.tar")
    content = (tmp_path / "a.tar").read_bytes().lower()
    assert [secret for secret in SECRETS if secret.lower().encode() in content] == []
    with tarfile.open(tmp_path / "a.tar") as archive:
        names = archive.getnames()
        assert len(set(names)) == len(names)
        text = {name: archive.extractfile(name).read().decode() for name in
                ("proc/cmdline", "etc/libvirt/hooks/qemu", "run/vfio-mode/status")}
        assert text["etc/libvirt/hooks/qemu"] == "#!/bin/sh\nmodprobe -r nvidia\n"
        # A user whose name is a mode's is nobody in particular.
        assert "mode=host" in text["run/vfio-mode/status"]
        uuid = text["proc/cmdline"].split()[0].removeprefix("root=UUID=")
        assert uuid in archive.extractfile("boot/grub/grub.cfg").read().decode()
        assert uuid in archive.extractfile("run/udev/data/b8:2").read().decode()
        link = archive.getmember("sys/class/net/enx020000000001")
        assert f"sys/class/net/{link.linkname}" not in names
        assert f"{DEEP}/net/enx020000000001/tun_flags" in names
        assert link.linkname == f"../../{DEEP.removeprefix('sys/')}/net/enx020000000001"
    assert os.stat(tmp_path / "a.tar").st_mode & 0o777 == 0o600


DISK = "nvme-Samsung_SSD_980_PRO_1TB_S5GXNX0R123456"
PRIVATE = {
    "proc/cmdline": f"root=/dev/disk/by-id/{DISK}-part2 BOOTIF=01-{MAC.replace(':', '-')} ifname=net0:{MAC} "
                    "nfsroot=nas.acme.example:/export/carol rd.iscsi.password=hunter2 rd.iscsi.username=carol "
                    "netroot=iscsi:carol:hunter2@10.9.8.7::::iqn.acme systemd.set_credential=passwd.root:hunter2 "
                    "systemd.hostname=pc.acme.example ip=[2001:db8:77::5]:::::eth0:none netconsole=@/,@10.9.8.7/\n",
    "etc/default/grub": "# Carol Jones set it up for acme\n"
                        f"GRUB_CMDLINE_LINUX=\"resume=/dev/disk/by-id/{DISK}-part3 rd.luks.name={UUID}=carol_crypt\"\n",
    "etc/default/grub.d/carol.cfg": "  # acme\nGRUB_TIMEOUT=5\n",
    "etc/modprobe.d/acme.conf": "# carol@acme.example asked for it \\\nand acme goes on\noptions kvm ignore_msrs=1\n",
    "etc/modules": "# of acme\nvfio_pci\n",
    "etc/resolv.conf": "# acme\ndomain acme.example\nsearch lan acme.example\nnameserver 10.9.8.7\n",
    "etc/passwd": "carol:x:1000:1000:Carol Jones,Room 7,,:/home/carol:/bin/sh\n",
    "run/systemd/users/70001": "# This is private data. Do not parse.\nNAME=dave\nSTATE=active\n",
    "run/systemd/users/0": "NAME=root\n",
    "run/vfio-mode/result": "invocation=\nverb=switch\nmode=host\nresult=none\nsteps=0\ntext=Of dave, Carol Jones and root.\n",
    f"{DEEP}/input/input7/name": "Carol\u2019s Keyboard\n",
    f"{DEEP}/input/input7/uniq": f"{MAC}\n",
    f"{DEEP}/block/sda/device/wwid": "naa.5002538e40b0c0d1\n",
    f"{DEEP}/drm/card0/card0-DP-1/edid": "S3R1AL",
    "sys/devices/virtual/block/loop0/loop/backing_file": "/srv/acme-books.img\n",
    "sys/devices/virtual/block/dm-0/dm/name": "carol_crypt\n",
    "sys/devices/virtual/block/dm-0/dm/uuid": f"CRYPT-LUKS2-{UUID.replace('-', '')}-carol_crypt\n",
    "sys/devices/virtual/dmi/id/product_serial": "S3R1AL\n",
    "sys/devices/virtual/dmi/id/product_uuid": f"{UUID}\n",
    "sys/devices/virtual/dmi/id/chassis_asset_tag": "acme-1\n",
    "sys/devices/virtual/dmi/id/board_name": "X570\n",
    "etc/systemd/system/acme.service": "",
    "etc/NetworkManager/system-connections/Acme Wi-Fi.nmconnection": "ssid=Acme\npsk=hunter2\n",
}


def test_what_nobody_would_publish(machine, tmp_path):
    """Wherever people write it; and what it stood in still says what it is for."""
    for path, text in PRIVATE.items():
        machine.write(path, text)
    (machine.root / "dev/mapper").mkdir(parents=True)
    (machine.root / "dev/mapper/carol_crypt").symlink_to("../dm-0")
    report(machine, tmp_path / "a.tar")
    with tarfile.open(tmp_path / "a.tar") as archive:
        archive.extractall(tmp_path / "unpacked")
        names = archive.getnames()
    content = (tmp_path / "a.tar").read_bytes().lower()
    secrets = (*SECRETS, "carol", "jones", "dave", "S5GXNX0R123456", "samsung", "nas.", "db8:77", MAC.replace(":", "-"),
               "5002538e40b0c0d1", "iqn", "room 7", "acme.example")
    assert [secret for secret in secrets if secret.lower().encode() in content] == []
    # A file's name is a person's to choose; what is only in files that nobody reads is not there.
    assert [name for name in names if "acme" in name] == ["etc/modprobe.d/acme.conf"]
    assert content.count(b"acme") == content.count(b"etc/modprobe.d/acme.conf")
    unpacked = tmp_path / "unpacked"
    assert (unpacked / "etc/modprobe.d/acme.conf").read_text() == "#\\\n\noptions kvm ignore_msrs=1\n"
    words = (unpacked / "proc/cmdline").read_text().split()
    assert words[0] == "root=/dev/disk/by-id/disk1-part2" and "resume=/dev/disk/by-id/disk1-part3" in (
        unpacked / "etc/default/grub").read_text()
    assert words[-3:] == ["systemd.hostname=-", "ip=[2001:db8::1]:::::eth0:none", "netconsole=@/,@198.18.0.1/"]
    assert "text=Of user1, user2 and root.\n" in (unpacked / "run/vfio-mode/result").read_text()
    assert os.listdir(unpacked / "dev/mapper") == ["user3_crypt"]
    assert (unpacked / "sys/devices/virtual/block/loop0/loop/backing_file").read_text() == "/srv/-"
    assert (unpacked / "sys/devices/virtual/dmi/id/board_name").read_text() == "X570\n"


def read_in_its_place(machine, tmp_path, placeholders=MappingProxyType({})):
    """In the same words; and a report of it is the same again."""
    machine.write("run/vfio-mode/inspect/passthrough", INSPECTION)
    report(machine, tmp_path / "a.tar")
    with tarfile.open(tmp_path / "a.tar") as archive:
        archive.extractall(tmp_path / "unpacked")
    for question in QUESTIONS:
        there = machine.run(*question)
        here = run("--root", str(tmp_path / "unpacked"), *question)
        expected = [there.stdout, there.stderr]
        for name, placeholder in {**placeholders, "alice": "user1", "deepthought": "machine"}.items():
            expected = [text.replace(name, placeholder) for text in expected]
        assert (here.returncode, here.stdout, here.stderr) == (there.returncode, *expected), question
    answer = run("--root", str(tmp_path / "unpacked"), "report", "-o", str(tmp_path / "b.tar"))
    assert answer.returncode == 0
    with tarfile.open(tmp_path / "a.tar") as first, tarfile.open(tmp_path / "b.tar") as second:
        files = [{member.name: (member.linkname, archive.extractfile(member).read() if member.isfile() else None)
                  for member in archive if "vfio-mode-report" not in member.name} for archive in (first, second)]
    assert files[0] == files[1]


def test_it_can_be_read_in_its_place(machine, tmp_path):
    read_in_its_place(machine, tmp_path)


def test_who_takes_a_card_early(machine, tmp_path):
    """In the initramfs: `init` says so of the captured machine, too."""
    machine.write("usr/sbin/update-initramfs", "").write("usr/bin/mkinitcpio", "").write("usr/bin/dracut", "")
    machine.write("etc/initramfs-tools/modules", "# alice's\nvfio_pci ids=10de:2484\n")
    scripts = ("etc/initramfs-tools/scripts/init-top/vfio", "etc/initcpio/hooks/vfio",
               "usr/lib/dracut/modules.d/20vfio/override.sh")
    for path in scripts:
        machine.write(path, "#!/bin/sh\nfor i in $(find /sys/devices/pci* -name boot_vga); do\n"
                            "\techo vfio-pci > ${i%/boot_vga}/driver_override\ndone\n")
        (machine.root / path).chmod(0o755)
    said = machine.run("init", "--dry-run").stderr
    assert "(/etc/initramfs-tools/modules:2)" in said and all(path in said for path in scripts), said
    read_in_its_place(machine, tmp_path)


def test_names_in_other_spellings(named, tmp_path):
    read_in_its_place(named, tmp_path)
    assert "storage" in named.run("switch", "passthrough", "--dry-run").stderr
    content = (tmp_path / "a.tar").read_bytes().lower()
    secrets = ("alice", "far", "bob", NTFS, LVM, LVM[::-1], FAT, PARTITION, UUID, UUID.replace("-", "\\x2d"))
    assert [secret for secret in secrets if secret.lower().encode() in content] == []
    unpacked = tmp_path / "unpacked"
    assert (unpacked / "proc/sys/kernel/osrelease").read_text() == "6.8.12-4-zen\n"
    assert "/dev/sda rw" in (unpacked / "proc/self/mountinfo").read_text()
    assert (unpacked / "sys/module/kvmfr/refcnt").exists()
    assert os.listdir(unpacked / "dev/mapper") == ["machine--vg-root"]
    uuid = (unpacked / "proc/cmdline").read_text().split()[0].removeprefix("root=UUID=")
    assert uuid in os.listdir(unpacked / "dev/disk/by-uuid")


def test_what_this_program_says_of_it(machine, tmp_path):
    """The refusal, which is on stderr, and the exit status."""
    machine.write("run/vfio-mode/inspect/passthrough", INSPECTION)
    report(machine, tmp_path / "a.tar")
    with tarfile.open(tmp_path / "a.tar") as archive:
        text = archive.extractfile("vfio-mode-report/check-passthrough").read().decode()
    assert "in use by process 17 (weston) of user user1's" in text and text.endswith("\n[exit status 4]\n"), text


def test_each_path_once(machine, tmp_path):
    """Two files that are called the same without their users' names."""
    machine.write("etc/modprobe.d/alice.conf", "x\n").write("etc/modprobe.d/ALICE.conf", "y\n")
    assert "another file is called etc/modprobe.d/user1.conf in it" in report(machine, tmp_path / "a.tar").stderr
    with tarfile.open(tmp_path / "a.tar") as archive:
        assert archive.getnames().count("etc/modprobe.d/user1.conf") == 1


def test_who_else_sets_modules_up(machine, tmp_path):
    """Wherever modprobe(8) looks."""
    directories = ("etc", "run", "usr/local/lib", "usr/lib", "lib")
    for directory in directories:
        machine.write(f"{directory}/modprobe.d/x.conf", "blacklist nvidia\n").write(f"{directory}/modprobe.d/y.alias", "")
    present = ("usr/sbin/update-initramfs", "usr/bin/dracut", "usr/bin/mkinitcpio", "var/lib/vfio-mode/initramfs/dracut-6.1")
    for path in present:
        machine.write(path, "")
    (machine.root / "etc/pve").mkdir()
    report(machine, tmp_path / "a.tar")
    with tarfile.open(tmp_path / "a.tar") as archive:
        missing = {*present, "etc/pve", *(f"{directory}/modprobe.d/{name}" for directory in directories
                                          for name in ("x.conf", "y.alias"))} - set(archive.getnames())
    assert not missing


def test_a_file_system_without_flags(machine, tmp_path):
    """As with NFS, a rename that is to replace nothing is refused there."""
    path = tmp_path / "a.tar"
    strace = ["strace", "--output=/dev/null", "--inject=renameat2:error=EINVAL", PROGRAM, "--root", str(machine.root),
              "report", "-o", str(path)]
    environment = {"PATH": os.environ["PATH"], "ASAN_OPTIONS": "detect_leaks=0"}  # which cannot be traced
    for code in (0, 1):
        answer = subprocess.run(strace, capture_output=True, text=True, timeout=30, check=False, env=environment)
        assert answer.returncode == code, answer
    assert tarfile.is_tarfile(path) and [left.name for left in tmp_path.iterdir() if left.name != "root"] == ["a.tar"]


def test_times_stay(machine, tmp_path):
    machine.result()
    os.utime(machine.root / "run/vfio-mode/result", ns=(0, 1767225600_123456000))
    report(machine, tmp_path / "a.tar")
    with tarfile.open(tmp_path / "a.tar") as archive:
        archive.extractall(tmp_path / "unpacked")
    assert run("--root", str(tmp_path / "unpacked"), "status", "--json=short").stdout == \
        machine.run("status", "--json=short").stdout


def test_a_block_keeps_its_size(machine, tmp_path):
    """GRUB's environment counts by its size."""
    text = f"# GRUB Environment Block\nvfio_args=ip=10.9.8.7 root=UUID={UUID}\n".ljust(1024, "#")
    machine.write("boot/grub/vfio-mode/vfio-mode.env", text)
    report(machine, tmp_path / "a.tar")
    with tarfile.open(tmp_path / "a.tar") as archive:
        assert archive.getmember("boot/grub/vfio-mode/vfio-mode.env").size == 1024


def test_the_place_of_the_block_is_found_again(machine, tmp_path):
    """GRUB looks for it by the UUID of an ESP, which is another one in the report: the same one everywhere."""
    esp = {"partition": "1\n", "size": "2048\n", "dev": "8:33\n"}
    for name, text in esp.items():
        machine.write(f"sys/devices/pci0000:00/0000:00:1f.2/block/sdc/sdc1/{name}", text)
    for link in ("sys/dev/block/8:33", "sys/class/block/sdc1"):
        (machine.root / link).parent.mkdir(parents=True, exist_ok=True)
        (machine.root / link).symlink_to("../../../devices/pci0000:00/0000:00:1f.2/block/sdc/sdc1")
    machine.write("run/udev/data/b8:33", f"I:1\nE:ID_FS_UUID={FAT}\n")
    mounts = (machine.root / "proc/self/mountinfo").read_text()
    machine.write("proc/self/mountinfo", mounts + "40 30 8:33 / /boot/efi rw - vfat /dev/sdc1 rw\n")
    machine.write("boot/grub/grub.cfg", "### vfio-mode environment ###\n"
                  f"search --no-floppy --fs-uuid --set=vfio_root {FAT}\n")
    lines = ("vfio_seq=5", "vfio_mode=passthrough", "vfio_left=1", "vfio_keep=0", "vfio_skip=0", "vfio_args=",
             "vfio_end=5")
    machine.write("boot/efi/EFI/vfio-mode/vfio-mode.env",
                  ("# GRUB Environment Block\n" + "".join(f"{line}\n" for line in lines)).ljust(1024, "#"))
    there = json.loads(machine.run("status", "--json=short").stdout)["next_boot"]
    assert there["kind"] == "once", there
    report(machine, tmp_path / "a.tar")
    with tarfile.open(tmp_path / "a.tar") as archive:
        archive.extractall(tmp_path / "unpacked")
    answer = run("--root", str(tmp_path / "unpacked"), "status", "--json=short")
    assert json.loads(answer.stdout)["next_boot"] == there


def test_not_over_another_file(machine, tmp_path):
    path = tmp_path / "a.tar"
    path.write_text("something else")
    answer = machine.run("report", "-o", str(path))
    assert (answer.returncode, "--force replaces it" in answer.stderr) == (1, True)
    assert path.read_text() == "something else"
    report(machine, path, "--force")
    assert tarfile.is_tarfile(path)
    assert [left.name for left in tmp_path.iterdir() if left.name != "root"] == ["a.tar"]


def test_it_cannot_be_written(machine, tmp_path):
    answer = machine.run("report", "-o", str(tmp_path / "none/a.tar"))
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "none/a.tar cannot be written: No such file or directory" in answer.stderr
    os.mkfifo(tmp_path / "pipe")
    answer = machine.run("report", "-o", str(tmp_path / "pipe"), "--force")
    assert (answer.returncode, "is no file" in answer.stderr) == (1, True), answer


def test_not_to_the_standard_output(machine):
    """Nor to a file of that name."""
    answer = machine.run("report", "-o", "-")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "written to a file" in answer.stderr


def test_only_root(tmp_path):
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    answer = subprocess.run([*nobody, PROGRAM, "report", "-o", str(tmp_path / "a.tar")], capture_output=True, text=True,
                            timeout=30, check=False, env={"PATH": os.environ["PATH"], **sanitizers()})
    assert (answer.returncode, answer.stdout) == (8, "")
    assert "Only root" in answer.stderr


def test_what_cannot_be_taken_is_said(machine, tmp_path):
    machine.write("etc/modprobe.d/huge.conf", "#" * 5_000_000)
    answer = report(machine, tmp_path / "a.tar")
    assert "Not in it: /etc/modprobe.d/huge.conf: File too large" in answer.stderr
    said = machine.json("report", "-o", str(tmp_path / "b.tar"))
    assert said["missed"] == ["/etc/modprobe.d/huge.conf: File too large"] and said["entries"] > 20
    with tarfile.open(tmp_path / "a.tar") as archive:
        assert "huge.conf" in archive.extractfile("vfio-mode-report/report").read().decode()


def test_a_pipe_is_not_waited_for(machine, tmp_path):
    """Nor a driver_override while a switch is under way."""
    os.mkfifo(machine.root / "etc/modprobe.d/pipe.conf")
    report(machine, tmp_path / "a.tar")


def test_odd_names(machine, tmp_path):
    machine.write(f"etc/modprobe.d/{EVIL.replace('/', '')}.conf", "x\n")
    report(machine, tmp_path / "a.tar")
    with tarfile.open(tmp_path / "a.tar") as archive:
        assert any(name.endswith("31m\n\u202e.conf") for name in archive.getnames())


# --- what is written anew ---

RELEASE = "6.12.48-amd64"
ALIASES = f"lib/modules/{RELEASE}/modules.alias"


@pytest.fixture
def drivers(machine):
    """With what depmod(8) writes, and a person's blacklist of it."""
    machine.write("proc/sys/kernel/osrelease", f"{RELEASE}\n").write(f"lib/modules/{RELEASE}/modules.builtin", "x.ko\n")
    machine.write(ALIASES, "# Aliases extracted from modules themselves.\n"
                  "alias pci:v000010DEd*sv*sd*bc03sc00i00* nouveau\nalias pci:v00001002d*sv*sd*bc03sc*i* amdgpu\n"
                  "alias pci:v000010DEd00002484sv* nvidia_open\nalias usb:v046D* hid\nalias vfio_pci:v*d*sv*sd*bc*sc*i* vfio_pci\n"
                  "alias vfio_pci:v000015B3d* mlx5_vfio_pci\nalias pci:v*d*sv*sd*bc04sc03i00* snd_hda_intel")
    machine.write("etc/modprobe.d/mine.conf", "# alice wants it so\nblacklist nouveau\nblacklist nvidia_open\n")
    return machine


def test_modules_of_its_functions(drivers, tmp_path):
    """So that it is known which drivers there are, and no more."""
    machine = drivers
    there = machine.run("init", "--dry-run")
    assert "leaves no driver for 0000:01:00.0" in there.stderr and "known" not in there.stderr, there
    read_in_its_place(machine, tmp_path)
    unpacked = tmp_path / "unpacked"
    assert (unpacked / ALIASES).read_text().splitlines() == [
        "alias pci:v000010DEd*sv*sd*bc03sc00i00* nouveau", "alias pci:v000010DEd00002484sv* nvidia_open",
        "alias vfio_pci:v*d*sv*sd*bc*sc*i* vfio_pci", "alias pci:v*d*sv*sd*bc04sc03i00* snd_hda_intel"]
    assert (unpacked / f"lib/modules/{RELEASE}/modules.builtin").read_text() == ""


GAMES, WORK = "Alice's games", "acme-books"


def libvirt_guest(name, *functions):
    sources = "".join(f"<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0x0000' bus='0x{bus}' "
                      f"slot='0x00' function='0x{function}'/></source><rom file='/home/alice/card.rom'/></hostdev>"
                      for bus, function in functions)
    return (f"<domain type='kvm'><name>{name}</name><uuid>{UUID}</uuid><title>of alice</title><devices>"
            f"<interface type='bridge'><mac address='{MAC}'/></interface><graphics type='vnc' passwd='hunter2'/>"
            f"<disk type='file'><source file='/srv/S3R1AL.qcow2'/></disk>{sources}</devices></domain>")


@pytest.fixture
def guests(machine):
    """Two of libvirt with functions of the host, one that starts with the machine; one without; one that is damaged;
    and two of Proxmox VE, one of which has them by a mapping."""
    for name, functions in ((GAMES, (("01", "0"), ("01", "1"))), (WORK, (("01", "0"),)), ("plain-S3R1AL", ())):
        machine.write(f"etc/libvirt/qemu/{name}.xml", libvirt_guest(name, *functions))
    machine.write("etc/libvirt/qemu/deepthought-broken.xml", "<domain>")
    machine.write("etc/libvirt/hooks/qemu.d/plain-S3R1AL/prepare/begin/x", "#!/bin/sh\nmodprobe vfio\n")
    machine.write("etc/modprobe.d/units.conf", "options kvm a=machine-qemu\\x2d1\\x2dAlicesgames.scope b=qemu-2-acme-books\n")
    (machine.root / "etc/libvirt/qemu/autostart").mkdir()
    (machine.root / f"etc/libvirt/qemu/autostart/{WORK}.xml").symlink_to(f"/etc/libvirt/qemu/{WORK}.xml")
    machine.write("etc/pve/qemu-server/100.conf", "onboot: 1\nname: acme\nhostpci0: 01:00,pcie=1,romfile=alice.rom\n"
                  f"net0: virtio={MAC},bridge=vmbr0\ncipassword: hunter2\n[before]\nhostpci1: 05:00.0\n")
    machine.write("etc/pve/qemu-server/101.conf", "hostpci0: mapping=card,driver=keep\n")
    machine.write("etc/pve/mapping/pci.cfg", "card\n\tdescription of alice\n\tmap id=10de:2484,node=deepthought,path=0000:01:00.0\n")
    machine.write("run/vfio-moded/vm/list", f"vfio-mode-vms=1\nvm=begun 17 0000:01:00.0 {GAMES}\n")
    return machine


def test_guests(guests, tmp_path):
    """As far as they name functions of the host, under other names."""
    machine = guests
    there = machine.run("init", "--dry-run")
    assert f"'{WORK}' of libvirt names it, and starts with the machine" in there.stderr
    assert f"'{GAMES}' of libvirt names it." in there.stderr and "'101' of Proxmox VE names it." in there.stderr
    assert "1 definition of guests could not be read" in there.stderr
    placeholders = {GAMES: "guest001", WORK: "guest002"}
    read_in_its_place(machine, tmp_path, placeholders)
    content = (tmp_path / "a.tar").read_bytes().lower()
    secrets = (*SECRETS, GAMES, WORK, "acme", "alices", "card.rom", "alice.rom", "plain", "qcow2", "mapping/")
    assert [secret for secret in secrets if secret.lower().encode() in content] == []
    there, here = machine.root / "etc", tmp_path / "unpacked/etc"
    assert sorted(path.relative_to(here).as_posix() for path in here.glob("libvirt/qemu/**/*")) == [
        "libvirt/qemu/01.xml", "libvirt/qemu/autostart", "libvirt/qemu/autostart/guest002.xml",
        "libvirt/qemu/guest001.xml", "libvirt/qemu/guest002.xml"]
    assert (here / "pve/qemu-server/100.conf").read_text() == "onboot: 1\nhostpci0: " + ";".join(
        f"0000:01:00.{function}" for function in range(8)) + ",romfile=not-named-in-this-report\n"
    domain = (here / "libvirt/qemu/guest002.xml").read_text()
    assert domain.count("<rom file='/not-named-in-this-report'/>") == domain.count("<hostdev ") == 1
    assert (here / "pve/qemu-server/101.conf").read_text() == "hostpci0: 0000:01:00.0,driver=keep\n"
    # Of a check that is made from these files.
    said = subprocess.run([Path(PROGRAM).resolve().with_name("vfio-mode-apply"), f"--root={here.parent}", "print-inspection",
                           "passthrough"], capture_output=True, text=True, check=True, timeout=60).stdout
    assert ("check=guest-rom-gpu warn \nmessage='guest002' of libvirt gives 0000:01:00.0 the ROM file "
            "/not-named-in-this-report, which was not captured.\n") in said, said
    names = re.sub("guest00[3-9]", "guestN", (here / "modprobe.d/units.conf").read_text())
    assert names == "options kvm a=machine-qemu\\x2d1\\x2dguestN.scope b=qemu-2-guest002\n"
    told = (tmp_path / "unpacked/run/vfio-moded/vm/list").read_text()
    assert told == "vfio-mode-vms=1\nvm=begun 17 0000:01:00.0 guest001\n"


@pytest.mark.parametrize("name", ["100", "1f", "rescue", "passthrough", "gpu", "default", "snd", "holders"])
def test_a_guest_that_is_called_like_something_else(machine, tmp_path, name):
    """As a word of the configuration, or a number in an address, it stays."""
    machine.write("sys/module/snd_hda_intel/refcnt", "1\n").write("etc/libvirt/qemu/x/y", "")
    machine.write("etc/vfio-mode.ini", (machine.root / "etc/vfio-mode.ini").read_text() + "rescue = none\n")
    machine.write(f"etc/libvirt/qemu/{name}.xml", libvirt_guest(name, ("01", "0")))
    read_in_its_place(machine, tmp_path)
    assert (tmp_path / f"unpacked/etc/libvirt/qemu/{name}.xml").exists()


# --- check of a captured machine ---

def test_check_of_a_captured_machine(machine):
    machine.write("run/vfio-mode/inspect/passthrough", INSPECTION)
    answer = machine.run("check", "passthrough")
    assert answer.returncode == 4
    assert answer.stdout.splitlines()[1].split() == "iommu pass The kernel uses the IOMMU.".split()
    assert "in use by process 17 (weston)" in answer.stderr
    said = machine.json("check", "passthrough", code=4)
    assert (said["mode"], said["ok"], said["refusal"]["name"]) == ("passthrough", False, "busy")
    assert said["checks"] == [{"id": "iommu", "result": "pass", "message": "The kernel uses the IOMMU.", "advice": ""}]


@pytest.mark.parametrize(("mode", "code", "words"), [
    pytest.param("host", 1, "captured without a check of mode 'host', and /usr/libexec/vfio-mode/vfio-mode-apply, which",
                 marks=pytest.mark.skipif(os.path.exists("/usr/libexec/vfio-mode"), reason="it is installed")), ("bogus", 3, "There is no mode 'bogus'."),
    ("../x", 3, "There is no mode '../x'.")])
def test_no_check_was_captured(machine, mode, code, words):
    answer = machine.run("check", mode)
    assert (answer.returncode, words in answer.stderr) == (code, True), answer


def test_a_damaged_check(machine):
    machine.write("run/vfio-mode/inspect/passthrough", "bogus\n")
    answer = machine.run("check", "passthrough")
    assert (answer.returncode, "cannot be read" in answer.stderr) == (1, True), answer


def test_gpu_is_in_the_list(machine, tmp_path):
    report(machine, tmp_path / "a.tar")
    with tarfile.open(tmp_path / "a.tar") as archive:
        text = archive.extractfile("vfio-mode-report/pci-functions").read().decode()
    assert any(line.startswith(f"{GPU} VGA compatible controller [0300]: NVIDIA") for line in text.splitlines()), text
