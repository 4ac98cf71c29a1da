#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""vfio-modectl run: a command in a mode of the real service, and the return whatever becomes of the
command, the service and the bus.
"""

import os
import pathlib
import re
import signal
import subprocess
import sys

import pexpect
import pytest
from rig import Rig, until
from captured import PROGRAM, sanitizers  # found by rig

HOST, PLAIN, PASSTHROUGH = (f"vfio-mode@{mode}.service" for mode in ("host", "plain", "passthrough"))
THERE, BACK = ("ReloadOrRestartUnit", PLAIN), ("ReloadOrRestartUnit", HOST)
SIGNALS = [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2]

# Says when it is ready, and exits with the number of the signal that comes, and of one that comes twice.
WAITS = [sys.executable, "-c", """if True:
    import signal, sys
    signals = signal.valid_signals() - {signal.SIGTSTP, signal.SIGCONT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    print("ready", flush=True)
    number = signal.sigwait(signals)
    sys.exit(number if not signal.sigpending() else 99)
"""]

SYSTEMCTL = """#!/bin/sh
[ "$1" = is-system-running ] && { echo running; exit 0; }
echo "$*" >>"$0.log"
[ ! -e "$0.fails" ]
"""


def usual_signals():
    """A shell's background job, which a whole test run may be, ignores SIGINT and SIGQUIT."""
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)


class Runner:
    """Starts the program on the bus of the rig; has a systemctl, of which what it is told is known."""

    def __init__(self, rig: Rig, folder: pathlib.Path):
        self.rig, self.systemctl = rig, folder / "bin/systemctl"
        self.systemctl.parent.mkdir()
        self.systemctl.write_text(SYSTEMCTL)
        self.systemctl.chmod(0o755)
        self.environment = {
            "PATH": f"{self.systemctl.parent}:{os.environ['PATH']}", "TERM": "dumb", **sanitizers(),
            "DBUS_SYSTEM_BUS_ADDRESS": rig.bus.address}

    def start(self, *arguments, signals=usual_signals):
        return subprocess.Popen([PROGRAM, "run", *arguments], stdin=subprocess.PIPE, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment,
                                preexec_fn=signals)

    def __call__(self, *arguments, **keywords):
        process = self.start(*arguments, **keywords)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def started(self):
        log = self.systemctl.with_suffix(".log")
        return log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def go(rig, tmp_path):
    return Runner(rig, tmp_path)


def said(process):
    return process.stderr.replace("vfio-modectl: ", "")


def moves(rig):
    return [call for call in rig.systemd.calls if "vfio-mode-inspect" not in call[1]]


# --- there and back ---

@pytest.mark.parametrize("status", [0, 7])
def test_the_status_is_the_commands(rig, go, status):
    where = rig.root / "run/vfio-mode/status"
    answer = go("plain", "--", "sh", "-c", f"grep ^mode= {where}; exit {status}")
    assert (answer.returncode, answer.stdout) == (status, "mode=plain\n")
    assert said(answer) == "Mode plain is on.\nMode host is on.\n"
    assert moves(rig) == [THERE, BACK]
    assert rig.get("CurrentMode") == "host"


def test_what_a_switch_has_to_say(rig, go):
    rig.systemd.runs["vfio-mode@"] = lambda unit: rig.switch(unit, text=f"{unit}: no screen is seen.")
    assert said(go("plain", "--", "true")) == f"{PLAIN}: no screen is seen.\n{HOST}: no screen is seen.\n"


def test_quiet(rig, go):
    answer = go("--quiet", "plain", "--", "echo", "--quiet")
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "--quiet\n", "")
    assert moves(rig) == [THERE, BACK]


@pytest.mark.parametrize("command", [["--", "printf", "%s.", "--", "-j"], ["printf", "%s.", "--", "-j"],
                                     ["--holders=kill", "printf", "%s.", "--", "-j"]])
def test_words_of_the_command_are_its_own(rig, go, command):
    answer = go("plain", *command)
    assert (answer.returncode, answer.stdout) == (0, "--.-j.")


def test_holders_are_those_of_the_way_there(rig, go):
    seen = []

    def switch(unit):
        seen.append(re.findall("^holders=.*", (rig.root / "run/vfio-moded/request").read_text(), re.M))
        return rig.switch(unit)

    rig.systemd.runs["vfio-mode@"] = switch
    assert go("--holders=kill", "plain", "--", "true").returncode == 0
    assert seen == [["holders=kill"], []]


