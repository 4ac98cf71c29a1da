#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""vfio-modectl on machines made of words: directory trees for --root. Unprivileged and offline.

The program under test is $VFIO_MODECTL.
"""

import fcntl
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import subprocess

import pexpect
import pytest
import schema
from captured import (AUDIO, BRIDGE, CONFIG, EVIL, GPU, NIC, PROGRAM, Machine, fields, rows, run,
                      sanitizers)

SOURCE = pathlib.Path(__file__).resolve().parents[2]
MAN_PAGE = SOURCE / "daemon/vfio-modectl.1"
COMPLETION = SOURCE / "conf/completion/vfio-modectl"
ZSH_COMPLETION = COMPLETION.with_name("_vfio-modectl")
VERBS = ["status", "list-devices", "list-modes", "switch", "run", "next", "set-default", "confirm",
         "release", "check", "init", "report", "rom", "watch", "hook", "help"]


@pytest.fixture
def machine(tmp_path):
    (tmp_path / "root").mkdir()
    return Machine(tmp_path / "root")


# --- the command line ---

@pytest.mark.parametrize("arguments", [
    [], ["bogus"], ["status", "--bogus"], ["-x", "status"], ["status", "operand"], ["switch"],
    ["switch", "a", "b"], ["status", "--tree"], ["list-modes", "--dry-run"],
    ["switch", "x", "--mode"], ["status", "--config=x"], ["status", "--json=xml"], ["--root"],
    ["status", "--mode=x"], ["help", "bogus"], ["list", "--con=x"], ["next"],
    ["next", "--cancel", "host"], ["next", "--cancel", "--tries=1"], ["set-default"],
    ["set-default", "host", "--cancel"], ["confirm", "host"], ["next", "host", "--dry-run"],
    ["next", "host", "--tries=0"], ["next", "host", "--tries=4"], ["next", "host", "--tries=1x"],
    ["switch", "host", "--confirm=soon"], ["switch", "host", "--confirm=2d"],
    ["switch", "host", "--confirm=0"], ["switch", "host", "--confirm="],
    ["switch", "host", "--holders=some"], ["switch", "host", "--holders"], ["-H"],
    ["switch", "host", "--holders=stop", "--dry-run"], ["switch", "host", "--confirm", "--dry-run"],
    ["init", "--force", "--dry-run"],
    ["-H", "", "status"], ["-H", "-oProxyCommand=true", "status"],
    ["-H", "pc", "--root=/", "status"], ["-H", "pc", "list-devices"], ["-Hpc", "list", "--tree"],
    ["watch", "host"], ["report"], ["report", "-o"], ["report", "x"], ["status", "-o", "x"],
])
def test_usage_error(arguments):
    answer = run(*arguments)
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert answer.stderr.startswith("vfio-modectl: ")
    assert "vfio-modectl help" in answer.stderr
    assert answer.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [
    ["switch", "host"], ["next", "host"], ["next", "--cancel"], ["set-default", "host"], ["confirm"],
    ["release"], ["watch"],
])
def test_a_captured_machine_is_not_changed(machine, arguments):
    answer = machine.in_host_mode().run(*arguments)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "--root" in answer.stderr


def test_check_here_is_not_check_there():
    for arguments in (["-H", "pc", "check"], ["check", "host", "--config=x"]):
        answer = run(*arguments)
        assert (answer.returncode, answer.stdout) == (2, "")
        assert "does not go with" in answer.stderr


@pytest.mark.parametrize(("arguments", "why"), [
    (["check", "--read-rom"], "--read-rom goes with `check MODE`."),
    (["check", "--config=x", "--read-rom"], "--read-rom goes with `check MODE`."),
    (["--root=/tmp", "check", "host", "--read-rom"], "does not go with --root"),
    (["-H", "pc", "check", "host", "--read-rom"], "does not go with -H"),
    (["rom", GPU, "--read-rom"], "--read-rom does not go with 'rom'"),
])
def test_whose_roms_are_read(arguments, why):
    answer = run(*arguments)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert why in answer.stderr


def test_only_root_reads_roms(tmp_path):
    """Said before anything is asked."""
    as_nobody = [] if os.geteuid() else ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    answer = subprocess.run([*as_nobody, PROGRAM, "check", "host", "--read-rom"], capture_output=True, text=True, timeout=30,
                            check=False, env={"PATH": os.environ["PATH"], "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={tmp_path}/x",
                                              **sanitizers()})
    assert (answer.returncode, answer.stdout, answer.stderr) == (8, "", "vfio-modectl: Only root may read a ROM.\n")


@pytest.mark.parametrize("arguments, why", [
    ([], "'run' needs more"), (["plain"], "'run' needs more"), (["plain", "--"], "'run' needs more"),
    (["plain", "--dry-run", "--", "true"], "--dry-run does not go with 'run'"),
    (["plain", "--bogus", "--", "true"], "no option --bogus"),
    (["plain", "--holders=some", "--", "true"], "--holders takes"),
    (["-H", "pc", "plain", "--", "true"], "the command would run here, and the switch be made there"),
    (["--root=/", "plain", "--", "true"], "--root"), (["-j", "plain", "--", "true"], "--json"),
])
def test_run_has_a_status_of_its_own_for_usage_errors(arguments, why):
    answer = run("run", *arguments)
    assert (answer.returncode, answer.stdout) == (125, "")
    assert answer.stderr.startswith("vfio-modectl: ") and answer.stderr.count("\n") == 1
    assert why in answer.stderr


@pytest.mark.parametrize("arguments", [
    [], ["bogus"], ["switch"], ["switch", "a", "b"], ["boot", "x"], ["inspect"], ["--bogus", "boot"],
    ["--without-units", "boot"], ["--without-units", "leave", "host"], ["--without-units", "switch"]])
def test_usage_error_of_the_units_program(machine, arguments):
    program = PROGRAM.replace("vfio-modectl", "vfio-mode-apply")
    answer = subprocess.run([program, f"--root={machine.root}", *arguments], capture_output=True, text=True, check=False,
                            timeout=30, env=sanitizers())
    assert (answer.returncode, answer.stdout) == (22, "")
    assert "Usage: vfio-mode-apply" in answer.stderr
    assert not (machine.root / "run/vfio-mode").exists()


def test_version():
    answer = run("--version")
    assert answer.returncode == 0
    assert re.fullmatch(r"vfio-modectl \d+\.\d+\.\d+\n", answer.stdout)


def test_double_dash_and_options_anywhere(machine):
    machine.in_host_mode()
    assert machine.text("status", "--mode") == "host\n"
    assert machine.text("--mode", "--", "status") == "host\n"


def test_no_such_root(tmp_path):
    for verb in (["status"], ["list"], ["list-modes"], ["switch", "x", "--dry-run"]):
        answer = run("--root", str(tmp_path / "missing"), *verb)
        assert answer.returncode == 1
        assert "missing: No such file or directory" in answer.stderr


def test_full_disk(machine):
    machine.in_host_mode()
    with open("/dev/full", "w", encoding="ascii") as full:
        answer = subprocess.run([PROGRAM, "--root", str(machine.root), "status"], stdout=full,
                                stderr=subprocess.PIPE, check=False)
    assert answer.returncode == 1
    assert b"Cannot write" in answer.stderr


# --- help and the man page ---

def options_in(text):
    return set(re.findall(r"(?<![\w-])-(?:-[a-z][a-z-]*|[A-Za-z]\b)", text))


def man_items():
    """Verbs and options that the man page explains: the .It lines."""
    verbs, options = [], set()
    for line in MAN_PAGE.read_text().splitlines():
        if line.startswith(".It Cm "):
            verbs.append(line.split()[2].rstrip(","))
        elif line.startswith(".It Fl "):
            options |= {f"-{name}" for name in re.findall(r"Fl ([\w-]+)", line)}
    return verbs, options


def man_options_of(verb):
    """The options that the man page explains below a verb: those of its own list."""
    text = MAN_PAGE.read_text().split(f"\n.It Cm {verb}", 1)[1]
    text = re.split(r"\n\.It Cm |\n\.Sh ", text, maxsplit=1)[0]
    return {f"-{name}" for line in text.splitlines() if line.startswith(".It Fl ")
            for name in re.findall(r"Fl ([\w-]+)", line)}


def test_help_equals_the_man_page():
    text = run("help").stdout
    verbs = re.findall(r"^  ([a-z-]+)", text.split("Verbs:\n")[1].split("\n\n")[0], re.MULTILINE)
    assert verbs == VERBS
    assert (verbs, options_in(text)) == man_items()
    assert run("--help").stdout == text


@pytest.mark.skipif(not shutil.which("mandoc"), reason="no mandoc")
@pytest.mark.parametrize("verb", [*VERBS, "list"])
def test_usage_of_a_verb_is_in_the_synopsis(verb):
    """In the same words and order; a verb that is used in two ways has two lines there."""
    page = subprocess.run(["mandoc", "-Tascii", "-Owidth=500", MAN_PAGE], capture_output=True, text=True, check=True).stdout
    lines = re.sub(".\b", "", page).split("SYNOPSIS\n")[1].split("\nDESCRIPTION")[0].replace(" ...", "...").splitlines()
    said = [found for line in lines if (found := re.fullmatch(
        r" *vfio-modectl (?:\[OPTIONS\] )?([a-z-]+(?: \| [a-z]+)?) ?(.*)", line))]
    assert len(said) == len(lines), lines
    usage = " ".join(run(verb, "--help").stdout.partition("\n\n")[0].split()).split(" vfio-modectl ")[1]
    assert usage.partition(" ")[2] == " | ".join(found[2] for found in said if verb in found[1].split(" | "))


@pytest.mark.parametrize("verb", [*VERBS, "list"])
def test_help_of_a_verb(verb):
    answer = run("help", verb)
    assert answer.returncode == 0
    assert answer.stdout.startswith("Usage: vfio-modectl ")
    assert all(len(line) <= 80 for line in answer.stdout.splitlines())
    assert run(verb, "--help").stdout == answer.stdout
    # Those of its usage, and those that it explains, each at a line's beginning.
    usage, _, details = answer.stdout.partition("\n\n")
    explained = {name for line in re.findall(r"^  (-.*?)(?:  |$)", details, re.M) for name in options_in(line)}
    assert options_in(usage) == explained == man_options_of("list-devices" if verb == "list" else verb)


@pytest.mark.parametrize("path", [COMPLETION, ZSH_COMPLETION], ids=["bash", "zsh"])
def test_completion_knows_all_verbs_and_options(path):
    text = path.read_text()
    assert options_in(run("help").stdout) <= options_in(text)
    assert all(re.search(rf"[ ']{verb}[ ':]", text) for verb in VERBS)


# A command behind it finds these functions in /sys, and no others.
AMONG = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--mount", "sh", "-c",
         'mount --bind "$0" /sys/bus/pci/devices && exec "$@"']


def complete(*words, path="", before="", among=()):
    script = before + ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _vfio_modectl; '
              'printf "%s\\n" "${COMPREPLY[@]}"')
    return subprocess.run([*among, "bash", "-c", script, "bash", str(COMPLETION), "vfio-modectl", *words],
                          capture_output=True, text=True, check=True,
                          env={"PATH": f"{path}:{os.environ['PATH']}"}).stdout.split()


def test_completion(machine, tmp_path):
    machine.in_host_mode()
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "vfio-modectl").write_text(
        f'#!/bin/sh\nexec "{PROGRAM}" --root="{machine.root}" "$@"\n')
    (tools / "vfio-modectl").chmod(0o755)
    assert complete("st") == ["status"]
    assert complete("status", "--mo") == ["--mode"]
    assert complete("--json", "=", "s") == ["short"]
    assert complete("switch", "p", path=tools) == ["passthrough"]
    assert complete("run", "p", path=tools) == ["passthrough"]
    (tools / "a-guest").write_text("#!/bin/sh\n")
    (tools / "a-guest").chmod(0o755)
    assert complete("run", "passthrough", "--", "a-gue", path=tools) == ["a-guest"]
    assert complete("run", "passthrough", "a-gue", path=tools) == ["a-guest"]
    assert complete("run", "passthrough", "--", "a-guest", f"{tools}/vf") == [f"{tools}/vfio-modectl"]
    assert complete("run", "passthrough", "--", "a-guest", "switch", "--dr") == []
    assert complete("rom", "--fo") == ["--force"]
    assert complete("rom", "--wh") == ["--while-in-use"]
    assert complete("rom", "x", "-o", f"{tools}/vf") == [f"{tools}/vfio-modectl"]


@pytest.fixture
def among(tmp_path):
    """A card, its sound, a second card in another slot of that bus, one of a bus that begins alike, and a disk."""
    if not pathlib.Path("/sys/bus/pci/devices").is_dir():
        pytest.skip("no PCI here")
    for address, pci_class in ((GPU, "0x030000"), (AUDIO, "0x040300"), ("0000:01:01.0", "0x030200"),
                               ("0000:0a:00.0", "0x038000"), ("0000:01:02.0", "0x010802")):
        (tmp_path / "functions" / address).mkdir(parents=True)
        (tmp_path / "functions" / address / "class").write_text(f"{pci_class}\n")
    return [*AMONG, str(tmp_path / "functions")]


@pytest.mark.parametrize("breaks", [":=", "="])
def test_completion_of_an_address(breaks, among):
    """Of any function, or of graphics cards where only these are meant; readline may take it apart at each colon."""
    for typed, cards, others in (("0000:01:0", {GPU, "0000:01:01.0"}, {AUDIO, "0000:01:02.0"}), (AUDIO, set(), {AUDIO})):
        words = re.split("(:)", typed) if ":" in breaks else [typed]
        begin = typed.rpartition(":")[0] + ":" if ":" in breaks else ""
        answer = complete("rom", *words, among=among, before=f"COMP_WORDBREAKS='{breaks}'; COMP_LINE='vfio-modectl rom "
                          f"{typed}'; COMP_POINT=${{#COMP_LINE}}; ")
        assert {begin + end for end in answer} == cards | others
        answer = complete("init", "--device", "=", *words, among=among, before=f"COMP_WORDBREAKS='{breaks}'; COMP_LINE="
                          f"'vfio-modectl init --device={typed}'; COMP_POINT=${{#COMP_LINE}}; ")
        assert {begin + end for end in answer} == cards


# Ctrl-X ends a line, and says what it has become.
ZSH = ("PS1='READY> '; fpath=({path} $fpath); autoload -Uz compinit; compinit -u -D; "
       "show() {{ LAST=$BUFFER; BUFFER=; zle accept-line }}; zle -N show; bindkey '^X' show; "
       "precmd() {{ [[ $LAST ]] && print -r \"LINE[$LAST]\"; LAST= }}; echo load''ed")


def test_completion_in_zsh(machine, tmp_path, among):
    machine.in_host_mode()
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "vfio-modectl").write_text(f'#!/bin/sh\nexec "{PROGRAM}" --root="{machine.root}" "$@"\n')
    (tools / "vfio-modectl").chmod(0o755)
    zsh = pexpect.spawn(among[0], [*among[1:], "zsh", "-f", "-i"], encoding="utf-8", timeout=30, dimensions=(50, 200),
                        env={"PATH": f"{tools}:{os.environ['PATH']}", "TERM": "dumb", "HOME": str(tmp_path)})
    zsh.sendline(ZSH.format(path=ZSH_COMPLETION.parent))
    zsh.expect("loaded\r\n")
    for words, completed in (("st", "status "), ("status --mo", "status --mode "), ("--json=s", "--json=short "),
                             ("switch p", "switch passthrough "), ("init --de", "init --device="),
                             ("init --device=0000:0", "init --device=0000:0"), ("init --device=0000:0a", "init --device=0000:0a:00.0 "),
                             ("init --device=0000:01:00.", f"init --device={GPU} "), (f"rom {AUDIO[:-1]}", "rom 0000:01:00."),
                             ("next --ca", "next --cancel "), ("rom --ou", "rom --output="),
                             ("help rel", "help release ")):
        zsh.send(f"vfio-modectl {words}\t\x18")
        zsh.expect(r"LINE\[(.*?)\]")
        assert zsh.match[1] == f"vfio-modectl {completed}"


# --- JSON ---

def test_every_verb_that_answers_in_json_has_a_schema():
    """The others refuse to."""
    refusing = [verb for verb in VERBS
                if run(verb, "--json=short", *{"run": ["x", "--", "true"], "hook": ["libvirt"]}.get(verb, [])).stderr.count("--json")]
    assert refusing == ["run", "hook", "help"]
    assert schema.verbs() == {verb for verb in VERBS if verb not in refusing}


def test_the_schema_is_one():
    schema.jsonschema.Draft202012Validator.check_schema(schema.SCHEMA)
    with pytest.raises(AssertionError, match="--json"):
        schema.check(("list-modes", "-j"), '{"schema": 1, "modes": [], "new": 1}')


# --- status ---

def test_status(machine):
    machine.in_host_mode().result(text="Mode 'host': done.").result(name="boot", text="Booted.")
    shown = fields(machine.text("status"))
    assert shown["Mode"] == ["host"]
    assert shown["Since"] == ["2026-01-01 00:00:00 UTC, by unit"]
    assert shown["Why"] == ["its unit was started"]
    assert shown["Config"] == ["/etc/vfio-mode.ini, accepted"]
    assert (shown["Default"], shown["Fallback"]) == (["passthrough"], ["host"])
    assert (shown["Last boot"], shown["Last switch"]) == (["Booted."], ["Mode 'host': done."])
    assert shown["Drift"] == ["none"]


def test_status_in_json_equals_the_table(machine):
    machine.in_host_mode().result().result(name="boot", text="Booted.")
    shown, answer = fields(machine.text("status")), machine.json("status")
    assert answer["mode"] == "host" and answer["old_mode"] == "passthrough"
    assert answer["since"] == "2026-01-01T00:00:00Z" and answer["source"] == "unit"
    assert [answer["reason"]] == shown["Why"]
    assert [answer["default_mode"]] == shown["Default"]
    assert answer["config"] == {"path": "/etc/vfio-mode.ini", "state": "ok", "errors": [],
                                "accepted": True, "changed_since_accepted": False,
                                "default_mode": "passthrough"}
    assert answer["drift"] == []
    assert answer["last_boot"] == {"mode": "host", "result": "none", "text": "Booted.",
                                   "steps_taken": 0}
    assert answer["last_switch"].pop("time_usec") > 0
    assert answer["last_switch"] == {"mode": "host", "result": "none", "text": "All is well.",
                                     "steps_taken": 0}
    table = rows(machine.text("status").split("\n\n")[1])
    assert table[0] == ["DEVICE", "ADDRESS", "DRIVER", "WANTED", "NAME"]
    assert [[d["device"], d["address"], d["driver"], d["wanted_driver"], d["name"]]
            for d in answer["devices"]] == table[1:]
    assert [row[:4] for row in table[1:]] == [["gpu", GPU, "nvidia", "host"],
                                              ["gpu", AUDIO, "snd_hda_intel", "host"],
                                              ["nic", NIC, "vfio-pci", "vfio-pci"]]


def test_status_mode(machine):
    assert machine.text("status", "--mode") == "none\n"
    machine.in_host_mode()
    assert machine.text("status", "--mode") == "host\n"
    assert machine.json("status", "--mode")["mode"] == "host"
    machine.state("passthrough", "host", name="undo")
    assert machine.text("status", "--mode") == "none\n"


def test_status_of_an_empty_machine(tmp_path):
    answer = run("--root", str(tmp_path), "status")
    assert answer.returncode == 0
    assert fields(answer.stdout) == {
        "Mode": ["none: no mode was entered since the machine was started"],
        "Config": ["/etc/vfio-mode.ini does not exist; vfio-modectl init proposes one"]}


def test_status_half_way(machine):
    machine.in_host_mode().state("passthrough", "host", name="undo",
                                 homes=[f"{GPU} nvidia -"])
    assert fields(machine.text("status"))["Mode"] == [
        "none: a switch from host to passthrough was cut short; the next switch mends that"]
    assert machine.json("status")["half_way"] is True


STAT = "4711 (vfio-mode-write) {} 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 99 0 0\n"


def stuck(machine):
    """A switch whose write is in the kernel; whoever opens the override would wait for ever."""
    machine.in_host_mode().state("passthrough", "host", name="undo",
                                 homes=[f"{AUDIO} snd_hda_intel -", f"{GPU} nvidia -"])
    with (machine.root / "run/vfio-mode/undo").open("a") as undo:
        undo.write(f"writer=4711 99\nwrite=unbind {GPU} nvidia\n")
    machine.write("proc/4711/stat", STAT.format("D"))
    for address in (GPU, AUDIO):
        override = machine.root / "sys/bus/pci/devices" / address / "driver_override"
        override.unlink()
        os.mkfifo(override)


def test_status_beside_a_writer(machine):
    """One that is not given up yet: no lock of the device is waited for."""
    stuck(machine)
    said = machine.json("status")
    assert (said["mode"], said["half_way"], said["wedged"]) == ("none", True, None)
    assert [device["driver_override"] for device in said["devices"]
            if device["device"] == "gpu"] == [None, None]
    machine.text("list-devices")
    machine.text("list-devices", "--tree")


@pytest.mark.parametrize("log", [True, False])
def test_status_beside_a_switch(machine, log):
    """Whose first write may come while it is looked at the devices: it has a log, or only the lock yet."""
    stuck(machine)
    (machine.root / "run/vfio-mode/undo").unlink()
    if log:
        machine.state("passthrough", "host", name="undo", homes=[f"{GPU} nvidia -"])
    with (machine.root / "run/vfio-mode/lock").open("w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        said = machine.json("status")
        assert (said["mode"], said["drift"]) == ("none" if log else "host", [])
        machine.text("list-devices", "--tree")


def test_status_after_a_killed_switch(machine):
    """Nobody is writing any more, so all can be looked at."""
    machine.in_host_mode().state("passthrough", "host", name="undo", homes=[f"{GPU} nvidia -"])
    machine.write("run/vfio-mode/lock", "")
    machine.write(f"sys/bus/pci/devices/{GPU}/driver_override", "vfio-pci\n")
    said = machine.json("status")
    assert (said["mode"], said["half_way"]) == ("none", True)
    assert "vfio-pci" in [device["driver_override"] for device in said["devices"]]


def test_status_wedged(machine):
    stuck(machine)
    with (machine.root / "run/vfio-mode/undo").open("a") as undo:
        undo.write("wedged=1767225600\n")
    assert machine.json("status")["wedged"] == {
        "write": "unbind", "address": GPU, "driver": "nvidia", "hugepages": None, "process": 4711,
        "since": "2026-01-01T00:00:00Z"}
    assert fields(machine.text("status"))["Mode"] == [
        f"none: stuck in the kernel: unbinding {GPU} from nvidia (process 4711); nothing is switched "
        "until that comes back"]


def test_status_wedged_in_a_pool(machine):
    """No device, and the way back stays open. What the pool has is read: that waits for nobody."""
    stuck(machine)
    with (machine.root / "run/vfio-mode/undo").open("a") as undo:
        undo.write("write=hugepages 0000:00:00.0 2M\nwedged=1767225600\n")
    assert machine.json("status")["wedged"] == {
        "write": "hugepages", "address": None, "driver": None, "hugepages": "2M", "process": 4711,
        "since": "2026-01-01T00:00:00Z"}
    assert fields(machine.text("status"))["Mode"] == [
        "none: stuck in the kernel: changing how many hugepages of 2M there are (process 4711); nothing "
        "is switched but to the fallback mode until that comes back"]


def test_status_after_a_writer_that_was_left(machine):
    """The next one has begun: what it is at is not what the other one is stuck in."""
    stuck(machine)
    log = machine.root / "run/vfio-mode/undo"
    left = log.read_text().replace("writer=4711", "writer=4710") + "write=hugepages 0000:00:00.0 2M\nwedged=1\n"
    log.write_text(left + f"writer=4711 99\nwrite=power {GPU} auto\n")
    assert machine.json("status")["wedged"] is None


@pytest.mark.parametrize("stat", [None, STAT.format("Z"), STAT.format("D").replace(" 99 ", " 98 ")])
def test_status_after_a_late_return(machine, stat):
    """Its process has ended, or the pid is another one's by now."""
    stuck(machine)
    with (machine.root / "run/vfio-mode/undo").open("a") as undo:
        undo.write("wedged=1767225600\n")
    for address in (GPU, AUDIO):
        (machine.root / "sys/bus/pci/devices" / address / "driver_override").unlink()
    (machine.root / "proc/4711/stat").unlink()
    if stat:
        machine.write("proc/4711/stat", stat)
    assert machine.json("status")["wedged"] is None
    assert fields(machine.text("status"))["Mode"] == [
        "none: a switch from host to passthrough was cut short; the next switch mends that"]


