# SPDX-License-Identifier: GPL-2.0-or-later
"""A desktop on the card that is to leave: a display manager, a session, and a compositor that is a unit of the
user's manager. Nobody's session ends without leave, and with leave all of it goes in order and comes back."""

from pathlib import Path

import pytest

import desktop
from machines import ini
from modes import GPU, HOST, INI, PASSTHROUGH, check_refused, drivers, look, places
from nextboot import go_back_to
from pc import PC
from test_guest import GPU_GUEST, end_guest, start_guest
from test_holders import plan, states

SESSIONS = ini(nic="0000:02:00.0") + "end-sessions = yes\n"
MANAGER = desktop.DISPLAY_MANAGER
AWAY = "/run/vfio-mode/screen-away"
FAKES = Path(__file__).resolve().parent.parent / "sweep/bin"
_SNAPSHOT = "desktop"


def in_desktop(pc: PC) -> str:
    """The machine with the desktop up; returns the session's id. The first that asks pays for the start."""
    if _SNAPSHOT in pc.monitor("info snapshots"):
        go_back_to(pc, _SNAPSHOT)
    else:
        desktop.install(pc)
        desktop.start(pc)
        assert pc.monitor(f"savevm {_SNAPSHOT}") == ""
    return pc.ok("loginctl list-sessions --no-legend | awk '/tty7/ { print $1 }'")


def sessions(pc: PC) -> list[str]:
    """Users with a session on the seat."""
    return pc.ok("loginctl list-sessions --no-legend | awk '$4 == \"seat0\" { print $3 }'").split()


@pytest.mark.machine("gpu")
@pytest.mark.drawn("switches")
def test_a_session_does_not_end_without_leave(pc: PC) -> None:
    """The compositor is named and whose session it would be the end of; whatever else is configured."""
    session = in_desktop(pc)
    weston = desktop.compositor(pc)
    leave = f"would end session {session} of alice on seat0; end-sessions = yes"
    check_refused(pc, "passthrough", "busy", 4, f"process {weston} (weston) of user alice's weston.service",
                  leave)
    for more in "holders = kill", "stop-units = display-manager.service":
        pc.write(INI, ini() + more + "\n")
        said = pc.run("vfio-modectl switch passthrough")
        assert (said.rc, leave in said.stderr) == (4, True), said.out
    assert states(pc, MANAGER) == ["active"]
    assert (sessions(pc), desktop.compositor(pc)) == (["alice"], weston)


_REMOTE = """\
auth required pam_permit.so
account required pam_permit.so
session required pam_systemd.so
"""


@pytest.mark.machine("gpu")
def test_inhibited(pc: PC) -> None:
    """A lock against shutdown keeps the session, and who has it and why is said. One that only wants to be
    told does not. What the display manager has opened on no seat would end, too."""
    session = in_desktop(pc)
    pc.write(INI, SESSIONS)
    weston = desktop.compositor(pc)
    lock = "systemd-inhibit --who='The \"Editor\"' --why='Nothing is saved' --mode={} sleep infinity"
    pc.ok(f"systemd-run --quiet --unit=delay {lock.format('delay')} --what=sleep; "
          f"systemd-run --quiet --unit=block {lock.format('block')}; "
          "until systemd-inhibit --list --no-legend | grep -q Nothing.*block; do :; done")
    pid = pc.ok("systemctl show --value -p MainPID block")
    check_refused(pc, "passthrough", "inhibited", 4,
                  f"The \"Editor\" (process {pid}) inhibits shutdown:sleep:idle: Nothing is saved.",
                  f"would end session {session} of alice on seat0")
    assert desktop.compositor(pc) == weston
    pc.ok("systemctl stop block")
    pc.write("/etc/pam.d/greetd-remote", _REMOTE)
    pc.ok("useradd carla; systemd-run --quiet --unit=remote --service-type=exec --uid=carla "
          "--property=PAMName=greetd-remote sleep infinity")
    remote = pc.ok("loginctl list-sessions --no-legend | awk '/carla/ && !/manager/ { print $1 }'")
    assert plan(pc)[:3] == [("stop-unit", MANAGER), ("end-session", session), ("end-session", remote)]


@pytest.mark.drawn("switches")
@pytest.mark.machine("gpu")
def test_round_trips(pc: PC, request: pytest.FixtureRequest) -> None:
    """Desktop, guest on the card, desktop: again and again, and nobody else's session is touched. What
    tests/sweep has for logind and a display manager does what these do."""
    in_desktop(pc)
    pc.write(INI, SESSIONS)
    before = places(pc)
    for number in range(10 if request.config.option.long else 3):
        # Where a user's manager goes on without a session, what is left of that is ended by itself.
        lingers = number == 1
        pc.ok(f"loginctl {'enable' if lingers else 'disable'}-linger alice")
        pc.ok("vfio-modectl switch passthrough", timeout=120)
        assert look(pc) == PASSTHROUGH
        assert states(pc, MANAGER, "user@1000") == ["inactive", "active" if lingers else "inactive"]
        assert sessions(pc) == []
        assert pc.run("pgrep -x weston").rc != 0
        guest = start_guest(pc, GPU_GUEST, GPU)
        # Whoever wants the display manager meanwhile does not get it, and does not fail either.
        pc.ok(f"systemctl start {MANAGER}")
        assert states(pc, MANAGER) == ["inactive"]
        end_guest(pc, guest)
        pc.ok("vfio-modectl switch host")
        desktop.wait(pc)
        assert look(pc) == HOST
        assert (states(pc, MANAGER), sessions(pc)) == (["active"], ["alice"])
        assert (places(pc), pc.run(f"test -e {AWAY}").rc) == (before, 1)
    assert pc.ok(f"systemctl show --value -p NRestarts {MANAGER}") == "0"
    for name in "expect.sh", "session-behaviours":
        pc.push(FAKES / name, f"/root/{name}")
    # As on a desktop: it wants the display manager. What nobody refers to systemd forgets (257), with what
    # became of its condition.
    result = pc.run("systemctl start graphical.target && /root/session-behaviours alice seat0", timeout=300)
    assert (result.rc, "not ok" in result.stdout) == (0, False), result.out


