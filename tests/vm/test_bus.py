# SPDX-License-Identifier: GPL-2.0-or-later
"""org.vfiomode1 on a real bus, with real units and polkit: who may, and what becomes of calls whose caller
or whose service dies.
"""

import json
import random
from pathlib import Path

import pytest

from modectl import ask, status
from modes import HOST, PASSTHROUGH, look
from nextboot import INI, PLACE, block, config, refused
from pc import PC

pytestmark = pytest.mark.machine("grub")

HERE = Path(__file__).resolve().parent

CALL = "busctl call org.vfiomode1 /org/vfiomode1 org.vfiomode1.Manager"
GET = "busctl get-property org.vfiomode1 /org/vfiomode1 org.vfiomode1.Manager"
HAS_OWNER = "busctl call org.freedesktop.DBus / org.freedesktop.DBus NameHasOwner s org.vfiomode1"
NOBODY = "setpriv --reuid=65534 --regid=65534 --clear-groups "

CHANGES = {  # methods that change something, with arguments that would work
    "SwitchMode": "'sa{sv}' passthrough 0",
    "SetNextBoot": "'sa{sv}' passthrough 0",
    "SetDefault": "'sa{sv}' passthrough 0",
    "CancelNextBoot": "",
    "Confirm": "",
    "Release": "",
    "BeginVM": "sas win 1 0000:00:1f.2",
    "EndVM": "ss win stopped",
}

# Signals into a file until killed; returns when the listener has heard one.
LISTEN = """
busctl monitor --json=short --match "type='signal',path_namespace='/org/vfiomode1'" > /run/signals 2>&1 &
until grep -q Listening /run/signals; do
    busctl emit /org/vfiomode1/test org.vfiomode1.Test Listening; sleep 0.1
done
"""


def signals(pc: PC, member: str) -> list[list]:
    """What signals of this name carried, as far as they have come."""
    lines = pc.read("/run/signals").split("\n")[:-1]  # behind the last end of a line is what is being written
    messages = [json.loads(line) for line in lines if line.startswith("{")]
    return [message["payload"]["data"] for message in messages if message.get("member") == member]


def wait_for(pc: PC, condition: str, seconds: int = 60) -> None:
    """Wait until a shell condition is true."""
    pc.ok(f"for i in $(seq {seconds * 5}); do if {condition}; then exit 0; fi; sleep 0.2; done; exit 1",
          timeout=seconds * 4)


def state(pc: PC) -> tuple[str, str]:
    return pc.ok(f"sha256sum {PLACE}"), pc.ok("vfio-modectl status --mode")


@pytest.mark.drawn("switches")
def test_nobody_reads_everything_and_changes_nothing(pc: PC) -> None:
    pc.write(INI, config())
    before = state(pc)
    assert ask(pc, "status", before=f"{NOBODY} ")["mode"] == "host"
    assert pc.ok(f"{NOBODY} {GET} CurrentMode") == 's "host"'
    pc.ok(f"{NOBODY} {CALL} Describe; {NOBODY} {CALL} PlanSwitch s passthrough; "
          f"{NOBODY} {CALL} CheckMode s passthrough")
    for method, arguments in CHANGES.items():
        result = pc.run(f"{NOBODY} {CALL} {method} {arguments}")
        assert result.rc != 0, f"{method} is open to everybody"
        assert "authentication is required" in result.out, f"{method}: {result.out}"
    refused(pc, f"{NOBODY} vfio-modectl next passthrough </dev/null", "(not-authorised)")
    assert state(pc) == before


def test_the_service_has_few_rights(pc: PC) -> None:
    """No capability, and of the disk and of sysfs nothing to write but what carries a mode to the next boot,
    and what it keeps for itself."""
    pc.ok(f"{GET} CurrentMode")
    assert pc.ok("""
        systemctl service-log-target vfio-moded.service journal
        systemctl service-log-level vfio-moded.service debug
        systemctl service-log-level vfio-moded.service""") == "debug"
    writable = pc.ok(f"""
        service=$(pidof vfio-moded)
        grep -q '^CapEff:[[:space:]]*0*$' /proc/$service/status || echo capabilities
        for path in /sys/bus/pci/drivers_probe /sys/bus/pci/devices/*/driver_override /proc/sys/kernel/panic \
                /etc /usr /run /run/vfio-mode /boot/grub/grubenv /boot/grub/grub.cfg /var/lib /var/log \
                {PLACE} /var/lib/vfio-mode /run/vfio-moded; do
            nsenter --mount --target $service test ! -w $path || echo $path
        done""")
    assert writable.split() == [PLACE, "/var/lib/vfio-mode", "/run/vfio-moded"], writable