@pytest.mark.parametrize("damaged", ["status", "undo", "result", "boot", "config"])
def test_status_with_a_damaged_file(machine, damaged):
    machine.in_host_mode().write(f"run/vfio-mode/{damaged}", "\0\033[31mnonsense")
    answer = machine.run("status")
    assert answer.returncode == 0
    assert "\033" not in answer.stdout + answer.stderr
    assert machine.json("status")["mode"] == ("none" if damaged in ("status", "undo") else "host")


def test_status_after_a_boot_with_a_broken_config(machine):
    machine.pc().config("[nonsense]\n")
    machine.result("config-invalid", "", "/etc/vfio-mode.ini:1: unknown section", name="boot")
    shown = fields(machine.text("status"))
    assert shown["Mode"] == ["none: /etc/vfio-mode.ini:1: unknown section"]
    assert shown["Config"][0] == "/etc/vfio-mode.ini cannot be used"
    assert shown["Config"][1].startswith("/etc/vfio-mode.ini:1: ")
    assert "(config-invalid)" in shown["Last boot"][0]
    answer = machine.json("status")
    assert answer["config"]["state"] == "errors"
    assert answer["config"]["errors"] == shown["Config"][1:]
    assert answer["last_boot"]["result"] == "config-invalid"


# --- drift ---