def test_input_is_the_commands(go):
    process = go.start("plain", "--", "cat")
    assert process.communicate("word", timeout=30)[0] == "word"
    assert process.returncode == 0


def test_in_the_mode_already(rig, go):
    answer = go("host", "--", "sh", "-c", "echo here; exit 7")
    assert (answer.returncode, answer.stdout, answer.stderr) == (7, "here\n", "")
    assert moves(rig) == []


@pytest.mark.parametrize("before, after", [("passthrough", "passthrough"), ("", "host")])
def test_the_mode_before(rig, go, before, after):
    """Where there was none, the fallback mode."""
    rig.machine.state(before)
    assert go("plain", "--", "true").returncode == 0
    assert [unit for _, unit in moves(rig)] == [PLAIN, f"vfio-mode@{after}.service"]


@pytest.mark.parametrize("command, status", [("kill -9 $$", 137), ("kill -TERM $$", 143)])
def test_killed_by_a_signal(rig, go, command, status):
    assert go("plain", "--", "sh", "-c", command).returncode == status
    assert moves(rig) == [THERE, BACK]


# --- what cannot be run ---

def test_no_such_command(rig, go, tmp_path):
    """Nothing is switched for a typing mistake."""
    (tmp_path / "plain-file").write_text("#!/bin/sh\n")
    for command, status in (("no-such-command", 127), ("/no/such/command", 127), ("", 127),
                            (str(tmp_path), 126), (str(tmp_path / "plain-file"), 126)):
        answer = go("plain", "--", command)
        assert (answer.returncode, answer.stdout) == (status, "")
        assert said(answer).startswith(f"Cannot run '{command}': ") and said(answer).count("\n") == 1
    assert rig.systemd.calls == []


def test_a_command_that_only_the_kernel_refuses(rig, go, tmp_path):
    (tmp_path / "script").write_text("#!/no/such/interpreter\n")
    (tmp_path / "script").chmod(0o755)
    answer = go("plain", "--", str(tmp_path / "script"))
    assert answer.returncode == 127
    assert "script': No such file or directory" in answer.stderr
    assert moves(rig) == [THERE, BACK]


def test_a_refused_switch(rig, go, tmp_path):
    rig.systemd.runs["vfio-mode@"] = lambda unit: rig.switch(unit, "busy", "Xorg has it.")
    answer = go("plain", "--", "touch", str(tmp_path / "ran"))
    assert (answer.returncode, said(answer)) == (125, "Xorg has it. (busy)\n")
    answer = go("no-such", "--", "touch", str(tmp_path / "ran"))
    assert answer.returncode == 125
    assert said(answer).endswith(" (unknown-mode)\n")
    assert moves(rig) == [THERE]
    assert not (tmp_path / "ran").exists()


def test_what_is_left_half_way_is_brought_back(rig, go, tmp_path):
    def switch(unit):
        if unit != PLAIN:
            return rig.switch(unit)
        rig.machine.state("")
        return rig.switch(unit, "half-way", "One is stuck.")

    rig.systemd.runs["vfio-mode@"] = switch
    answer = go("plain", "--", "touch", str(tmp_path / "ran"))
    assert (answer.returncode, said(answer)) == (125, "One is stuck. (half-way)\nMode host is on.\n")
    assert moves(rig) == [THERE, BACK]
    assert not (tmp_path / "ran").exists()


def test_what_did_not_end_in_time_is_brought_back(rig, go, tmp_path):
    """It may have come to its end since, and nobody else waits for it."""
    def switch(unit):
        said = rig.switch(unit)
        return "timeout" if unit == PLAIN else said

    rig.systemd.runs["vfio-mode@"] = switch
    answer = go("plain", "--", "touch", str(tmp_path / "ran"))
    assert answer.returncode == 125
    assert said(answer).startswith(f"{PLAIN} did not end in time. (timed-out)\n")
    assert moves(rig) == [THERE, BACK]
    assert not (tmp_path / "ran").exists()


# --- a return that is none ---

def refuse_the_return(rig, *refused):
    rig.systemd.runs["vfio-mode@"] = lambda unit: (
        rig.switch(unit, "failed", "It is stuck.") if unit in refused else rig.switch(unit))