def test_an_administrator_is_asked_by_polkit(pc: PC) -> None:
    """What polkit allows somebody is allowed, that action and no other."""
    pc.write("/etc/polkit-1/rules.d/10-test.rules", """
        polkit.addRule(function(action, subject) {
            if (action.id == "org.vfiomode1.set-next-boot" && subject.user == "nobody")
                return polkit.Result.YES;
        });""")
    pc.ok("systemctl try-restart polkit")
    pc.write(INI, config())
    pc.ok(f"{NOBODY} {CALL} SetNextBoot 'sa{{sv}}' passthrough 0")
    assert block(pc)["vfio_mode"] == "passthrough"
    assert pc.run(f"{NOBODY} {CALL} SwitchMode 'sa{{sv}}' passthrough 0").rc != 0
    assert look(pc) == HOST


def test_switch_by_the_bus_is_told(pc: PC) -> None:
    pc.ok(LISTEN)
    pc.ok(f"{CALL} SwitchMode 'sa{{sv}}' passthrough 0")
    wait_for(pc, "grep -q JobFinished /run/signals")
    assert look(pc) == PASSTHROUGH
    assert [data[1] for data in signals(pc, "JobFinished")] == ["done"], signals(pc, "JobFinished")
    wait_for(pc, "grep -q ModeChanged /run/signals")
    assert signals(pc, "ModeChanged")[0][:2] == ["host", "passthrough"]


def test_switch_by_the_unit_is_told(pc: PC) -> None:
    """Also where the service was not running before: vfio-moded.path starts it."""
    pc.ok("systemctl stop vfio-moded.service 2>&1")
    pc.ok(LISTEN)
    pc.ok("systemctl start vfio-mode@passthrough")
    wait_for(pc, "grep -q ModeChanged /run/signals")
    pc.ok("systemctl start vfio-mode@host")
    wait_for(pc, "[ $(grep -c ModeChanged /run/signals) = 2 ]")
    assert [data[:2] for data in signals(pc, "ModeChanged")] == [
        ["host", "passthrough"], ["passthrough", "host"]]
    modes = [data[1]["CurrentMode"]["data"] for data in signals(pc, "PropertiesChanged")
             if "CurrentMode" in data[1]]
    assert modes[-1] == "host", modes


def test_caller_of_a_switch_killed(pc: PC) -> None:
    """The switch still ends, and its result is told to who listens."""
    pc.ok(LISTEN)
    pc.ok("""
        vfio-modectl switch passthrough >/dev/null 2>&1 &
        until [ -n "$(systemctl list-jobs --no-legend 'vfio-mode@*')" ]; do :; done; kill -KILL $!""")
    wait_for(pc, "grep -q JobFinished /run/signals")
    assert [data[1] for data in signals(pc, "JobFinished")] == ["done"]
    assert look(pc) == PASSTHROUGH


def test_service_killed_during_a_switch(pc: PC) -> None:
    """The unit goes on without it, and the service that comes next tells the result."""
    pc.ok(LISTEN)
    pc.ok(f"{CALL} SwitchMode 'sa{{sv}}' passthrough 0; pkill -KILL -x vfio-moded")
    wait_for(pc, "systemctl is-active --quiet vfio-mode@passthrough")
    assert look(pc) == PASSTHROUGH
    pc.ok(f"{CALL} Describe")
    wait_for(pc, "grep -q JobFinished /run/signals")


# What the service and its children keep: nothing of it in pieces, nothing beside it.
KEPT = """
    grep -vEH '^[a-z-]+=' /run/vfio-moded/job /run/vfio-moded/trial* /var/lib/vfio-mode/boot* 2>/dev/null
    for file in /run/vfio-moded/job /run/vfio-moded/trial* /var/lib/vfio-mode/boot*; do
        [ ! -e $file ] || [ -z "$(tail -c 1 $file)" ] || echo "$file is cut"
    done
    find /run/vfio-moded /run/vfio-mode /var/lib/vfio-mode -name '*.tmp'
"""


def wait_until_idle(pc: PC) -> None:
    wait_for(pc, f"""[ "$({GET} State)" = 's "idle"' ]""")