def drift(machine):
    answer = machine.json("status")
    assert fields(machine.text("status"))["Drift"] == (answer["drift"] or ["none"])
    return answer["drift"]


def test_drift_of_a_driver(machine):
    machine.pc(gpu="vfio-pci").config().accepted()
    machine.state("host", homes=[f"{GPU} nvidia -"])
    assert drift(machine) == [f"{GPU} is on vfio-pci, mode 'host' has it on nvidia"]


def test_drift_to_the_host(machine):
    machine.pc(audio="vfio-pci").config().accepted().state("passthrough")
    assert drift(machine) == [f"{GPU} is on nvidia, mode 'passthrough' has it on vfio-pci"]


def test_drift_of_an_override(machine):
    machine.in_host_mode()
    machine.write(f"sys/bus/pci/devices/{GPU}/driver_override", "vfio-pci\n")
    assert drift(machine) == [f"{GPU} has driver_override 'vfio-pci', which mode 'host' does not"]


def test_drift_of_a_device_that_is_gone(machine):
    machine.in_host_mode()
    shutil.rmtree(machine.root / "sys/bus/pci/devices" / NIC)
    assert any(NIC in line for line in drift(machine))
    assert machine.json("status")["devices"][-1]["problem"] == "not-found"


def test_drift_of_the_config(machine):
    machine.in_host_mode().config("; a comment changes nothing\n" + CONFIG)
    assert drift(machine) == []
    machine.config(CONFIG.replace("default-mode = passthrough", "default-mode = host"))
    assert drift(machine) == ["the configuration was changed since it was accepted"]
    machine.config("nonsense\n")
    assert drift(machine) == [
        "/etc/vfio-mode.ini was changed since it was accepted, and has errors"]
    (machine.root / "etc/vfio-mode.ini").unlink()
    assert drift(machine) == ["/etc/vfio-mode.ini was removed since it was accepted"]


