# SPDX-License-Identifier: GPL-2.0-or-later
"""The guard of a mode: a VM that does not come, one that fails, one that ends. QEMU in the emulated PC is the
VM, with the GPU's real VFIO node open."""

import json

import pytest

from machines import ini
from modectl import COMMAND, parse, status
from modes import GPU, HOST, INI, NIC, PASSTHROUGH, active, look, properties
from nextboot import PLACE, block, check_is_default, config, cut
from pc import PC
from test_guest import GPU_GUEST, NIC_GUEST, end_guest, start_guest

SWITCH = "systemctl start vfio-mode@passthrough"
UNIT = "vfio-mode-guard@passthrough.service"
UNTIL_HOST = "until systemctl is-active --quiet vfio-mode@host; do :; done"
KNOWS = "/run/vfio-mode-guard/watch"
NOBODY = "no VM has opened gpu within {} s"
FAILED = "the VM that had opened gpu has ended within 10 s"
CURRENT_MODE = "busctl get-property org.vfiomode1 /org/vfiomode1 org.vfiomode1.Manager CurrentMode"
LOCKS = "busctl call org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager ListInhibitors"
MODE_CHANGED = "3b67d5dc249c45d48fceaf5243da37d4"
FELL_BACK = "42dd17b21330430a902de2ed8220153d"
IS_AWAKE = "grep -q -s WHO=vfio-mode /run/systemd/inhibit/*[0-9]"  # the others, .ref, are FIFOs
ENDED = "the last VM that had opened gpu has ended, and none has come for {} s"


def knows(pc: PC) -> dict[str, str]:
    return dict(line.split("=", 1) for line in pc.read(KNOWS).splitlines())


def until_phase(pc: PC, phase: str) -> None:
    pc.ok(f"until grep -q '^phase={phase}$' {KNOWS}; do :; done")


def until_settled(pc: PC) -> None:
    """The time that a VM has to have stayed has passed."""
    until_phase(pc, "there")
    since = int(knows(pc)["since"]) / 1e6
    pc.ok(f"python3 -c 'import time; time.sleep(max(0, {since} + 10.1 - time.monotonic()))'")


def check_sleeps(pc: PC) -> str:
    """Nothing wakes the guard; its PID."""
    guard = properties(pc, UNIT, "MainPID")["MainPID"]
    # It tells and writes down what it has found before it sleeps: in epoll_wait(2), epoll_pwait(2) or epoll_pwait2(2).
    pc.ok(f"until grep -Eq '^(232|281|441) ' /proc/{guard}/syscall; do :; done")
    switches = f"grep ctxt_switches /proc/{guard}/status"
    before = pc.ok(switches)
    pc.ok("sleep 3")
    assert pc.ok(switches) == before
    return guard


def hold(pc: PC, function: str = GPU) -> str:
    """What the guard takes for a VM, and what starts in no time: a process with the node open; its PID."""
    return pc.ok(f"(exec 3<> /dev/vfio/{pc.group(function)}; exec sleep infinity) > /dev/null 2>&1 & echo $!")


def watch(pc: PC) -> None:
    """From now on what the service tells is written down."""
    pc.ok(f"""
        {COMMAND} watch > /run/told 2>&1 &
        until grep -qs '"event":"mode"' /run/told; do kill -0 $! || {{ cat /run/told; exit 1; }}; done
    """)


def go(pc: PC, keys: str) -> None:
    """To the mode, which has these keys; what is told from then on is written down."""
    watch(pc)
    pc.write(INI, ini() + keys)
    pc.ok(SWITCH)


def events(pc: PC, until: str) -> list[dict[str, str]]:
    """What was told, when it has come to that."""
    lines = pc.ok(f"until grep -q '{until}' /run/told; do :; done; cat /run/told").splitlines()
    return [parse("watch", line) for line in lines]


def check_is_back(pc: PC, reason: str, *, failed: bool) -> None:
    """The card is back, and everybody who is asked says why. Where a failure led there it is held."""
    pc.ok(UNTIL_HOST)
    assert look(pc) == HOST
    there = status(pc)
    assert (there["reason"], there["source"]) == (reason, "fallback" if failed else "vm-exit")
    assert (there["held"]["reason"] if failed else there["held"]) == (reason if failed else None)
    assert reason in pc.ok("vfio-modectl status")
    check_told_alike(pc, there)