@pytest.mark.parametrize("command, status", [("true", 125), ("false", 1)])
def test_a_return_that_fails(rig, go, command, status):
    refuse_the_return(rig, HOST)
    answer = go("plain", "--", command)
    assert answer.returncode == status
    assert said(answer).endswith("It is stuck. (failed)\nThe machine could not be brought back to mode "
                                 "host; see: vfio-modectl status\n")
    assert moves(rig) == [THERE, BACK]


def test_the_fallback_mode_in_place_of_the_one_before(rig, go):
    rig.machine.state("passthrough")
    refuse_the_return(rig, PASSTHROUGH)
    answer = go("plain", "--", "true")
    assert answer.returncode == 0
    assert said(answer).endswith("It is stuck. (failed)\nMode passthrough cannot be had; going to the "
                                 "fallback mode, host.\nMode host is on.\n")
    assert [unit for _, unit in moves(rig)] == [PLAIN, PASSTHROUGH, HOST]


@pytest.mark.parametrize("mode", ["passthrough", "host"])
def test_another_mode_chosen_meanwhile(rig, go, mode):
    answer = go("plain", "--", PROGRAM, "switch", mode, "--quiet")
    assert answer.returncode == 0
    assert said(answer).endswith(f"Mode {mode} was chosen meanwhile, and stays.\n" if mode != "host"
                                 else "The machine is in mode host already.\n")
    assert [unit for _, unit in moves(rig)] == [PLAIN, f"vfio-mode@{mode}.service"]


def test_the_mode_chosen_again_meanwhile(rig, go):
    """After another one: it is not the one that was switched to for the command."""
    status = rig.root / "run/vfio-mode/status"
    answer = go("plain", "--", "sed", "-i", "s/^since=.*/since=1767229999/", str(status))
    assert (answer.returncode, answer.stderr.splitlines()[1:]) == (
        0, ["vfio-modectl: Mode plain was chosen meanwhile, and stays."])
    assert moves(rig) == [THERE]


def test_another_switch_under_way(rig, go):
    """Which then fails, so that the return is ours again."""
    rig.systemd.held.add(PASSTHROUGH)
    process = go.start("plain", "--", "cat")
    until(lambda: rig.get("CurrentMode") == "plain" and rig.get("State") == "idle")
    rig.switch_mode("passthrough")
    process.stdin.close()
    while "the return to mode host waits" not in process.stderr.readline():
        assert process.poll() is None
    rig.systemd.finish(PASSTHROUGH, "failed")
    assert process.wait(30) == 0
    assert [unit for _, unit in moves(rig)] == [PLAIN, PASSTHROUGH, HOST]


# --- without the service ---

def test_the_service_is_killed_meanwhile(rig, go):
    process = go.start("plain", "--", *WAITS)
    assert process.stdout.readline() == "ready\n"
    rig.kill()
    rig.start()
    process.terminate()
    assert process.wait(30) == signal.SIGTERM
    assert moves(rig) == [THERE, BACK]


def test_the_service_is_killed_during_the_return(rig, go):
    rig.systemd.held.add(HOST)
    process = go.start("plain", "--", "true")
    until(lambda: HOST in rig.systemd.jobs)
    rig.kill()
    rig.start()
    until(lambda: (HOST, "Job") in rig.systemd.asked)
    rig.systemd.finish(HOST)
    assert process.wait(30) == 0
    assert "Mode host is on." in process.stderr.read()
    assert moves(rig) == [THERE, BACK] and go.started() == []


@pytest.mark.parametrize("lost, fails", [("service", False), ("service", True), ("bus", False)])
def test_no_service_for_the_return(rig, go, lost, fails):
    """Then the unit is started, as a person would do it; at last the fallback."""
    process = go.start("plain", "--", *WAITS)
    assert process.stdout.readline() == "ready\n"
    rig.kill()
    if lost == "bus":
        rig.bus.process.kill()
        rig.bus.process.wait()
    if fails:
        go.systemctl.with_suffix(".fails").touch()
    process.terminate()
    _, err = process.communicate(timeout=60)
    assert process.returncode == signal.SIGTERM
    assert "Starting the unit of mode host without the service." in err
    assert ("could not be brought back" in err) == fails
    assert go.started() == [f"start --quiet {HOST}",
                            *(["start --quiet -- vfio-mode-fallback.service"] if fails else [])]


