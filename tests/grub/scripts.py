# SPDX-License-Identifier: GPL-2.0-or-later
"""The scripts of conf/grub in a directory of their own, with what they call replaced."""

import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2]
CONF = SOURCE / "conf/grub"
SCRIPTS = ("09_vfio-mode", "11_vfio-mode")
APPLY = Path(os.environ.get("VFIO_MODED", "vfio-moded")).resolve().with_name("vfio-mode-apply")
COMMENT = "### vfio-mode environment ###"
MODES = "passthrough\tnosmt=force kvm.ignore_msrs=1 panic=10\nrouter\tpanic=10\n"

# What the scripts and 10_linux ask of grub-probe, for a disk that need not be there.
_PROBE = """#!/bin/sh
for word; do
    case $word in
    --target=*) target=${word#--target=} ;;
    esac
done
case $target in
device) echo /dev/vda2 ;;
fs_uuid) echo 11111111-2222-3333-4444-555555555555 ;;
partuuid) echo aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee ;;
fs) echo ext2 ;;
partmap) echo gpt ;;
compatibility_hint) echo hd0,gpt2 ;;
esac
"""


@dataclass
class Machine:
    """A root directory with /etc/grub.d, kernels, and a vfio-mode-apply that says as it is told."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.program("usr/libexec/vfio-mode/vfio-mode-apply", "exit 99\n")
        self.program("usr/sbin/grub-probe", _PROBE, shebang="")
        self.program("usr/bin/grub-mkrelpath", 'echo "${1#*/boot}" | sed "s|^|/boot|"\n')
        self.program("usr/bin/grub-script-check", 'exec grub-script-check "$@"\n')
        values = {"PKGLIBEXECDIR": self.path("usr/libexec/vfio-mode"),
                  "SYSCONFDIR": self.path("etc")}
        for name in (*SCRIPTS, "grub-functions.sh"):
            source = CONF / f"{name}.in" if name in SCRIPTS else CONF / name
            text = re.sub(r"@(\w+)@", lambda match: str(values[match[1]]),
                          source.read_text(encoding="utf-8"))
            where = "etc/grub.d" if name in SCRIPTS else "usr/libexec/vfio-mode"
            self.program(f"{where}/{name}", text, shebang="")
        self.path("etc/vfio-mode.ini").touch()
        target = self.path("etc/default/grub.d/vfio-mode.cfg")
        target.parent.mkdir(parents=True)
        target.write_text(self._here((CONF / "vfio-mode.cfg").read_text()))
        library = self.path("usr/share/grub/grub-mkconfig_lib")
        library.parent.mkdir(parents=True)
        library.write_text(f"grub_probe={self.path('usr/sbin/grub-probe')}\n"
                           f"grub_mkrelpath={self.path('usr/bin/grub-mkrelpath')}\n"
                           "pkgdatadir=/usr/share/grub\n. /usr/share/grub/grub-mkconfig_lib\n")

    def path(self, name: str) -> Path:
        return self.root / name

    def program(self, name: str, text: str, shebang: str = "#!/bin/sh\n") -> None:
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(shebang + text, encoding="utf-8")
        path.chmod(0o755)

    def says(self, environment: str = "echo prefix vfio-mode/vfio-mode.env",
             modes: str | None = None) -> "Machine":
        """What vfio-mode-apply does for its two verbs, as shell commands."""
        modes = modes if modes is not None else f"printf '%s' '{MODES}'"
        self.program("usr/libexec/vfio-mode/vfio-mode-apply",
                     f"case $1 in\ngrub-environment) {environment} ;;\n"
                     f"grub-modes) {modes} ;;\nesac\n")
        return self

    def asks(self) -> "Machine":
        """The real vfio-mode-apply, of a machine on which GRUB can write beside its grub.cfg."""
        if not APPLY.exists():
            pytest.skip("VFIO_MODED does not name a program that has vfio-mode-apply beside it")
        self.program("usr/libexec/vfio-mode/vfio-mode-apply", f'exec {APPLY} --root={self.root} "$@"\n')
        for name, text in (("proc/self/mountinfo", "21 1 8:2 / / rw - ext4 /dev/sda2 rw\n"),
                           ("sys/devices/sda/sda2/partition", "2\n"), ("boot/grub/grub.cfg", "")):
            self.path(name).parent.mkdir(parents=True, exist_ok=True)
            self.path(name).write_text(text)
        self.path("sys/dev/block").mkdir(parents=True)
        self.path("sys/dev/block/8:2").symlink_to("../../devices/sda/sda2")
        return self

    def kernel(self, version: str) -> None:
        for name in (f"vmlinuz-{version}", f"initrd.img-{version}"):
            path = self.path(f"boot/{name}")
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"kernel")

    def install_10_linux(self, original: Path) -> None:
        """A distribution's own, but for the directory that it finds kernels in."""
        text = original.read_text(encoding="utf-8")
        text = re.sub(r"(?<![\w/])/boot/(?=vmlinu|kernel)", f"{self.root}/boot/", text)
        text = re.sub(r"(?<![\w/])/vmlinu[xz]-\*", "", text)
        self.program("etc/grub.d/10_linux", self._here(text), shebang="")

    def _here(self, text: str) -> str:
        """With Ubuntu's friendly-recovery looked for on this machine."""
        return text.replace(" /lib/recovery-mode/", f" {self.root}/lib/recovery-mode/")

    def run(self, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": os.environ["PATH"] + ":/usr/sbin:/sbin", "LC_ALL": "C",
                       "pkgdatadir": str(self.path("usr/share/grub")),
                       "GRUB_DISTRIBUTOR": "Debian", "GRUB_DEVICE": "/dev/vda2",
                       "GRUB_DEVICE_BOOT": "/dev/vda2", "GRUB_FS": "ext2",
                       "GRUB_DEVICE_UUID": "11111111-2222-3333-4444-555555555555",
                       "GRUB_CMDLINE_LINUX": "console=tty0",
                       "GRUB_CMDLINE_LINUX_DEFAULT": "quiet $vfio_args"}
        return subprocess.run([self.path("etc/grub.d") / script], capture_output=True, text=True,
                              check=False, env=environment | self.environment | variables)

    def mkconfig(self, original: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """The distribution's grub-mkconfig on this machine, into boot/grub/grub.cfg."""
        text = original.read_text(encoding="utf-8")
        text = re.sub(r'^sysconfdir=.*$', f'sysconfdir="{self.path("etc")}"', text, flags=re.M)
        text = re.sub(r'^grub_probe=.*$', f'grub_probe="{self.path("usr/sbin/grub-probe")}"', text,
                      flags=re.M)
        text = re.sub(r"`id -u`", "0", text).replace('if [ "$EUID" != 0 ]', "if false")
        given = 'if [ "x$pkgdatadir" = x ]'
        text = text.replace(given, f"pkgdatadir={self.path('usr/share/grub')}\n{given}")
        self.program("usr/sbin/grub-mkconfig", text, shebang="")
        self.path("boot/grub").mkdir(parents=True, exist_ok=True)
        environment = {"PATH": os.environ["PATH"] + ":/usr/sbin:/sbin", "LC_ALL": "C"}
        return subprocess.run([self.path("usr/sbin/grub-mkconfig"), "-o",
                               self.path("boot/grub/grub.cfg")],
                              capture_output=True, text=True, check=False,
                              env=environment | self.environment | variables)

    @property
    def grub_cfg(self) -> str:
        return self.path("boot/grub/grub.cfg").read_text(encoding="utf-8")


def syntax_errors(config: str) -> str:
    result = subprocess.run(["grub-script-check"], input=config, capture_output=True, text=True,
                            check=False)
    return result.stderr if result.returncode else ""