def check_told_alike(pc: PC, status: dict) -> None:
    """The mode, its reason and the hold are the same in `status`, on D-Bus and in the journal."""
    bus = {name: json.loads(pc.ok("busctl --json=short get-property org.vfiomode1 /org/vfiomode1 "
                                  f"org.vfiomode1.Manager {name}"))["data"]
           for name in ("CurrentMode", "ModeReason", "HeldBy")}
    assert bus == {"CurrentMode": status["mode"], "ModeReason": status["reason"],
                   "HeldBy": status["held"]["reason"] if status["held"] else ""}
    entry = entries(pc, MODE_CHANGED)[-1]
    assert {name: entry[f"VFIO_MODE{name}"] for name in ("", "_SOURCE", "_REASON")} == {
        "": status["mode"], "_SOURCE": status["source"], "_REASON": status["reason"]}


def entries(pc: PC, message_id: str) -> list[dict[str, str]]:
    """What the journal has of this boot under an id."""
    lines = pc.ok(f"journalctl --sync; journalctl -b --no-pager -o json MESSAGE_ID={message_id}").splitlines()
    return [json.loads(line) for line in lines]


def check_went_back(pc: PC, reason: str) -> None:
    """Without a failure: nobody is told of one."""
    check_is_back(pc, reason, failed=False)
    told = events(pc, '"new_mode":"host"')
    assert [event["reason"] for event in told if event["event"] == "mode-changed"][-1] == reason, told
    assert not [event for event in told if event["event"] == "fell-back"], told
    assert not entries(pc, FELL_BACK) and pc.run("test -e /run/issue.d/vfio-mode.issue").rc == 1


def check_fell_back(pc: PC, reason: str) -> None:
    """And it was told once."""
    check_is_back(pc, reason, failed=True)
    told = events(pc, '"fell-back"')
    fell = [event for event in told if event["event"] == "fell-back"]
    assert [(event["from"], event["to"], event["reason"]) for event in fell] == [
        ("passthrough", "host", reason)], told
    assert pc.ok(f"journalctl --sync; journalctl -b -o cat -u {UNIT} | grep -c '^Going to the fallback mode'") == "1"
    (entry,) = entries(pc, FELL_BACK)
    assert (entry["VFIO_MODE_FROM"], entry["VFIO_MODE"], entry["VFIO_MODE_REASON"]) == ("passthrough", "host", reason)
    assert f": {reason}.\nIt is held; see: vfio-modectl status\n" in pc.read("/run/issue.d/vfio-mode.issue")
    # systemd forgets it when it has ended well.
    pc.ok("until journalctl -b -o cat -u vfio-mode-tell.service | grep -q ^Finished; do :; done")
    assert properties(pc, UNIT, "ActiveState", "Result") == {"ActiveState": "inactive", "Result": "success"}
    assert pc.ok("systemctl is-system-running") == "running"


@pytest.mark.machine("gpu")
def test_no_vm_comes(pc: PC) -> None:
    """A VM on a device that the fallback mode has, too, is none. Nor is the service, which looks."""
    watch(pc)
    text = ini(nic=NIC).replace("[mode host]", "[mode host]\nvfio-devices = nic")
    # Long enough to plan the way back meanwhile, on a slow machine as well.
    pc.write(INI, text.replace("vfio-devices = gpu", "vfio-devices = gpu nic") + "expect-vm = 20s\n")
    pc.ok("systemctl reload-or-restart vfio-mode@host")
    pid = start_guest(pc, NIC_GUEST, NIC)
    pc.ok(f"{SWITCH} && vfio-modectl switch host --dry-run")
    check_fell_back(pc, NOBODY.format(20))
    assert "Waiting 20 s for a VM to open gpu." in pc.ok(f"journalctl -b -o cat --no-pager -u {UNIT}")
    assert pc.driver(NIC) == "vfio-pci"
    end_guest(pc, pid)


@pytest.mark.drawn("switches")
@pytest.mark.machine("gpu")
def test_a_vm_is_killed_at_once(pc: PC) -> None:
    go(pc, "expect-vm = 5min\n")
    command = GPU_GUEST.replace(" -daemonize", "")
    pc.ok(f"{command} > /dev/null 2>&1 & until grep -q '^phase=there$' {KNOWS}; do :; done; kill -KILL $!")
    check_fell_back(pc, FAILED)