def test_no_service_at_the_start(bare, tmp_path):
    answer = Runner(bare, tmp_path)("plain", "--", "touch", str(tmp_path / "ran"))
    assert answer.returncode == 125
    assert "Cannot reach the service of vfio-mode" in answer.stderr
    assert not (tmp_path / "ran").exists()


# --- signals ---

@pytest.mark.parametrize("number", SIGNALS)
def test_signals_are_passed_on(rig, go, number):
    process = go.start("plain", "--", *WAITS)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert process.wait(30) == number
    assert moves(rig) == [THERE, BACK]


def status_of(pid, key):
    return re.search(rf"^{key}:\s*(\w+)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M)[1]


def in_a_group_of_its_own():
    """As a shell with job control puts it: nobody stops in a group that has no such shell."""
    os.setpgid(0, 0)


def test_stopped_and_continued(go):
    process = go.start("plain", "--", *WAITS, signals=in_a_group_of_its_own)
    assert process.stdout.readline() == "ready\n"
    child, = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for _ in range(2):
        process.send_signal(signal.SIGTSTP)
        until(lambda: status_of(child, "State") == status_of(process.pid, "State") == "T")
        process.send_signal(signal.SIGCONT)
        until(lambda: "T" not in (status_of(child, "State"), status_of(process.pid, "State")))
    process.terminate()
    assert process.wait(30) == signal.SIGTERM


def ignore_interrupts():
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@pytest.mark.parametrize("signals, status", [(usual_signals, 130), (ignore_interrupts, 0)])
def test_a_signal_before_the_command(rig, go, tmp_path, signals, status):
    """Neither leaves the machine in the mode, nor is forgotten."""
    rig.systemd.held.add(PLAIN)
    process = go.start("plain", "--", "touch", str(tmp_path / "ran"), signals=signals)
    until(lambda: PLAIN in rig.systemd.jobs)
    process.send_signal(signal.SIGINT)
    assert int(status_of(process.pid, "ShdPnd"), 16) == 1 << signal.SIGINT - 1
    rig.systemd.finish(PLAIN)
    assert process.wait(30) == status
    assert moves(rig) == [THERE, BACK]
    assert (tmp_path / "ran").exists() == (status == 0)


def test_a_signal_during_the_return(rig, go):
    rig.systemd.held.add(HOST)
    process = go.start("plain", "--", "true")
    until(lambda: HOST in rig.systemd.jobs)
    for number in SIGNALS:
        process.send_signal(number)
    rig.systemd.finish(HOST)
    assert process.wait(30) == 0
    assert "Mode host is on." in process.stderr.read()


def test_nobody_reads_what_is_said(rig, go):
    process = go.start("plain", "--", "cat")
    process.stderr.close()
    process.stdin.close()
    assert process.wait(30) == 0
    assert moves(rig) == [THERE, BACK]


def test_killed_the_command_goes_on(rig, go):
    """A guest does not end with who started it; nobody is left to return."""
    process = go.start("plain", "--", *WAITS)
    assert process.stdout.readline() == "ready\n"
    child, = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.kill()
    process.wait()
    assert status_of(child, "State") in "RS"
    os.kill(int(child), signal.SIGKILL)
    assert moves(rig) == [THERE]


def strange_signals():
    for number in (signal.SIGINT, signal.SIGUSR1, signal.SIGCHLD):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2, signal.SIGALRM})


@pytest.mark.parametrize("command", [["grep", "^S[ih][gd][PBIC]", "/proc/self/status"],
                                     ["ls", "/proc/self/fd"], ["env"], ["sh", "-c", "ulimit -a; umask"]])
@pytest.mark.parametrize("mode", ["plain", "host"])
def test_the_command_is_run_as_if_alone(rig, go, command, mode):
    """Signals, descriptors, environment and limits, whether the machine was switched for it or not."""
    alone = subprocess.run(command, capture_output=True, text=True, check=True, env=go.environment,
                           preexec_fn=strange_signals)
    answer = go(mode, "--", *command, signals=strange_signals)
    assert (answer.returncode, answer.stdout) == (0, alone.stdout)
    assert moves(rig) == ([THERE, BACK] if mode == "plain" else [])


# --- on a terminal ---

TRAP = 'trap "echo got it; exit 5" INT; echo ready; while read -r word; do :; done'


@pytest.fixture
def shell(go):
    """With job control."""
    bash = pexpect.spawn("bash", ["--norc", "--noprofile", "-i"], encoding="utf-8", timeout=30,
                         env={**go.environment, "PS1": "> ", "COMMAND": TRAP}, preexec_fn=usual_signals)
    bash.expect_exact("> ")
    yield bash
    bash.close(force=True)