@pytest.mark.drawn("switches")
def test_service_killed_during_any_method(pc: PC, rng: random.Random) -> None:
    """Nothing is half-written, nothing is left over, and the next call works."""
    pc.write(INI, config())
    methods = {"Describe": "", "PlanSwitch": "s passthrough", "CheckMode": "s passthrough", **CHANGES}
    del methods["SwitchMode"]  # last, since a boot is not confirmed from another mode
    methods["SwitchMode"] = "'sa{sv}' passthrough 1 confirm-within t 3600000000"
    for method, arguments in methods.items():
        delay = rng.uniform(0, 0.6)
        where = f"{method} killed after {delay:.3f} s"
        # It runs already, so that the delay is one into the method.
        pc.ok(f"""
            {GET} CurrentMode
            {CALL} {method} {arguments} >/dev/null 2>&1 &
            sleep {delay:.3f}; pkill -KILL -x vfio-moded; wait; true""")
        there = block(pc)
        assert there["vfio_seq"] == there["vfio_end"], f"{where}: {there}"
        assert there["vfio_mode"] in ("", "passthrough"), f"{where}: {there}"
        wait_until_idle(pc)
        assert look(pc) in ((HOST, PASSTHROUGH) if method == "SwitchMode" else (HOST,)), where
        assert pc.run(KEPT).stdout == "", where
        assert status(pc)["last_boot"]["mode"] == "host", where
        pc.ok(f"{CALL} {method} {arguments}")
    wait_until_idle(pc)
    assert look(pc) == PASSTHROUGH
    assert pc.ok("grep -c ^mode=passthrough /run/vfio-moded/trial") == "1"
    pc.ok(f"{CALL} Confirm")
    assert pc.run(KEPT + "ls /run/vfio-moded/trial").stdout == ""
    assert block(pc)["vfio_mode"] == ""


MEANWHILE = {  # what may be refused while others switch and arm
    "SwitchMode": {"AlreadySwitching"}, "Release": {"AlreadySwitching"}, "PlanSwitch": {"AlreadySwitching"}, "SetNextBoot": {"OtherDefault"}}


def test_twenty_callers(pc: PC, rng: random.Random) -> None:
    """At once, with all methods, and across idle exits: everybody gets an answer, each switch its end."""
    pc.write(INI, config())
    for script in (HERE / "scripts/callers.py", HERE.parent / "bus/wire.py"):
        pc.write(f"/run/{script.name}", script.read_text(encoding="utf-8"))
    pc.ok("""
        program=$(systemctl show --property=ExecStart vfio-moded.service | sed 's/.*path=\\([^ ;]*\\).*/\\1/')
        mkdir -p /run/systemd/system/vfio-moded.service.d
        printf '[Service]\\nExecStart=\\nExecStart=%s --idle-timeout=50\\n' $program \\
            > /run/systemd/system/vfio-moded.service.d/idle.conf
        systemctl daemon-reload; systemctl stop vfio-moded.service 2>&1""")
    said, told, services = json.loads(pc.ok(f"python3 /run/callers.py {rng.randrange(1 << 32)}", timeout=600))
    assert len(said) == 60
    for method, error in said:
        refusals = {f"org.vfiomode1.Error.{name}" for name in MEANWHILE.get(method, ())}
        assert error in {"", *refusals}, f"{method}: {error}"
    # By chance one may have met others each time that it was called: not when all are through.
    unlucky = {*CHANGES, "Describe", "PlanSwitch", "CheckMode"} - {method for method, error in said if not error}
    assert unlucky <= set(MEANWHILE), said
    assert [result for _, result, _ in told] == ["done"] * said.count(["SwitchMode", ""]), told
    assert look(pc) in (HOST, PASSTHROUGH)
    assert len(services) >= 3, f"it did not go away between the rounds: {services}"
    wait_for(pc, f'[ "$({HAS_OWNER})" = "b false" ]')
    log = pc.ok("journalctl -b --no-pager -o cat -u vfio-moded.service")
    assert "Failed with" not in log, log
    for method in unlucky:
        pc.ok(f"{CALL} {method} {({**CHANGES, 'PlanSwitch': 's passthrough'})[method]}")


def test_fallback_unit_is_told(pc: PC) -> None:
    """FellBack beside ModeChanged, and what is remembered of it."""
    pc.ok("vfio-modectl switch passthrough")
    pc.ok(LISTEN)
    pc.ok("systemctl start vfio-mode-fallback.service")
    wait_for(pc, "grep -q FellBack /run/signals")
    assert look(pc) == HOST
    (told,) = signals(pc, "FellBack")
    assert told == signals(pc, "ModeChanged")[0] and told[:2] == ["passthrough", "host"], told
    there = status(pc)
    assert (there["source"], there["reason"]) == ("fallback", told[2]), there


# ---- A switch that has to be confirmed ----


def wait_for_return(pc: PC) -> None:
    """Wait until the machine is in the host mode again, and see that nothing more will go back."""
    wait_for(pc, "systemctl is-active --quiet vfio-mode@host", 120)
    assert look(pc) == HOST  # when no job is under way any more
    wait_for(pc, "! systemctl is-active --quiet 'vfio-mode-revert*'")
    assert status(pc)["timed_switch"] is None


