# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes that use what is to leave the host: each found, named, and handled as configured; and the units
in stop-units, which come back whatever becomes of the switch."""

import pytest

from machines import ini
from modectl import ask
from modes import AUDIO, GPU, HOST, INI, PASSTHROUGH, check_refused, check_words, leave_alone, look, snapshot
from pc import PC
from test_refusals import bring_module_back, take_module_away

pytestmark = pytest.mark.machine("gpu")

CARD, SOUND = "/dev/dri/card0", "/dev/snd/pcmC0D0p"
HOLD = "/bin/bash -c 'exec 3<>{node}; systemd-notify --ready; exec sleep infinity'"


def write_unit(pc: PC, name: str, node: str, more: str = "") -> None:
    """A service that has started when it has the node open."""
    unit, _, service = more.partition("[Service]\n")
    pc.write(f"/etc/systemd/system/{name}.service", f"[Unit]\n{unit}\n[Service]\n{service}\n"
             f"Type=notify\nNotifyAccess=all\nExecStart={HOLD.format(node=node)}\n")
    pc.ok(f"systemctl daemon-reload; systemctl start {name}.service")


def states(pc: PC, *units: str) -> list[str]:
    """systemd's words for the units, when nothing is queued any more."""
    return pc.run("until [ -z \"$(systemctl list-jobs --no-legend)\" ]; do :; done; "
                  f"systemctl is-active {' '.join(units)}").stdout.split()


def main_pid(pc: PC, unit: str) -> str:
    return pc.ok(f"systemctl show --value -p MainPID {unit}")


def plan(pc: PC) -> list[tuple[str, str]]:
    answer = ask(pc, "switch passthrough --dry-run")
    return [(step["step"], step["object"]) for step in answer["steps"]]


def test_refuse(pc: PC) -> None:
    """The holders of both functions are named with their units, to root only, and nothing changes."""
    write_unit(pc, "screen", CARD)
    write_unit(pc, "player", SOUND)
    screen, player = main_pid(pc, "screen"), main_pid(pc, "player")
    check_refused(pc, "passthrough", "busy", 4,
                  f"{GPU} is in use by process {screen} (sleep) of screen.service",
                  f"{AUDIO} is in use by process {player} (sleep) of player.service", "--holders=stop")
    assert ["sleep" in pc.ok(f"{who} vfio-modectl status") for who in ("", "runuser -u nobody --")] == [1, 0]
    said = pc.run("runuser -u nobody -- vfio-modectl switch passthrough --dry-run")
    assert (said.rc, "in use by 2 processes" in said.stderr) == (4, True), said.out
    assert "sleep" not in said.out and screen not in said.out, said.out
    assert states(pc, "screen", "player") == ["active", "active"]


@pytest.mark.drawn("switches")
def test_stop(pc: PC) -> None:
    """A player on the HDMI audio function is stopped with its unit, as the plan says, and comes back."""
    pc.write(INI, ini() + "holders = stop\n")
    write_unit(pc, "player", SOUND)
    assert plan(pc)[0] == ("stop-holder", "player.service")
    assert states(pc, "player") == ["active"]
    pc.ok("systemctl start vfio-mode@passthrough")
    assert look(pc) == PASSTHROUGH
    assert states(pc, "player") == ["inactive"]
    pc.ok("systemctl start vfio-mode@host")
    assert look(pc) == HOST
    assert states(pc, "player") == ["active"]
    # What is bound to the unit of the mode before ends with that, and is no reason to refuse.
    pc.write(INI, ini())
    pc.ok("systemctl stop player")
    write_unit(pc, "player", SOUND, "BindsTo=vfio-mode@host.service\nAfter=vfio-mode@host.service\n")
    pc.ok("systemctl start vfio-mode@passthrough")
    assert look(pc) == PASSTHROUGH


SESSION = f"""#!/bin/bash
(exec 3<>{CARD}; echo plain $BASHPID >/root/held; exec sleep infinity) &
(trap '' TERM; exec 3<>{CARD}; echo stubborn $BASHPID >/root/held; exec sleep infinity) &
unshare --mount --propagation private bash -c '
    mount -t tmpfs tmpfs /mnt && mknod /mnt/card c $(stat -c "%Hr %Lr" {CARD}) &&
    exec 3<>/mnt/card && echo hidden $$ >/root/held; exec sleep infinity' &
wait
"""