# --- the lists ---

def test_list_modes(machine):
    machine.in_host_mode()
    table = rows(machine.text("list-modes"))
    assert table == [["MODE", "MARKS", "VFIO-DEVICES"],
                     ["host", "current,fallback", "nic"],
                     ["passthrough", "default", "gpu nic"]]
    assert rows(machine.text("list-modes", "--quiet")) == table[1:]
    for row, mode in zip(table[1:], machine.json("list-modes")["modes"], strict=True):
        assert row[0] == mode["mode"]
        assert row[1].split(",") == [mark for mark in ("current", "default", "fallback")
                                     if mode[mark]]
        assert row[2].split() == mode["vfio_devices"]


def test_list_modes_without_config(machine):
    """The first thing that a new user is told: what to do."""
    assert machine.run("check").stderr == "/etc/vfio-mode.ini: does not exist (vfio-modectl init proposes one)\n"
    for verb in (["list-modes"], ["switch", "passthrough", "--dry-run"]):
        answer = machine.run(*verb)
        assert (answer.returncode, answer.stdout) == (3, "")
        assert "There is no /etc/vfio-mode.ini; vfio-modectl init proposes one." in answer.stderr


def test_list_modes_goes_by_the_accepted_config(machine):
    machine.in_host_mode().config("[nonsense]\n")
    answer = machine.run("list-modes")
    assert answer.returncode == 0
    assert "/etc/vfio-mode.ini:1: " in answer.stderr and "accepted last" in answer.stderr
    assert "passthrough" in answer.stdout