def test_an_interrupt_from_the_terminal(rig, shell):
    shell.sendline(f'{PROGRAM} run plain -- bash -c "$COMMAND"; echo "status $?"')
    shell.expect_exact("ready\r\n")
    shell.sendintr()
    shell.expect_exact("got it")
    shell.expect_exact("Mode host is on.")
    shell.expect("status 5\r\n")
    assert moves(rig) == [THERE, BACK]


# Prints the number of each of these that comes, and ends with the second.
COUNTS = """if True:
    import signal
    signals = {signal.SIGINT, signal.SIGUSR1}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    print("ready", flush=True)
    number = 0
    while number != signal.SIGUSR1:
        number = signal.sigwait(signals)
        print("got", int(number), flush=True)
"""


def on_terminal(go, *arguments):
    """Without a shell in between: as where a terminal is opened for it."""
    return pexpect.spawn(PROGRAM, ["run", *arguments], encoding="utf-8", timeout=30, env=go.environment,
                         preexec_fn=usual_signals)


def test_a_key_is_not_passed_on(go):
    """The command has it already. Stopped, the program gets it late, so that two would be seen as two."""
    process = on_terminal(go, "plain", "--", sys.executable, "-c", COUNTS)
    process.expect_exact("ready\r\n")
    process.kill(signal.SIGSTOP)
    until(lambda: status_of(process.pid, "State") == "T")
    process.sendintr()
    process.expect_exact("got 2\r\n")
    process.kill(signal.SIGCONT)
    until(lambda: status_of(process.pid, "ShdPnd") == "0" * 16)
    process.kill(signal.SIGUSR1)
    process.expect("got 10\r\n")
    assert "got" not in process.before
    process.expect(pexpect.EOF)
    process.close()
    assert process.exitstatus == 0


def test_a_key_before_the_command(rig, go, tmp_path):
    rig.systemd.held.add(PLAIN)
    process = on_terminal(go, "plain", "--", "touch", str(tmp_path / "ran"))
    until(lambda: PLAIN in rig.systemd.jobs)
    process.sendintr()
    until(lambda: int(status_of(process.pid, "ShdPnd"), 16) == 1 << signal.SIGINT - 1)
    rig.systemd.finish(PLAIN)
    process.expect(pexpect.EOF)
    process.close()
    assert process.exitstatus == 130
    assert not (tmp_path / "ran").exists()
    assert moves(rig) == [THERE, BACK]


def test_an_interrupt_that_the_command_does_not_survive(rig, shell):
    shell.sendline(f"{PROGRAM} run plain -- cat; echo status $?")
    shell.expect_exact("Mode plain is on.")
    shell.sendline("word")
    shell.expect("word\r\nword\r\n")
    shell.sendintr()
    shell.expect("Mode host is on.")
    shell.expect("status 130\r\n")
    assert moves(rig) == [THERE, BACK]


def test_suspended_from_the_terminal(rig, shell):
    """The shell is told, and goes on with both."""
    shell.sendline(f"{PROGRAM} run plain -- cat; true")
    shell.expect_exact("Mode plain is on.")
    for word in ("one", "two"):
        shell.sendline(word)
        shell.expect(f"{word}\r\n{word}\r\n")
        shell.sendcontrol("z")
        shell.expect("Stopped")
        shell.expect_exact("> ")
        assert moves(rig) == [THERE]
        shell.sendline("fg; echo status $?")
        shell.expect_exact("run plain -- cat")
    shell.sendline("three")
    shell.expect("three\r\nthree\r\n")
    shell.sendeof()
    shell.expect("Mode host is on.")
    shell.expect("status 0\r\n")
    assert moves(rig) == [THERE, BACK]


def test_the_command_has_the_terminal(rig, shell):
    """And so does the shell afterwards, whatever the command has done with it."""
    shell.sendline(f"{PROGRAM} run plain -- bash --norc -i")
    shell.expect_exact("> ")
    shell.sendline("[ $(ps -o tpgid= $$) = $(ps -o pgid= $$) ] && echo yes, foreground")
    shell.expect("yes, foreground\r\n")
    shell.sendline("exit 6")
    shell.expect("Mode host is on.")
    shell.sendline("echo status $?")
    shell.expect("status 6\r\n")
