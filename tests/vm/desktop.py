# SPDX-License-Identifier: GPL-2.0-or-later
"""A desktop on the emulated card: a display manager that logs alice in, and her compositor, which is a unit of
her user manager as GNOME's and KDE's are; her session only waits for it.

    desktop.install(pc)
    desktop.start(pc)          returns when the compositor has the card
"""

from pc import PC

DISPLAY_MANAGER = "greetd.service"  # also known as display-manager.service

_FILES = {
    "/etc/greetd/config.toml": """\
[general]
runfile = "/run/vfio-mode-test-greetd"
[terminal]
vt = 7
[default_session]
command = "/usr/sbin/agreety --cmd /bin/sh"
user = "_greetd"
[initial_session]
command = "/usr/local/bin/desktop"
user = "alice"
""",
    # It logs in once for each boot, by that file.
    "/etc/systemd/system/greetd.service.d/vfio-mode-test.conf": """\
[Service]
ExecStartPre=rm -f /run/vfio-mode-test-greetd
""",
    "/etc/systemd/user/weston.service": """\
[Service]
Type=notify
Environment=XDG_SESSION_TYPE=wayland
ExecStart=weston --backend=drm --renderer=pixman --shell=kiosk --modules=systemd-notify.so \
    --continue-without-input --idle-time=0
""",
    "/usr/local/bin/desktop": """\
#!/bin/sh
systemctl --user start weston.service && echo "$XDG_SESSION_ID" >/var/tmp/desktop
exec sleep infinity
""",
}

# Reads what the session writes when its compositor has started.
_WAIT = "timeout 100 head -n 1 /var/tmp/desktop"


def install(pc: PC) -> None:
    for path, content in _FILES.items():
        pc.ok(f"mkdir -p {path.rpartition('/')[0]}")
        pc.write(path, content, 0o755 if "/bin/" in path else 0o644)
    pc.ok("useradd --create-home --shell /bin/sh alice; mkfifo /var/tmp/desktop; chmod 666 /var/tmp/desktop; "
          f"systemctl daemon-reload; systemctl enable --quiet {DISPLAY_MANAGER}")


def start(pc: PC) -> str:
    """Returns the session's id."""
    return pc.ok(f"systemctl start {DISPLAY_MANAGER}; {_WAIT}", timeout=150)


def wait(pc: PC) -> str:
    """The same, where somebody else has it started."""
    return pc.ok(_WAIT, timeout=150)


def compositor(pc: PC) -> str:
    """Its PID."""
    return pc.ok("pgrep -x weston")