@pytest.mark.drawn("switches")
@pytest.mark.machine("gpu")
def test_a_vm_ends_and_the_mode_stays(pc: PC) -> None:
    """The guard awaits nothing more, and keeps the machine awake while the next VM works."""
    pc.write(INI, ini() + "expect-vm = 5min\n")
    pc.ok(SWITCH)
    pid = start_guest(pc, GPU_GUEST, GPU)
    until_settled(pc)
    end_guest(pc, pid)
    until_phase(pc, "over")
    assert look(pc) == PASSTHROUGH
    pid = start_guest(pc, GPU_GUEST, GPU)
    pc.ok(f"until {IS_AWAKE}; do :; done")
    end_guest(pc, pid)
    pc.ok(f"while {IS_AWAKE}; do :; done")
    # To mend the mode is not to begin anew, nor is it to be killed.
    guard = properties(pc, UNIT, "MainPID")["MainPID"]
    pc.ok("systemctl reload vfio-mode@passthrough")
    pc.ok(f"while systemctl list-jobs | grep -q {UNIT}; do :; done")
    assert properties(pc, UNIT, "MainPID")["MainPID"] == guard
    assert knows(pc)["phase"] == "over"
    pc.ok(f"""
        kill -KILL {guard}
        until pid=$(systemctl show --value -p MainPID {UNIT}); [ "$pid" != 0 ] && [ "$pid" != {guard} ]; do :; done
    """)
    pid = hold(pc)
    pc.ok(f"until {IS_AWAKE}; do :; done; kill {pid}; while {IS_AWAKE}; do :; done")
    assert knows(pc)["phase"] == "over"
    assert look(pc) == PASSTHROUGH


@pytest.mark.drawn("switches")
@pytest.mark.machine("gpu")
def test_the_last_vm_takes_the_mode_along(pc: PC) -> None:
    """One that comes again within the grace does not."""
    go(pc, "on-vm-exit = fallback\nvm-exit-grace = 10s\n")
    pid = start_guest(pc, GPU_GUEST, GPU)
    until_phase(pc, "there")
    end_guest(pc, pid)
    # However long the next one takes to come, it is what the guard sees next.
    pc.ok(f"until grep -q '^phase=gone$' {KNOWS}; do :; done; systemctl kill --signal=STOP {UNIT}")
    pid = hold(pc)
    pc.ok(f"until [ -e /proc/{pid}/fd/3 ]; do sleep 0.1; done; systemctl kill --signal=CONT {UNIT}")
    until_phase(pc, "there")
    assert look(pc) == PASSTHROUGH
    pc.ok(f"kill {pid}")
    check_went_back(pc, ENDED.format(10))


@pytest.mark.drawn("switches")
@pytest.mark.machine("gpu")
def test_a_vm_lets_go_and_lives_on(pc: PC) -> None:
    """As a guest that its card is taken from while it runs. It is the next one's end that counts."""
    go(pc, "on-vm-exit = fallback\nvm-exit-grace = 1s\n")
    node = f"/dev/vfio/{pc.group(GPU)}"
    first = pc.ok("mkfifo /run/let-go; "
                  f"(exec 3<> {node}; read -r _ < /run/let-go; exec 3>&-; : > /run/has-let-go; exec sleep infinity) "
                  "> /dev/null 2>&1 & echo $!")
    until_settled(pc)
    pc.ok("echo > /run/let-go; until [ -e /run/has-let-go ]; do :; done")
    second = hold(pc)
    awaited = "cat /proc/$(systemctl show --value -p MainPID " + UNIT + ")/fdinfo/* | grep -q '^Pid:[[:space:]]*{}$'"
    pc.ok(f"until {awaited.format(second)}; do :; done")
    pc.ok(f"! {awaited.format(first)} && kill {second}")
    check_went_back(pc, ENDED.format(1))
    pc.ok(f"kill {first}")


@pytest.mark.drawn("switches")
@pytest.mark.machine("gpu")
def test_the_guard_is_killed(pc: PC) -> None:
    """The next one knows what it knew: while a VM is there, and while none is."""
    go(pc, "expect-vm = 5min\non-vm-exit = fallback\nvm-exit-grace = 20s\n")
    pid = hold(pc)
    until_settled(pc)
    before = knows(pc)
    # The next one has looked when it has written that down.
    again = f"""
        old=$(systemctl show --value -p MainPID {UNIT})
        touch /run/killed
        kill -KILL "$old"
        until [ {KNOWS} -nt /run/killed ]; do sleep 0.1; done
    """
    pc.ok(again)
    assert knows(pc) == before | {"settled": "yes"}
    pc.ok(f"kill {pid}")
    until_phase(pc, "gone")
    before = knows(pc)
    pc.ok(again)
    assert knows(pc) == before
    check_went_back(pc, ENDED.format(20))