def test_kill(pc: PC) -> None:
    """In a user's session: one that ends when asked, one that ignores SIGTERM, and one in a mount namespace
    of its own. Stopping is not enough for them; killing is."""
    pc.write("/root/session", SESSION, 0o755)
    held = dict(line.split() for line in pc.ok("""
        mkfifo /root/held; exec 4<>/root/held
        systemd-run --quiet --scope --slice=user-65534.slice --unit=session-77 /root/session \
            </dev/null >/dev/null 2>&1 &
        for n in 1 2 3; do read -r line <&4; echo "$line"; done
    """).splitlines())
    assert set(held) == {"plain", "stubborn", "hidden"}
    before = snapshot(pc)
    said = pc.run("vfio-modectl switch passthrough --holders=stop")
    assert said.rc == 4, said.out
    check_words(said.stderr, ("in session 77 of user nobody", "holders = kill",
                              *(f"process {pid} (sleep)" for pid in held.values())))
    assert snapshot(pc) == before
    pc.write(INI, ini() + "holders = kill\n")
    assert {step for step in plan(pc) if step[0] == "kill-holder"} == {
        ("kill-holder", pid) for pid in held.values()}
    hidden = pc.ok("runuser -u nobody -- vfio-modectl switch passthrough --dry-run")
    assert "end a process" in hidden and "sleep" not in hidden, hidden
    pc.ok("vfio-modectl switch passthrough")
    assert look(pc) == PASSTHROUGH
    assert pc.run(f"ls -d {' '.join(f'/proc/{pid}' for pid in held.values())}").stdout == ""
    log = pc.ok("journalctl --sync; journalctl -b -o cat --no-pager -u vfio-mode@passthrough")
    assert log.count("did not end when asked to") == 1, log


def test_poller(pc: PC) -> None:
    """Who has the card open for half of every second is waited for."""
    pc.write("/root/poll", f"""#!/bin/bash
while :; do
    {{ [[ $ready ]] || systemd-notify --ready; ready=1; sleep 0.5; }} 3<>{CARD}
    sleep 0.5
done
""", 0o755)
    pc.ok("systemd-run --quiet --unit=poller --service-type=notify --property=NotifyAccess=all /root/poll")
    pc.ok("systemctl start vfio-mode@passthrough")
    assert look(pc) == PASSTHROUGH
    assert states(pc, "poller") == ["active"]


UNITS = ini() + "stop-units = screen.service player.service idle.service\n"


def check_started(pc: PC, first: str, second: str) -> None:
    """The first was started before the second. When a unit stopped is forgotten with it."""
    began = [int(pc.ok(f"systemctl show --value -p InactiveExitTimestampMonotonic {unit}"))
             for unit in (first, second)]
    assert began[0] < began[1], began


@pytest.mark.drawn("switches")
def test_stop_units(pc: PC) -> None:
    """What ran is stopped first and started last, and in the opposite order; what did not run stays as it
    was. So also where the switch fails and is undone."""
    pc.write(INI, UNITS)
    write_unit(pc, "screen", CARD)
    write_unit(pc, "player", SOUND)
    assert plan(pc)[:2] == [("stop-unit", "screen.service"), ("stop-unit", "player.service")]
    take_module_away(pc, "vfio-pci")
    before = snapshot(pc)
    said = pc.run("vfio-modectl switch passthrough")
    assert (said.rc, "(module-unavailable)" in said.stderr) == (5, True), said.out
    assert snapshot(pc) == before
    assert states(pc, "screen", "player", "idle") == ["active", "active", "inactive"]
    check_started(pc, "player", "screen")
    bring_module_back(pc, "vfio-pci")
    pc.ok("vfio-modectl switch passthrough")
    assert look(pc) == PASSTHROUGH
    assert states(pc, "screen", "player", "idle") == ["inactive"] * 3
    pc.ok("systemctl start vfio-mode@passthrough; systemctl reload vfio-mode@passthrough")
    pc.ok("vfio-modectl switch host")
    assert look(pc) == HOST
    assert states(pc, "screen", "player", "idle") == ["active", "active", "inactive"]
    check_started(pc, "player", "screen")


@pytest.mark.parametrize("there", [pytest.param("host", marks=pytest.mark.long), "passthrough"])
def test_stop_units_and_killed(pc: PC, there: str) -> None:
    """apply is killed while it stops a unit: the next way back starts that again."""
    pc.write(INI, UNITS)
    leave_alone(pc)
    write_unit(pc, "screen", CARD, "[Service]\nExecStopPost=pkill -KILL -x vfio-mode-apply\n")
    assert pc.run("systemctl start vfio-mode@passthrough").rc != 0
    assert states(pc, "screen") == ["inactive"]
    assert look(pc).gpu == "bochs-drm"
    pc.ok(f"systemctl start vfio-mode@{there}")
    if there == "passthrough":
        assert states(pc, "screen") == ["inactive"]
        pc.ok("systemctl start vfio-mode@host")
    assert look(pc) == HOST
    assert states(pc, "screen") == ["active"]