def test_list_devices(machine):
    machine.in_host_mode()
    table = rows(machine.text("list-devices"))
    devices = machine.json("list-devices")["devices"]
    assert machine.text("list") == machine.text("list-devices")
    assert table[0] == ["DEVICE", "ADDRESS", "ID", "GROUP", "DRIVER", "OVERRIDE", "MARKS", "NAME"]
    assert table[1][:7] == ["gpu", GPU, "10de:2484", "1", "nvidia", "-", "boot_vga"]
    assert table[3][:7] == ["nic", NIC, "8086:10d3", "2", "vfio-pci", "vfio-pci", "-"]
    assert table[1:] == [[d["device"], d["address"], d["id"], str(d["iommu_group"]), d["driver"],
                          d["driver_override"] or "-", "boot_vga" if d["boot_vga"] else "-",
                          d["name"]]
                         for d in devices]


def test_list_devices_without_config(machine):
    machine.pc()
    answer = machine.run("list")
    assert answer.returncode == 0
    assert [row[1] for row in rows(answer.stdout)[1:]] == [BRIDGE, GPU, AUDIO, NIC]
    assert {row[0] for row in rows(answer.stdout)[1:]} == {"-"}


def test_tree(machine):
    machine.in_host_mode()
    text = machine.text("list", "--tree")
    assert re.findall(r"^IOMMU group (\d+)$", text, re.MULTILINE) == ["1", "2"]
    assert re.findall(r"^  (0000:\S+)", text, re.MULTILINE) == [BRIDGE, GPU, AUDIO, NIC]
    gpu = text.split(GPU)[1].split(AUDIO)[0]
    assert "[10de:2484]" in gpu
    assert ", driver nvidia, boot_vga, device gpu\n" in gpu
    assert "      host: stays on nvidia\n      passthrough: goes to vfio-pci\n" in gpu
    groups = machine.json("list", "--tree")["groups"]
    assert [group["iommu_group"] for group in groups] == [1, 2]
    functions = [function for group in groups for function in group["functions"]]
    assert [function["address"] for function in functions] == [BRIDGE, GPU, AUDIO, NIC]
    assert "modes" not in functions[0]
    assert functions[1]["modes"] == {"host": {"wanted_driver": "host", "action": "stay"},
                                     "passthrough": {"wanted_driver": "vfio-pci", "action": "move"}}


