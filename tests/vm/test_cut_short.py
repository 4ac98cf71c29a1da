# SPDX-License-Identifier: GPL-2.0-or-later
"""Switches that end in the middle, and units that are started and stopped beside others: the screen comes back, and
the unit that is active is the mode that the machine is in.
"""

from pathlib import Path

import pytest

from machines import ini
from modectl import status
from modes import GPU, HOST, INI, PASSTHROUGH, active, look
from pc import PC
from test_kill import prepare

pytestmark = [pytest.mark.machine("gpu"), pytest.mark.drawn("switches")]

UNTIL_HOST = "until systemctl is-active --quiet vfio-mode@host && [ ! -e /run/vfio-mode/undo ]; do :; done\n"


def check_fell(pc: PC, how: str) -> None:
    """By itself, and it is said why."""
    pc.ok(UNTIL_HOST)
    assert look(pc) == HOST
    said = status(pc)
    assert (said["mode"], said["half_way"], said["drift"]) == ("host", False, [])
    why = f"vfio-mode@passthrough.service was cut short ({how})"
    assert (said["source"], said["reason"]) == ("fallback", why)
    assert f"{why}; going to the fallback mode." in pc.ok(
        "journalctl --sync; journalctl -b --no-pager -o cat -u 'vfio-mode-cut-short@*'")
    pc.ok("systemctl start vfio-mode@passthrough")
    assert look(pc) == PASSTHROUGH


def test_killed(pc: PC, tmp_path: Path) -> None:
    """With half of it done, and its writer as well."""
    prepare(pc, tmp_path)
    pc.run(f"""kill-sweep disturb {GPU}/driver_override '
        rm -r /run/systemd/system/vfio-mode@.service.d; systemctl daemon-reload
        kill -KILL $(systemctl show --value -p MainPID vfio-mode@passthrough) $(pgrep -x vfio-mode-write)'""")
    check_fell(pc, "signal")


SLOW = """
[Unit]
Description=Takes its time to stop

[Service]
ExecStart=sleep infinity
ExecStop=sh -c 'read line < /run/go'
"""


def test_stopped_while_it_starts(pc: PC) -> None:
    """Nothing has been moved yet; but the other mode's unit was stopped, and so was what the mode stops."""
    pc.write("/etc/systemd/system/slow.service", SLOW)
    pc.write(INI, ini() + "stop-units = slow.service\n")
    pc.ok("""
        mkfifo /run/go
        systemctl daemon-reload
        systemctl start slow.service
        systemctl start --no-block vfio-mode@passthrough
        until [ "$(systemctl is-active slow.service)" = deactivating ]; do :; done
        systemctl stop vfio-mode@passthrough
        echo > /run/go; rm /run/go
    """)
    pc.ok("until systemctl is-active --quiet slow.service; do :; done")
    check_fell(pc, "signal")


def test_a_reload_is_killed(pc: PC) -> None:
    """It mends drift, for which it stops what the mode stops; its unit stays active. One that is not killed ends in
    its mode, and whoever waits for that does nothing.
    """
    pc.write("/etc/systemd/system/slow.service", SLOW)
    pc.write(INI, ini() + "stop-units = slow.service\n")
    pc.ok("systemctl daemon-reload; systemctl start vfio-mode@passthrough; mkfifo /run/go")
    begin = f"""
        echo {GPU} > /sys/bus/pci/devices/{GPU}/driver/unbind
        systemctl start slow.service
        systemctl reload --no-block vfio-mode@passthrough
        until [ "$(systemctl is-active slow.service)" = deactivating ]; do :; done
        systemctl is-active vfio-mode-cut-short@vfio-mode@passthrough
    """
    assert pc.run(begin).stdout.split() == ["activating"]
    pc.ok("echo > /run/go; while systemctl list-jobs | grep vfio-mode; do :; done")
    assert look(pc) == PASSTHROUGH
    pc.ok(begin + """
        kill -KILL $(systemctl show --value -p ControlPID vfio-mode@passthrough)
        echo > /run/go; rm /run/go
    """)
    check_fell(pc, "reload")


def test_restarted_in_vain(pc: PC) -> None:
    """A mode that cannot be mended goes on, with its guard: the way back by the power button is there."""
    pc.ok("systemctl start vfio-mode@passthrough")
    pc.write(INI, "[mode")
    assert pc.run("systemctl restart vfio-mode@passthrough").rc == 1
    for unit in ("vfio-mode@passthrough", "vfio-mode-guard@passthrough"):  # of several, one would be enough
        pc.ok(f"until systemctl is-active --quiet {unit}; do :; done")
    assert look(pc) == PASSTHROUGH
    assert status(pc)["last_switch"]["result"] == "config-invalid"
    pc.ok("systemctl stop vfio-mode@passthrough")
    assert look(pc) == HOST