def test_confirm_within_reverts_alone(pc: PC) -> None:
    """With the service killed and the caller and its session gone, the machine goes back by itself, and the
    next service says so.
    """
    pc.ok(LISTEN)
    pc.ok("systemd-run --quiet --unit=session --wait vfio-modectl switch passthrough --confirm=20s")
    assert look(pc) == PASSTHROUGH
    pc.run("systemctl stop vfio-moded.service; pkill -KILL -x vfio-moded")
    wait_for_return(pc)
    said = pc.ok("vfio-modectl status; journalctl -b --no-pager -o cat -u vfio-mode-revert.service")
    assert "confirm" in said, said
    wait_for(pc, "grep -q FellBack /run/signals")
    (told,) = signals(pc, "FellBack")
    assert told[:2] == ["passthrough", "host"] and "confirm" in told[2], told


def test_confirm_within_and_isolate(pc: PC) -> None:
    """No target that is isolated ends the clock."""
    pc.ok("vfio-modectl switch passthrough --confirm=6s && systemctl isolate multi-user.target")
    wait_for_return(pc)


@pytest.mark.long
def test_confirm_within_twice(pc: PC) -> None:
    """Out of a mode that was not confirmed: back to where its own way led, when the second time is over."""
    pc.write(INI, config() + "\n[mode second]\nvfio-devices = gpu\n")
    pc.ok("vfio-modectl switch passthrough --confirm=1h && vfio-modectl switch second --confirm=4s")
    wait_for_return(pc)


@pytest.mark.long
def test_confirm_within_less_than_the_switch_takes(pc: PC) -> None:
    """The clock that runs out on the way does not leave the machine where it should not stay."""
    pc.ok("""
        systemd-run --quiet --unit=slow --service-type=oneshot --remain-after-exit \
            --property=BindsTo=vfio-mode@host.service --property=After=vfio-mode@host.service \
            --property='ExecStop=sleep 8' true""")
    pc.ok("vfio-modectl switch passthrough --confirm=2s")
    wait_for_return(pc)
    log = pc.ok("journalctl --sync; journalctl -b --no-pager -o cat -u 'vfio-mode@passthrough' -u 'vfio-mode-revert*'")
    assert "not confirmed in time" in log, log


def test_confirm_within_confirmed(pc: PC) -> None:
    pc.ok("vfio-modectl switch passthrough --confirm=1min && vfio-modectl confirm")
    assert status(pc)["timed_switch"] is None
    wait_for(pc, "! systemctl is-active --quiet vfio-mode-revert.timer")  # nobody waits for its stop
    left = pc.run("systemctl is-active vfio-mode-revert.{timer,service}; ls /run/vfio-moded/trial")
    assert left.stdout == "inactive\ninactive\n", left.out
    assert look(pc) == PASSTHROUGH


# ---- What is refused ----


def test_refused(pc: PC) -> None:
    """A call that cannot be is an error, and nothing else."""
    before = state(pc)
    for arguments in (
        "SetNextBoot 'sa{sv}' nosuch 0",
        "SetNextBoot 'sa{sv}' passthrough 1 tries u 4",
        "SetNextBoot 'sa{sv}' passthrough 1 nosuch b true",
        "SwitchMode 'sa{sv}' passthrough 1 holders s nobody",
        "SwitchMode 'sa{sv}' ../../etc 0",
    ):
        result = pc.run(f"{CALL} {arguments}")
        assert result.rc != 0 and "Call failed" in result.out, f"{arguments}: {result.out}"
        assert pc.run("systemctl is-active vfio-moded.service").stdout == "active\n", arguments
    assert state(pc) == before


def test_what_is_not_armed(pc: PC) -> None:
    """Where GRUB could not carry it, or has another mode to carry, or was not seen to read it."""
    pc.write(INI, config() + "\n[mode other]\nvfio-devices = gpu\n")
    pc.ok("vfio-modectl set-default other")
    refused(pc, "vfio-modectl next passthrough", "(other-default)", "set-default passthrough")
    pc.ok("vfio-modectl next --cancel")
    pc.ok("""
        printf '%s x.long=%01500d\n' "$(cat /proc/cmdline)" 0 > /run/cmdline
        mount --bind /run/cmdline /proc/cmdline; systemctl stop vfio-moded.service 2>&1""")
    refused(pc, "vfio-modectl next passthrough", "(cmdline-too-long)")
    pc.ok(f"umount /proc/cmdline; systemctl stop vfio-moded.service 2>&1; rm {PLACE}")
    refused(pc, "vfio-modectl next passthrough", "(unprotected)", "reboot once")


def test_switch_that_takes_too_long(pc: PC) -> None:
    pc.ok("""
        mkdir -p /run/systemd/system/vfio-mode@passthrough.service.d
        printf '[Unit]\nJobRunningTimeoutSec=1s\n[Service]\nExecStartPre=sleep 20\n' \
            > /run/systemd/system/vfio-mode@passthrough.service.d/slow.conf
        systemctl daemon-reload""")
    refused(pc, "vfio-modectl switch passthrough", "(timed-out)")