def test_tree_of_a_mode_that_would_be_refused(machine):
    machine.in_host_mode().add("0000:01:01.0", "8086:1533", "020000", group=1, driver="igb")
    text = machine.text("list", "--tree")
    assert "passthrough: wanted on vfio-pci, but refused (group-not-viable)" in text
    assert "Mode passthrough would be refused (group-not-viable): " in text
    assert machine.json("list", "--tree")["refusals"]["passthrough"]["name"] == "group-not-viable"


def test_tree_knows_of_a_shared_driver(machine):
    load_nvidia(machine.in_host_mode(), GPU, "0000:02:00.0")
    assert machine.json("list", "--tree")["refusals"]["passthrough"]["name"] == "shared-driver"


def test_tree_without_config_or_iommu(machine):
    machine.add(GPU, "10de:2484", "030000", driver="nouveau")
    text = machine.text("list", "--tree")
    assert text.startswith(f"In no IOMMU group\n  {GPU}")
    assert machine.json("list", "--tree")["groups"][0]["iommu_group"] is None


def test_more_functions_than_fit(machine):
    for number in range(300):
        machine.add(f"0000:{number // 32 + 16:02x}:{number % 32:02x}.0", "8086:10d3", "020000")
    answer = machine.run("list")
    assert (answer.returncode, len(rows(answer.stdout))) == (0, 257)
    assert "more than 256" in answer.stderr
    machine.in_host_mode()
    answer = machine.run("list", "--tree")
    assert answer.returncode == 0
    assert re.findall(r"^  (0000:\S+)", answer.stdout, re.MULTILINE) == [BRIDGE, GPU, AUDIO, NIC]


# --- switch ---

def test_dry_run(machine):
    machine.in_host_mode()
    text = machine.text("switch", "passthrough", "--dry-run")
    answer = machine.json("switch", "passthrough", "--dry-run")
    assert text.startswith("To mode passthrough:\n")
    ways = [f"  {'' if way['open'] else 'no '}way back: {way['text']}" for way in answer["ways_back"]]
    assert [f"  {step['text']}" for step in answer["steps"]] + ways == text.splitlines()[1:]
    assert (answer["dry_run"], answer["changed"], answer["refusal"]) == (True, True, None)
    assert [(step["step"], step["text"]) for step in answer["steps"] if step["object"] == GPU] == [
        ("set-override", f"{GPU}: set driver_override to vfio-pci"),
        ("unbind", f"{GPU}: unbind from nvidia"), ("bind", f"{GPU}: bind to vfio-pci")]


def test_dry_run_unloads_a_driver(machine):
    machine.in_host_mode()
    load_nvidia(machine, GPU)
    steps = machine.json("switch", "passthrough", "--dry-run")["steps"]
    said = [(step["step"], step["text"]) for step in steps if step["object"] == GPU]
    assert said[0] == ("set-override", f"{GPU}: set driver_override to vfio-pci")
    assert said[-2:] == [("unload-module", f"{GPU}: unload the module nvidia (in use 3 times)"),
                         ("bind", f"{GPU}: bind to vfio-pci")]
    unloaded = [text for step, text in said if step == "unload-module"]
    assert sorted(unloaded[:3]) == [f"{GPU}: unload the module nvidia_drm (in use 2 times)",
                                    f"{GPU}: unload the module nvidia_modeset",
                                    f"{GPU}: unload the module nvidia_uvm"]
    assert unloaded.index(f"{GPU}: unload the module nvidia_modeset") > unloaded.index(
        f"{GPU}: unload the module nvidia_drm (in use 2 times)")