@pytest.mark.drawn("switches")
@pytest.mark.machine("gpu")
def test_undone(pc: PC) -> None:
    """A switch that fails after the sessions have ended starts the display manager again."""
    in_desktop(pc)
    pc.write(INI, SESSIONS)
    # A program that is in nobody's session and came when it had been looked already; that has the card, too, before the
    # display manager is gone.
    pc.write("/etc/systemd/system/greetd.service.d/late.conf", "[Service]\nExecStopPost=systemd-run --quiet --unit=late "
             "--service-type=notify --property=NotifyAccess=all "
             "bash -c 'exec 3<>/dev/dri/card0; systemd-notify --ready; exec sleep infinity'\n")
    pc.ok("systemctl daemon-reload")
    # Who has the card first is its master: gone before the next compositor.
    said = pc.run("vfio-modectl switch passthrough; status=$?; systemctl stop late; exit $status", timeout=120)
    assert (said.rc, "of late.service" in said.stderr) == (4, True), said.out
    desktop.wait(pc)
    assert drivers(pc, GPU) == ["bochs-drm"]
    assert states(pc, MANAGER, "vfio-mode@host") == ["active", "active"]


@pytest.mark.machine("gpu")
@pytest.mark.drawn("switches")
def test_boot_into_passthrough(pc: PC) -> None:
    """An enabled display manager is kept back at a boot into the mode, also by isolate, until the return."""
    in_desktop(pc)
    pc.write(INI, SESSIONS.replace("default-mode = host", "default-mode = passthrough"))
    pc.ok("systemctl set-default --quiet graphical.target; sync")
    pc.reset()
    pc.wait_agent()
    pc.wait_up()
    assert look(pc) == PASSTHROUGH
    kept_back = ["inactive", "active"]
    assert states(pc, MANAGER, "graphical.target") == kept_back
    pc.ok("systemctl isolate multi-user.target; systemctl isolate graphical.target")
    assert states(pc, MANAGER, "graphical.target") == kept_back
    assert look(pc) == PASSTHROUGH
    assert pc.ok("systemctl list-units --failed --plain --no-legend") == ""
    pc.ok("vfio-modectl switch host")
    desktop.wait(pc)
    assert look(pc) == HOST
    assert states(pc, MANAGER) == ["active"]


_MANAGER = """[Service]
ExecStart=sh -c 'exec sleep $(cat /run/manager-lives)'
[Install]
Alias=display-manager.service
"""


def verdict(pc: PC, number: int) -> str:
    """What was said of the display manager after the last return, that of this number, when it has been looked at."""
    pc.ok("until [ $(journalctl -b -o cat --no-pager -u vfio-mode-verdict.service | grep -c ^Finished) = "
          f"{number} ]; do :; done; journalctl --sync", timeout=120)
    return pc.ok("vfio-modectl status | grep 'display manager' || :")


@pytest.mark.long
@pytest.mark.machine("gpu")
def test_the_display_manager_stays(pc: PC) -> None:
    """Ten seconds after the return, for which no switch waits, one that does not run any more is reported."""
    pc.write("/etc/systemd/system/manager.service", _MANAGER)
    pc.write(INI, SESSIONS)
    pc.ok("echo infinity > /run/manager-lives; systemctl daemon-reload; systemctl enable --quiet manager")
    journal = "journalctl -b -o cat --no-pager -p warning -u vfio-mode-verdict"
    gone = "does not run ten seconds later"
    cases = ("infinity", "", ""), ("3", gone, ""), ("3", gone, "no-such-mode")
    for number, (lives, says, then) in enumerate(cases, 1):
        pc.ok("systemctl start display-manager; vfio-modectl switch passthrough", timeout=120)
        assert states(pc, "manager") == ["inactive"]
        said = pc.ok(f"echo {lives} > /run/manager-lives; vfio-modectl switch host", timeout=120)
        assert "display manager" not in said
        if then:  # another switch's result is not what this is about
            pc.run(f"systemctl start vfio-mode@{then}")
        told = verdict(pc, number)
        assert ("display manager" in told) == (says != "" and then == ""), told
        assert says in told or then
        assert says in pc.ok(journal)
        assert (states(pc, "manager") == ["active"]) == (says == "")
    assert pc.ok(journal).count("display manager") == 2