@pytest.mark.drawn("switches")
@pytest.mark.machine("gpu")
def test_a_key_that_is_set_meanwhile(pc: PC) -> None:
    """It counts from when the mode is applied again, for a VM that is there, too."""
    pc.ok(SWITCH)
    until_phase(pc, "over")
    pid = hold(pc)
    reload = "systemctl reload vfio-mode@passthrough"
    before = properties(pc, UNIT, "MainPID")
    pc.ok(reload)
    assert properties(pc, UNIT, "MainPID") == before
    watch(pc)
    pc.write(INI, ini() + "on-vm-exit = fallback\nvm-exit-grace = 1s\n")
    pc.ok(reload)
    until_settled(pc)
    pc.ok(f"kill {pid}")
    check_went_back(pc, ENDED.format(1))


@pytest.mark.drawn("switches")
@pytest.mark.machine("gpu")
def test_nothing_wakes_it_while_a_vm_runs(pc: PC) -> None:
    """Nor where none is awaited and none is there."""
    pc.ok(SWITCH)
    until_phase(pc, "over")
    check_sleeps(pc)
    pc.write(INI, ini() + "on-vm-exit = fallback\n")
    pc.ok("systemctl start vfio-mode@host && " + SWITCH)
    pid = hold(pc)
    until_phase(pc, "there")
    guard = check_sleeps(pc)
    # Nor does the machine go to sleep under it.
    assert '"sleep" "vfio-mode"' in pc.ok(LOCKS)
    # Nor do the service manager and the bus take it along. (logind does not come back to the bus by itself, but
    # has its locks; with the guard's end it is gone.)
    pc.ok("systemctl daemon-reexec; systemctl restart dbus.service")
    assert properties(pc, UNIT, "MainPID")["MainPID"] == guard
    pc.ok(f"{IS_AWAKE} && kill {pid}; while {IS_AWAKE}; do :; done; {UNTIL_HOST}")


@pytest.mark.drawn("boots")
@pytest.mark.cold("gpu", extra="vfio_mode=passthrough", files={INI: ini() + "expect-vm = 30s\n"})
def test_no_vm_comes_after_a_boot(pc: PC) -> None:
    """The screen is back without another boot; its time counts from the end of this one."""
    watch(pc)
    # The service would leave, idle, in the very moment of the fall: it is asked again and again.
    pc.ok(f"until {CURRENT_MODE} | grep -q host; do :; done")
    check_fell_back(pc, NOBODY.format(30))
    since = int(knows(pc)["since"])
    reached = properties(pc, "multi-user.target", "ActiveEnterTimestampMonotonic")
    assert since >= int(reached["ActiveEnterTimestampMonotonic"])


@pytest.mark.drawn("switches")
@pytest.mark.machine("gpu")
def test_a_soft_reboot(pc: PC) -> None:
    """The mode stays, and so do its guard and the ways back that it is."""
    go(pc, "on-vm-exit = fallback\nvm-exit-grace = 1s\n")
    until_phase(pc, "expected")
    before = knows(pc)
    pc.soft_reboot()
    assert active(pc) == ["passthrough"] and look(pc) == PASSTHROUGH
    pc.ok(f"until systemctl is-active --quiet {UNIT}; do :; done")
    assert knows(pc) == before
    pid = hold(pc)
    until_settled(pc)
    pc.ok(f"kill {pid}; {UNTIL_HOST}")
    assert look(pc) == HOST


@pytest.mark.drawn("switches")
@pytest.mark.machine("gpu")
def test_terminals_are_told(pc: PC) -> None:
    """Whoever is logged in, and whoever is about to."""
    pc.ok("mkdir /etc/systemd/system/getty@tty1.service.d")
    pc.write("/etc/systemd/system/getty@tty1.service.d/in.conf",
             "[Service]\nExecStart=\nExecStart=-/sbin/agetty --autologin root --noclear %I linux\n")
    pc.ok("systemctl daemon-reload; systemctl restart getty@tty1 getty@tty2; "
          "until loginctl list-sessions --no-legend | grep -q tty1; do :; done")
    pc.write(INI, ini() + "expect-vm = 5s\n")
    pc.ok(SWITCH)
    pc.ok(UNTIL_HOST)
    # Without blanks: lines are broken in the middle of words.
    told = f"fell back to mode 'host' at .*: {NOBODY.format(5)}".replace(" ", "")
    for terminal in ("vcs1", "vcs2"):
        pc.ok(f"until tr -d ' \\0' < /dev/{terminal} | grep -q \"{told}\"; do :; done")
    pc.ok("vfio-modectl switch passthrough")
    assert pc.run("test -e /run/issue.d/vfio-mode.issue").rc == 1