def test_dry_run_with_nothing_to_do(machine):
    machine.in_host_mode()
    assert machine.text("switch", "host", "--dry-run") == (
        "Nothing would have to be done for mode host.\n")
    answer = machine.json("switch", "host", "--dry-run")
    assert (answer["changed"], answer["steps"]) == (False, [])


def no_iommu(machine):
    for group in ("class/iommu", "kernel/iommu_groups"):
        shutil.rmtree(machine.root / "sys" / group)


def below_gpu(machine, kind, name):
    """Hangs a device of a class below the GPU, which is as good as any other function."""
    links = machine.root / "sys/class" / kind
    links.mkdir(parents=True)
    (links / name).symlink_to(f"../../devices/pci0000:00/{BRIDGE}/{GPU}/{kind}/{name}")
    return machine


def needs_route(machine):
    below_gpu(machine, "net", "eth0").write(
        "proc/net/route", "eth0 00000000 0102000A 0003 0 0 0 00000000 0 0 0\n")


def needs_disk(machine):
    below_gpu(machine, "block", "sda").write(
        "proc/self/mountinfo", "21 1 8:0 / / rw - ext4 /dev/sda rw\n")
    (machine.root / "sys/dev/block").mkdir(parents=True)
    (machine.root / "sys/dev/block/8:0").symlink_to("../../devices/x/sda")


def needs_keyboard(machine):
    where = machine.root / f"sys/devices/pci0000:00/{BRIDGE}/{GPU}/input/input3/capabilities"
    where.mkdir(parents=True)
    (where / "key").write_text("7 fffffffffffffffe\n")
    below_gpu(machine, "input", "input3")


def load_nvidia(machine, *addresses):
    """nvidia as a module that two others hold, one of them held by a third; bound to these functions."""
    for name, references, holder in (("nvidia", 5, "nvidia_modeset"), ("nvidia", 5, "nvidia_uvm"),
                                     ("nvidia_modeset", 1, "nvidia_drm"), ("nvidia_drm", 2, None),
                                     ("nvidia_uvm", 0, None)):
        machine.write(f"sys/module/{name}/refcnt", f"{references}\n")
        if holder:
            machine.write(f"sys/module/{name}/holders/{holder}", "")
    driver = machine.root / "sys/bus/pci/drivers/nvidia"
    (driver / "module").symlink_to("../../../../module/nvidia")
    for address in addresses:
        (driver / address).symlink_to(f"../../../../devices/{address}")