def test_restarted_in_a_unit_that_cannot_run(pc: PC) -> None:
    """What systemd could not start is not started again and again."""
    pc.ok("systemctl start vfio-mode@passthrough; mkdir -p /run/systemd/system/vfio-mode@passthrough.service.d")
    pc.write("/run/systemd/system/vfio-mode@passthrough.service.d/wrong.conf",
             "[Service]\nReadWritePaths=/nonexistent\n")
    pc.ok("systemctl daemon-reload")
    assert pc.run("systemctl restart vfio-mode@passthrough").rc == 1
    journal = "journalctl -b --no-pager -o cat _PID=1"
    pc.ok(f"until {journal} | grep -q '^Finished vfio-mode-cut-short@'; do :; done")
    said = pc.ok(journal)
    assert "status=226/NAMESPACE" in said
    assert said.count("Starting vfio-mode@passthrough") == 2
    assert pc.run("systemctl list-jobs | grep vfio-mode").out == ""
    assert active(pc) == [] and pc.driver(GPU) == "vfio-pci"
    pc.ok("systemctl start vfio-mode-fallback.service")
    assert look(pc) == HOST


LOCKER = """
import fcntl, os, signal
lock = open('/run/vfio-mode/lock', 'r+')
fcntl.lockf(lock, fcntl.LOCK_EX)
open('/run/locked', 'w').write(str(os.getpid()))
signal.pause()
"""


def test_stopped_beside_who_has_the_lock(pc: PC) -> None:
    """As who reads a ROM has it: the unit is left when that has ended."""
    pc.ok("systemctl start vfio-mode@passthrough")
    pc.write("/root/locker.py", LOCKER)
    pc.ok("""
        mkfifo /run/locked
        python3 /root/locker.py > /dev/null 2>&1 &
        read -r locker < /run/locked
        systemctl stop --no-block vfio-mode@passthrough
        until grep -q -e '-> POSIX' /proc/locks; do :; done
        [ "$(systemctl is-active vfio-mode@passthrough)" = deactivating ] || exit 1
        kill $locker
    """ + UNTIL_HOST)
    assert look(pc) == HOST


def test_the_fallback_is_killed(pc: PC) -> None:
    """It waits for so long that the guard's word is old when it is begun again."""
    pc.ok("systemctl start vfio-mode@passthrough; mkdir -p /run/vfio-mode-guard")
    pc.write("/root/locker.py", LOCKER)
    pc.ok(r"""
        word() { printf 'mode=host\nsource=vm-exit\nreason=it ended\ntime=%s\n' $1 > /run/vfio-mode-guard/request; }
        mkfifo /run/locked
        python3 /root/locker.py > /dev/null 2>&1 &
        read -r locker < /run/locked
        word $(awk '{ printf "%d", $1 * 1000000 }' /proc/uptime)
        systemctl start --no-block vfio-mode-fallback
        main() { systemctl show --value -p MainPID vfio-mode-fallback; }
        waits() { grep -q -e "-> POSIX .* $(main) " /proc/locks; }
        until waits; do :; done
        word 1
        killed=$(main); kill -KILL $killed
        until [ "$(main)" != $killed ] && waits; do :; done
        kill $locker
    """ + UNTIL_HOST)
    assert look(pc) == HOST
    said = status(pc)
    assert (said["source"], said["reason"], said["held"]) == ("vm-exit", "it ended", None)


# It is activating for some time after its switch has ended.
STARTS_LATE = """
[Service]
ExecStartPost=-timeout 3 sh -c 'systemctl start --no-block vfio-mode@host; \
    until systemctl is-active --quiet vfio-mode@host; do :; done'
"""


def test_started_beside_who_has_ended(pc: PC) -> None:
    """The unit of the mode before is not active yet when the next switch begins."""
    pc.ok("mkdir -p /run/systemd/system/vfio-mode@passthrough.service.d")
    pc.write("/run/systemd/system/vfio-mode@passthrough.service.d/late.conf", STARTS_LATE)
    pc.ok("systemctl daemon-reload; systemctl start vfio-mode@passthrough\n" + UNTIL_HOST)
    assert look(pc) == HOST