@pytest.mark.drawn("chains")
@pytest.mark.nextboot("grub")
def test_a_vm_confirms_a_boot(pc: PC) -> None:
    """The end of the boot does not; a VM that has stayed does, where the mode does not say else. Then none is awaited
    any more."""
    text = config().replace("[mode host]", f"[device nic]\naddress = {NIC}\n\n[mode host]\nvfio-devices = nic")
    pc.write(INI, text.replace("vfio-devices = gpu", "vfio-devices = nic gpu"))
    pc.ok("vfio-modectl set-default passthrough && sync")
    trial = cut(pc)
    assert trial.went_to("passthrough", "trial"), trial
    # One on a device that the host mode has on vfio-pci as well is none: the guard has looked, and waits.
    assert pc.driver(NIC) == "vfio-pci"
    hold(pc, NIC)
    woken = f"$(awk '/^voluntary/ {{ print $2 }}' /proc/$(systemctl show --value -p MainPID {UNIT})/status)"
    pc.ok(f"before={woken}; until [ {woken} -gt $((before + 2)) ]; do :; done")
    assert knows(pc)["phase"] == "expected"
    said = pc.ok("systemctl start vfio-mode-confirm.service; journalctl --sync; "
                 "journalctl -b -o cat -u vfio-mode-confirm", timeout=300)
    assert "start a VM on its devices" in said, said
    assert block(pc)["vfio_left"] == "0"
    pid = hold(pc)
    until_settled(pc)
    pc.ok(f"until grub-editenv {PLACE} list | grep -q '^vfio_left=3$'; do :; done")
    assert active(pc) == ["passthrough"]  # and the confirming unit, which writes the boot's record after it, has ended
    check_is_default(pc)
    pc.ok(f"kill {pid}")
    until_phase(pc, "over")


@pytest.mark.drawn("switches")
@pytest.mark.machine("gpu")
def test_the_network_is_gone(pc: PC) -> None:
    """Who watches over it does not count as a guest, and the mode that its failure leads to is held."""
    unit = "vfio-mode-ping@passthrough.service"
    pc.ok(f"mkdir /etc/systemd/system/{unit}.d")
    pc.write(f"/etc/systemd/system/{unit}.d/hosts.conf",
             "[Service]\nEnvironment=HOSTS=192.0.2.1 EVERY=1 MISSES=3 START=600\n")
    pc.ok(f"ip address add 192.0.2.1/32 dev lo; systemctl enable --quiet {unit}")
    go(pc, "")
    until_it_runs = f"until systemctl is-active --quiet {unit}; do :; done"
    asked = "until nstat -az IcmpInEchoReps | grep -q 'IcmpInEchoReps *[1-9]'; do :; done"
    pc.ok(f"{until_it_runs}; {asked}")
    pc.ok("vfio-modectl switch host --dry-run")
    pc.ok("ip address del 192.0.2.1/32 dev lo")
    pc.ok(UNTIL_HOST)
    assert look(pc) == HOST
    reason = f"{unit} has failed (exit-code)"
    assert status(pc)["held"]["reason"] == reason
    fell = [event for event in events(pc, '"fell-back"') if event["event"] == "fell-back"]
    assert [event["reason"] for event in fell] == [reason]
    said = pc.ok(f"journalctl -b -o cat --no-pager -u {unit}")
    assert "192.0.2.1 did not answer (3 of 3)." in said and "Nobody answers any more." in said, said
    # It is back: so is the one who watches, and is not in the way of the way back.
    pc.ok(f"ip address add 192.0.2.1/32 dev lo; vfio-modectl switch passthrough; {until_it_runs}")
    pc.ok("systemctl stop vfio-mode@passthrough")
    assert look(pc) == HOST


@pytest.mark.drawn("chains")
@pytest.mark.nextboot("grub")
def test_a_boot_whose_vm_fails(pc: PC) -> None:
    """The screen is back without another boot; the trial is not confirmed, and the next boot is one of the host's."""
    pc.write(INI, config() + "expect-vm = 1min\n")
    pc.write("/etc/systemd/system/guest.service", """[Service]
ExecStart=/usr/bin/qemu-system-x86_64 -no-such-option
[Install]
WantedBy=multi-user.target
""")
    pc.ok("systemctl enable --quiet guest.service; vfio-modectl set-default passthrough && sync")
    trial = cut(pc)
    assert trial.went_to("passthrough", "trial"), trial
    pc.ok(UNTIL_HOST, timeout=400)  # the rest of the boot, and the minute
    assert look(pc) == HOST
    there = status(pc)
    assert (there["reason"], there["last_boot"]["confirmed"]) == (NOBODY.format(60), False)
    assert block(pc)["vfio_left"] == "0"
    back = cut(pc)
    assert back.went_to("host", "expired"), back
    assert status(pc)["last_fall"]["reason"] == NOBODY.format(60)