REFUSALS = {
    "unknown-mode": (3, lambda m: m.config(CONFIG.replace("passthrough", "other"))),
    "config-invalid": (3, lambda m: m.config("nonsense\n")),
    "fallback-takes-display": (3, lambda m: m.config(CONFIG.replace("= nic\n", "= nic gpu\n"))),
    "not-found": (5, lambda m: m.config(CONFIG.replace(GPU, "0000:09:00.0"))),
    "other-device-there": (5, lambda m: m.config(CONFIG.replace("10de:2484", "1002:73bf"))),
    "ambiguous-id": (5, lambda m: m.config(CONFIG.replace(f"address = {GPU}\n", "")).add(
        "0000:02:00.0", "10de:2484", "030000", group=3)),
    "no-iommu": (5, no_iommu),
    "group-not-viable": (5, lambda m: m.add("0000:01:01.0", "8086:1533", "020000", group=1,
                                            driver="igb")),
    "drives-the-console": (6, lambda m: m.config(CONFIG.replace("consent = boot-vga\n", ""))),
    "would-cut-network": (6, needs_route),
    "would-cut-storage": (6, needs_disk),
    "would-cut-input": (6, needs_keyboard),
    "shared-driver": (6, lambda m: load_nvidia(m, GPU, "0000:02:00.0")),
    "conflicting-owner": (5, lambda m: m.write(f"etc/driverctl.d/pci-{GPU}", "vfio-pci\n")),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_dry_run_refused(machine, name):
    code, spoil = REFUSALS[name]
    machine.in_host_mode()
    spoil(machine)
    answer = machine.run("switch", "passthrough", "--dry-run")
    assert (answer.returncode, answer.stdout) == (code, "")
    assert answer.stderr.rstrip().endswith(f"({name})")
    refusal = machine.json("switch", "passthrough", "--dry-run", code=code)["refusal"]
    assert (refusal["name"], refusal["exit_code"]) == (name, code)
    assert refusal["text"] in answer.stderr


@pytest.mark.parametrize("consent, need", [("network", needs_route), ("input", needs_keyboard)])
def test_dry_run_with_consent(machine, consent, need):
    machine.in_host_mode()
    machine.config(CONFIG.replace("consent = boot-vga", f"consent = boot-vga {consent}"))
    need(machine)
    assert machine.json("switch", "passthrough", "--dry-run")["changed"] is True


def test_tree_with_what_the_host_needs(machine):
    machine.in_host_mode()
    needs_route(machine)
    text = machine.text("list", "--tree")
    assert "Mode passthrough would be refused (would-cut-network): eth0, which carries" in text


def test_dry_run_of_the_way_back_with_a_typo(machine):
    machine.pc(gpu="vfio-pci", audio="vfio-pci").config("nonsense\n").accepted()
    machine.state("passthrough", homes=[f"{GPU} nvidia -", f"{AUDIO} snd_hda_intel -"])
    steps = machine.json("switch", "host", "--dry-run")["steps"]
    assert [(s["object"], s["text"]) for s in steps if s["step"] == "bind"] == [
        (GPU, f"{GPU}: bind to nvidia"), (AUDIO, f"{AUDIO}: bind to snd_hda_intel")]


def test_dry_run_of_the_way_back_without_config(machine):
    machine.pc(gpu="vfio-pci", nic="e1000e").state("passthrough", homes=[f"{GPU} nvidia -"])
    steps = machine.json("switch", "host", "--dry-run")["steps"]
    assert [step["object"] for step in steps] == [GPU] * len(steps) and steps
    machine.json("switch", "passthrough", "--dry-run", code=3)


def test_dry_run_half_way(machine):
    machine.pc(gpu="vfio-pci").config().accepted().state("host")
    machine.state("passthrough", "host", name="undo", homes=[f"{GPU} nvidia -"])
    answer = machine.run("switch", "host", "--dry-run")
    assert f"  {GPU}: bind to nvidia\n" in answer.stdout
    assert "was cut short" in answer.stderr


# --- check ---

def test_check(machine, tmp_path):
    machine.config()
    assert machine.text("check") == "/etc/vfio-mode.ini: no errors; 2 modes, 2 devices\n"
    assert machine.text("check", "--quiet") == ""
    assert machine.json("check") == {"schema": 1, "path": "/etc/vfio-mode.ini", "ok": True,
                                     "errors": []}
    (tmp_path / "new.ini").write_text(CONFIG)
    assert run("check", f"--config={tmp_path}/new.ini").returncode == 0


def test_check_with_errors(machine, tmp_path):
    new = tmp_path / "new.ini"
    new.write_text("[device gpu]\naddress = 1:0\n[mode a]\nvfio-devices = gpu\nwrong = 1\n")
    for quiet in ([], ["--quiet"]):
        answer = run("check", f"--config={new}", *quiet)
        assert (answer.returncode, answer.stdout) == (3, "")
        lines = answer.stderr.splitlines()
        assert lines[0].startswith(f"{new}:2: ") and lines[1].startswith(f"{new}:5: ")
    answer = json.loads(run("check", f"--config={new}", "-j").stdout)
    assert answer["ok"] is False
    assert [f"{e['file']}:{e['line']}: {e['text']}" for e in answer["errors"]] == lines
    assert machine.run("check").returncode == 3
    assert run("check", f"--config={tmp_path}/missing.ini").returncode == 3


# --- what a terminal must not be told ---

def is_clean(text):
    return not re.search("[\0-\x09\x0b-\x1f\x7f\x80-\x9f\u202e]", text)


def test_hostile_names(machine, tmp_path):
    evil = EVIL.replace("\n", "")
    machine.in_host_mode()
    machine.add("0000:02:00.0", "1234:5678", "030000", group=7, driver=f"x{evil}", override=evil)
    machine.add("0000:03:00.0", "1234:5679", "030000", group=8, driver=f"y{EVIL}")
    machine.config(CONFIG + f"[mode {evil}]\n{evil} = {evil}\n")
    machine.state("passthrough", reason=f"{evil}")
    machine.result("failed", text=evil).result(name="boot", text=evil)
    (tmp_path / f"{evil}.ini").write_text(f"{evil}")
    for arguments in (["status"], ["list"], ["list", "--tree"], ["list-modes"], ["check"],
                      ["switch", evil, "--dry-run"], ["help", evil], [evil], [f"--{evil}"],
                      ["check", f"--config={tmp_path}/{evil}.ini"]):
        for json_option in ([], ["--json=short"], ["--json=pretty"]):
            answer = machine.run(*json_option, *arguments)
            assert is_clean(answer.stdout) and is_clean(answer.stderr), arguments
            assert answer.returncode in (0, 2, 3)
            if json_option and answer.stdout:
                json.loads(answer.stdout)
    assert "\\x1b]0;owned\\x07" in machine.text("list", "--tree")


def test_bytes_that_are_no_utf_8(machine):
    machine.pc()
    override = machine.root / "sys/bus/pci/devices" / GPU / "driver_override"
    override.write_bytes(b"\xff\xc0\xaf\xed\xa0\x80ok\xc3\xa9\n")
    device = machine.json("list")["devices"][1]
    assert device["driver_override"] == "\\xff\\xc0\\xaf\\xed\\xa0\\x80oké"


# --- terminals ---

def on_terminal(arguments, **environment):
    """Runs it on a terminal and returns what that got."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(shutil.which(PROGRAM), [PROGRAM, *arguments],
                  {"PATH": os.environ["PATH"], "TERM": "xterm", **sanitizers(), **environment})
    output = b""
    try:
        while select.select([terminal], [], [], 30)[0]:
            data = os.read(terminal, 4096)
            if not data:
                break
            output += data
        else:
            os.kill(pid, signal.SIGKILL)
    except OSError:  # the other side is closed
        pass
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(terminal)
    assert status == 0, output
    return output.decode().replace("\r\n", "\n")


def test_colour(machine):
    machine.in_host_mode()
    arguments = ["--root", str(machine.root), "--no-pager", "status"]
    plain = machine.text("status")
    assert "\033" not in plain
    coloured = on_terminal(arguments, TZ="UTC")
    assert "\033[32mhost\033[0m" in coloured
    assert re.sub(r"\033\[[0-9;]*m", "", coloured) == plain
    assert on_terminal(arguments, NO_COLOR="1", TZ="UTC") == plain
    assert on_terminal(arguments, TERM="dumb", TZ="UTC") == plain
    assert "\033[32m" in on_terminal(arguments, NO_COLOR="")


def test_json_on_a_terminal(machine):
    machine.in_host_mode()
    arguments = ["--root", str(machine.root), "-j", "list-modes"]
    assert on_terminal(arguments) == machine.text("list-modes", "--json=pretty")
    assert machine.text("-j", "list-modes") == machine.text("--json=short", "list-modes")
    assert machine.text("--json=off", "list-modes") == machine.text("list-modes")


def test_pager(machine, tmp_path):
    machine.in_host_mode()
    (tmp_path / "less").write_text("#!/bin/sh\nsed 's/^/paged: /'\n")
    (tmp_path / "less").chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    arguments = ["--root", str(machine.root), "list-modes"]
    assert on_terminal(arguments, PATH=path).splitlines()[0].startswith("paged: ")
    for plain in (on_terminal([*arguments, "--no-pager"], PATH=path),
                  on_terminal(arguments, PAGER=""), on_terminal(arguments, PAGER="cat"),
                  on_terminal(["-j", *arguments], PATH=path),
                  machine.run("list-modes", PATH=path).stdout):
        assert "paged" not in plain and "passthrough" in plain
