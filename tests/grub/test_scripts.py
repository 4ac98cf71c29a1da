# SPDX-License-Identifier: GPL-2.0-or-later
"""What the scripts of conf/grub write, and that nothing makes them fail."""

import os
import re
import stat
import subprocess
from pathlib import Path

import pytest
from model import Model
from scripts import COMMENT, CONF, SCRIPTS, Machine, syntax_errors

DEFAULT = """
GRUB_DISTRIBUTOR=Debian
GRUB_CMDLINE_LINUX_DEFAULT=quiet
GRUB_CMDLINE_LINUX=console=tty0
"""
INI = """
[device gpu]
address = 0000:01:00.0
[mode passthrough]
vfio-devices = gpu
cmdline = nosmt=force
[mode router]
vfio-devices = gpu
"""
OLD, NEW = "6.1.0-1-amd64", "6.12.0-2-amd64"
NAMES = ("host", "passthrough", "router")
MENU = "vfio_mode.boot=menu.0.0"


def _versions() -> dict[str, Path]:
    """Root directories with a GRUB: this machine's, and those that the emulated PC is built from."""
    cache = Path(os.environ.get("VFIO_MODE_CACHE") or Path(
        os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vfio-mode")
    found = {"here": Path("/")}
    for suite in ("bookworm", "trixie"):
        for script in sorted(cache.glob(f"{suite}/tree-*/root/etc/grub.d/10_linux"))[-1:]:
            here = Path("/etc/grub.d/10_linux")
            if not here.exists() or script.read_bytes() != here.read_bytes():
                found[suite] = script.parents[2]
    return found


VERSIONS = _versions()


def debian_machine(machine: Machine, root: Path) -> Machine:
    """Two kernels, the default/grub of a fresh installation, and the scripts of this GRUB."""
    script = root / "etc/grub.d/10_linux"
    if not script.exists():
        pytest.skip(f"no {script}")
    machine.install_10_linux(script)
    library = machine.path("usr/share/grub/grub-mkconfig_lib")
    library.write_text(library.read_text().replace("/usr/share/grub", str(root / "usr/share/grub")))
    (machine.path("etc/default") / "grub").write_text(DEFAULT)
    for version in (OLD, NEW):
        machine.kernel(version)
    return machine


@pytest.fixture(params=VERSIONS)
def grub(request: pytest.FixtureRequest) -> Path:
    """The root directory that GRUB's own scripts are taken from."""
    return VERSIONS[request.param]


@pytest.fixture
def any_debian(machine: Machine, grub: Path) -> Machine:
    return debian_machine(machine, grub)


@pytest.fixture
def debian(machine: Machine) -> Machine:
    return debian_machine(machine, VERSIONS["here"])


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What 10_linux writes, which takes it a second, as a script that takes none."""
    machine = debian_machine(Machine(tmp_path_factory.mktemp("recorded")), VERSIONS["here"])
    written = machine.run("10_linux", GRUB_CMDLINE_LINUX_DEFAULT="quiet @",
                          GRUB_DISABLE_RECOVERY="true")
    assert written.returncode == 0 and menu(written.stdout)
    return f"sed \"s|quiet @|$GRUB_CMDLINE_LINUX_DEFAULT|\" <<'END'\n{written.stdout}END\n"


@pytest.fixture
def quick(machine: Machine, recorded: str) -> Machine:
    machine.program("etc/grub.d/10_linux", recorded)
    return machine


def menu(config: str) -> dict[str, tuple[str, str]]:
    """Title and `linux` line by the entry's id."""
    entries = re.findall(r"menuentry '(.*?)' --class .*?menuentry_id_option '(.*?)' {(.*?)\n\s*}",
                         config, re.S)
    found = {}
    for title, name, body in entries:
        assert name not in found, "an id is there twice"
        lines = re.findall(r"^\s*linux\s+(.*)", body, re.M)
        assert len(lines) == 1
        found[name] = (title, lines[0])
    return found


def ours(config: str) -> dict[str, tuple[str, str]]:
    return {name: entry for name, entry in menu(config).items() if name.startswith("vfio-mode-")}


# ---- 09_vfio-mode ----


@pytest.mark.parametrize("place", ["prefix vfio-mode/vfio-mode.env",
                                   "esp CAFE-1234 EFI/vfio-mode/vfio-mode.env"])
def test_the_environment_is_read(machine: Machine, place: str) -> None:
    result = machine.says(f"echo {place}").run("09_vfio-mode")
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines.count(COMMENT) == 1 and lines[-1] == "export vfio_args"
    assert syntax_errors(result.stdout) == ""
    assert not re.search(r"\broot=", result.stdout), "GRUB's root is not ours to set"
    # By these daemon/boot/boot-loader.c knows where GRUB looks.
    assert ('set vfio_file="${prefix}/' in result.stdout) == place.startswith("prefix")
    assert ("--set=vfio_root CAFE-1234\n" in result.stdout) == place.startswith("esp")
    # The language's own, and those that Debian's signed image has; what else there is may be a module on
    # the disk.
    words = set(re.findall(r"(?:^|; |then |if )\s*([a-z_\[]+)(?=[ ;\n])", result.stdout, re.M))
    assert words <= {"set", "if", "then", "elif", "else", "fi", "for", "do", "done", "[", "load_env",
                     "save_env", "export", "search", "insmod"}


def test_each_load_names_what_it_loads(machine: Machine) -> None:
    loads = re.findall(r"load_env (.*)", machine.run("09_vfio-mode").stdout)
    assert loads
    for arguments in loads:
        assert re.fullmatch(r'-f "\${vfio_file}"( vfio_[a-z]+)+', arguments)


@pytest.mark.parametrize("program, reason", [
    ("echo 'The disk is a RAID.'; exit 25", "The disk is a RAID."),
    ("exit 25", "grub-environment failed"),
    ("kill -9 $$", "grub-environment failed"),
    ("echo 'No memory.' >&2; exit 21", "grub-environment failed"),
    ("true", "said nothing that GRUB can be told"),
    ("echo prefix", "said nothing that GRUB can be told"),
    ("echo 'prefix a$(reboot)'", "said nothing that GRUB can be told"),
    ("echo 'esp 1;2 EFI/x'", "said nothing that GRUB can be told"),
    ("echo 'esp 1 EFI/\"'", "said nothing that GRUB can be told"),
    ("printf 'two\\nlines }\\n'; exit 25", "two\n# vfio-mode: lines }"),
    ("printf 'prefix a\\nprefix b\\n'", "said nothing that GRUB can be told"),
])
def test_a_refusal_is_a_comment_and_a_message(machine: Machine, program: str, reason: str) -> None:
    result = machine.says(program).run("09_vfio-mode")
    assert result.returncode == 0
    assert reason in result.stdout and reason.partition("\n")[0] in result.stderr
    assert all(line.startswith("# vfio-mode: ") for line in result.stdout.splitlines())
    assert COMMENT not in result.stdout


@pytest.mark.parametrize("end", ["echo prefix a/b.env", "exit 21"])
def test_messages_of_the_program_stay_outside(machine: Machine, end: str) -> None:
    result = machine.says(f"echo A file was made. >&2; {end}").run("09_vfio-mode")
    assert "A file was made." in result.stderr and "A file was made." not in result.stdout
    assert (COMMENT in result.stdout) == end.startswith("echo")


def test_without_the_variable_on_the_command_line(machine: Machine) -> None:
    machine.asks()
    result = machine.run("09_vfio-mode", GRUB_CMDLINE_LINUX_DEFAULT="quiet")
    assert result.returncode == 0 and COMMENT not in result.stdout
    assert ". /etc/default/grub.d/vfio-mode.cfg" in result.stderr
    result = machine.run("09_vfio-mode")
    assert result.returncode == 0 and COMMENT in result.stdout


def test_entries_in_files_do_not_carry_a_mode(machine: Machine) -> None:
    ran = machine.path("ran")
    machine.asks().program("etc/grub.d/10_linux", f"touch {ran}; echo blscfg\n")
    for script in SCRIPTS:
        result = machine.run(script, GRUB_ENABLE_BLSCFG="true")
        assert result.returncode == 0 and COMMENT not in result.stdout
        assert "Boot Loader Specification" in result.stderr
        assert re.fullmatch(r"# vfio-mode: .*\n", result.stdout)
        if script == "09_vfio-mode":  # which the programs go by; see tests/bus/test_boot_loaders.py
            assert "chosen for the next boot: the boot menu's entries are files (Boot Loader Specification) " \
                "and carry no mode\n" in result.stdout
    assert not ran.exists(), "10_linux may write the entries' files"


@pytest.mark.parametrize("script", SCRIPTS)
def test_left_behind_by_a_removed_package(machine: Machine, script: str) -> None:
    for name in ("grub-functions.sh", "vfio-mode-apply"):
        machine.path(f"usr/libexec/vfio-mode/{name}").unlink()
        result = machine.run(script)
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


# ---- 11_vfio-mode ----


def test_nothing_to_choose_from_without_a_configuration(quick: Machine) -> None:
    quick.path("etc/vfio-mode.ini").unlink()
    result = quick.run("11_vfio-mode")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_entries_of_each_mode_and_kernel(any_debian: Machine) -> None:
    newest = "6.13.0-3-amd64"
    any_debian.kernel(newest)
    any_debian.path(f"boot/vmlinuz-{OLD}").unlink()
    result = any_debian.run("11_vfio-mode")
    assert (result.returncode, result.stderr) == (0, "")
    assert syntax_errors(result.stdout) == ""
    found = ours(result.stdout)
    assert len(found) == len(NAMES) * 3
    assert [title for title, _ in found.values()] == [
        f"Debian GNU/Linux{middle}, {name} mode"
        for middles in ([""], [f", with Linux {newest}", f", with Linux {NEW}"])
        for name in NAMES for middle in middles]
    ends = {"host": f" vfio_mode=fallback {MENU}", "router": f" vfio_mode=router panic=10 {MENU}",
            "passthrough": f" vfio_mode=passthrough nosmt=force kvm.ignore_msrs=1 panic=10 {MENU}"}
    for title, line in found.values():
        mode = title.rpartition(", ")[2].removesuffix(" mode")
        version = NEW if NEW in title else newest
        assert line.startswith(f"/boot/vmlinuz-{version} ") and line.endswith(ends[mode])
        assert " ro console=tty0 quiet " in line and "$vfio_args" not in line
        assert line.count("vfio_mode=") == 1
    assert result.stdout.count("submenu ") == 1


@pytest.mark.parametrize("modes, message", [
    ("echo 'vfio-mode.ini:3: unknown key' >&2; exit 23", "vfio-mode.ini:3: unknown key"),
    ("exit 23", ""),
    ("kill -9 $$", ""),
])
def test_a_broken_configuration_leaves_the_host_entry(quick: Machine, modes: str, message: str,
                                                      ) -> None:
    result = quick.says(modes=modes).run("11_vfio-mode")
    assert result.returncode == 0
    assert message in result.stderr and "for the fallback mode only" in result.stderr
    assert [title for title, _ in ours(result.stdout).values()] == [
        "Debian GNU/Linux, host mode", f"Debian GNU/Linux, with Linux {NEW}, host mode",
        f"Debian GNU/Linux, with Linux {OLD}, host mode"]
    assert syntax_errors(result.stdout) == ""


def test_modes_that_are_no_modes(quick: Machine) -> None:
    evil = ["a;b\t", "fallback\tx", "\tx", "Upper\t", "ok\tnosmt", "q\ta'b", "d\t$root", "p\ta|b",
            "s\ta\\\\b", "b\ta{b}", "n\t\"x\"", "amp\ta&b"]
    lines = "\\n".join(evil).replace("'", "'\\''").replace("\t", "\\t")
    result = quick.says(modes=f"printf '{lines}\\n'").run("11_vfio-mode")
    assert result.returncode == 0 and syntax_errors(result.stdout) == ""
    assert {title.rpartition(", ")[2] for title, _ in ours(result.stdout).values()} == {
        "host mode", "ok mode"}


def test_another_mode_named_host(quick: Machine) -> None:
    result = quick.says(modes="printf 'host\\t\\n'").run("11_vfio-mode")
    titles = [title for title, _ in ours(result.stdout).values()]
    assert len(set(titles)) == len(titles) == 6
    assert "Debian GNU/Linux, fallback mode" in titles and "Debian GNU/Linux, host mode" in titles


def test_users_and_classes_with_quotes(quick: Machine, recorded: str) -> None:
    """What an administrator adds to the entries of 10_linux, as for a password, stays as it is."""
    quick.program("etc/grub.d/10_linux",
                  recorded.replace(" --class gnu-linux ", " --users 'alice,bob' --class 'gnu-linux' "))
    result = quick.run("11_vfio-mode")
    assert result.returncode == 0 and syntax_errors(result.stdout) == ""
    entries = re.findall(r"menuentry '(.*?)' .*?--users (\S+) --class (\S+) .*menuentry_id_option '(.*?)'",
                         result.stdout)
    assert len(entries) == len(NAMES) * 3
    for title, users, word, name in entries:
        assert title.startswith("Debian") and re.search(r", (host|passthrough|router) mode$", title), title
        assert (users, word) == ("'alice,bob'", "'gnu-linux'") and name.startswith("vfio-mode-")


def test_titles_with_quotes(quick: Machine, recorded: str) -> None:
    quick.program("etc/grub.d/10_linux", recorded.replace("'Debian", """'Grandma'\\''s "PC" & more"""))
    result = quick.run("11_vfio-mode")
    assert result.returncode == 0 and syntax_errors(result.stdout) == ""
    assert result.stdout.count("""'Grandma'\\''s "PC" & more""") == 9
    assert result.stdout.count(", passthrough mode' --class") == 3


def test_a_password_is_asked_for_as_10_linux_says(quick: Machine, recorded: str) -> None:
    assert "--unrestricted" not in quick.run("11_vfio-mode").stdout
    quick.program("etc/grub.d/10_linux",
                  recorded.replace(" --class debian", " --unrestricted --class debian"))
    result = quick.run("11_vfio-mode")
    assert syntax_errors(result.stdout) == ""
    assert result.stdout.count(" --unrestricted ") == result.stdout.count("menuentry ") == 9
    assert result.stdout.count("_option 'vfio-mode-") == 9
    assert result.stdout.count(", router mode' --unrestricted") == 3


def test_tools_of_another_name(quick: Machine) -> None:
    library = quick.path("usr/share/grub/grub-mkconfig_lib")
    library.write_text("grub_mkrelpath=" + str(quick.path("usr/bin/grub2-mkrelpath")))
    quick.program("usr/bin/grub2-script-check", f"cat > {quick.path('checked')}; exit 1\n")
    result = quick.run("11_vfio-mode")
    assert result.returncode == 0 and "none that GRUB understands" in result.stderr
    assert len(ours(quick.path("checked").read_text())) == 9


def test_a_library_that_is_missing_is_no_failure(quick: Machine) -> None:
    quick.path("usr/share/grub/grub-mkconfig_lib").unlink()
    result = quick.run("11_vfio-mode")
    assert (result.returncode, result.stderr) == (0, "") and len(ours(result.stdout)) == 9


@pytest.mark.parametrize("script, reason", [
    (None, "is not there or switched off"),
    ("#!/bin/sh\nexit 1\n", "failed"),
    ("#!/bin/sh\necho insmod blscfg\necho blscfg\n", "writes none that could be repeated"),
    ("#!/bin/sh\n", "writes none that could be repeated"),
    ("#!/bin/sh\necho \"menuentry 'x' {\"\necho '\tlinux /x vfio_mode.boot=PLACEHOLDER'\necho '}'\n",
     "gives them no identifiers"),
    ("#!/bin/sh\necho \"menuentry 'x' --class y \\$menuentry_id_option 'z' {\"\n"
     "echo '\tlinux /x vfio_mode.boot=PLACEHOLDER'\necho ' ))'\necho '}'\n",
     "none that GRUB understands"),
])
def test_another_10_linux(machine: Machine, script: str | None, reason: str) -> None:
    if script:
        machine.program("etc/grub.d/10_linux", script, shebang="")
    result = machine.run("11_vfio-mode")
    assert result.returncode == 0 and reason in result.stderr
    assert all(line.startswith("# vfio-mode: ") for line in result.stdout.splitlines())


@pytest.mark.parametrize("default, submenu, kept", [
    ("0", "", True), ("1", "", True), ("1>2", "", True), ("2", "", False), ("3>0", "y", True),
    ("gnulinux-x>2", "", True), ("Debian 7", "", True), ("", "", True), ("4", "true", False),
])
def test_a_default_that_is_a_number_is_not_moved(quick: Machine, default: str, submenu: str,
                                                 kept: bool) -> None:
    result = quick.run("11_vfio-mode", GRUB_ACTUAL_DEFAULT=default, GRUB_DISABLE_SUBMENU=submenu,
                        GRUB_DISABLE_RECOVERY="true")
    if submenu:  # two kernels are two entries
        kept = int(default[0]) < 2
    assert bool(ours(result.stdout)) == kept
    assert ("name it by its title or id" in result.stderr) != kept


# ---- The whole of grub.cfg ----


def mkconfig(machine: Machine, grub: Path = VERSIONS["here"]) -> str:
    result = machine.mkconfig(grub / "usr/sbin/grub-mkconfig")
    assert result.returncode == 0, result.stderr
    assert syntax_errors(machine.grub_cfg) == ""
    return machine.grub_cfg


def test_the_whole_configuration(any_debian: Machine, grub: Path) -> None:
    config = mkconfig(any_debian, grub)
    assert config.index(COMMENT) < config.index("menuentry ")
    entries = menu(config)
    theirs = {name: line for name, (_, line) in entries.items() if not name.startswith("vfio-mode-")}
    assert len(theirs) == 5 and len(ours(config)) == 9
    for name, line in theirs.items():
        if "-recovery-" in name:
            assert "$vfio_args" not in line and " single" in line
        else:
            assert line.endswith(" quiet $vfio_args")
    if "GRUB_CMDLINE_LINUX_RECOVERY" in (grub / "usr/sbin/grub-mkconfig").read_text():
        assert all(" vfio_mode=fallback " in f"{line} " for name, line in theirs.items()
                   if "-recovery-" in name)


def test_recovery_entries_where_friendly_recovery_is(any_debian: Machine, grub: Path,
                                                      model: Model) -> None:
    """Ubuntu's say `recovery`; GRUB 2.06 lets them say nothing else."""
    any_debian.program("lib/recovery-mode/recovery-menu", "")
    lines = [line.split() for name, (_, line) in menu(mkconfig(any_debian, grub)).items()
             if "-recovery-" in name]
    assert len(lines) == 2
    for words in lines:
        assert "recovery" in words and "single" not in words
    assert model.config(b"[mode passthrough]\ncmdline = recovery\n") is None


def test_where_default_grub_d_is_not_read(quick: Machine, tmp_path: Path) -> None:
    """GRUB as its makers publish it (Arch, openSUSE): a line in default/grub is what is missing."""
    theirs = VERSIONS["here"] / "usr/sbin/grub-mkconfig"
    loop = re.compile(r"^for x in .*default/grub\.d/.*?^done\n", re.M | re.S)
    upstream, patches = loop.subn("", theirs.read_text())
    assert patches == 1
    (tmp_path / "usr/sbin").mkdir(parents=True, exist_ok=True)
    (tmp_path / "usr/sbin/grub-mkconfig").write_text(upstream)
    default = quick.path("etc/default/grub")
    default.write_text(DEFAULT)
    quick.asks().path("etc/vfio-mode.ini").write_text(INI)
    config = mkconfig(quick, tmp_path)
    line = ". /etc/default/grub.d/vfio-mode.cfg"
    assert COMMENT not in config and "$vfio_args\n" not in config
    header = (CONF.parents[1] / "daemon/boot/boot-loader.h").read_text()
    for name in ("GRUB_SCRIPT_REFUSAL", "GRUB_SCRIPT_MARK"):
        said = re.search(rf'#define {name} "(.*)"', header)[1]
        assert said in config if name.endswith("REFUSAL") else said == COMMENT
    assert f"$vfio_args is not on the kernel's command line: put the line '{line}' at the end of" in config
    assert len(menu(config)) == 12, "the menu's entries need no variable"

    default.write_text(DEFAULT + line.replace("/etc", str(quick.path("etc"))) + "\n")
    config = mkconfig(quick, tmp_path)
    assert COMMENT in config and len(menu(config)) == 12
    assert all(entry.endswith(" $vfio_args") for name, (_, entry) in menu(config).items()
               if not name.startswith("vfio-mode-"))


def test_a_machine_that_refuses_everything_has_its_menu(quick: Machine) -> None:
    (quick.path("etc/default") / "grub").write_text(DEFAULT)
    quick.says("echo No place.; exit 25", "exit 23")
    config = mkconfig(quick)
    assert COMMENT not in config and len(ours(config)) == 3 and len(menu(config)) == 6
    quick.path("usr/libexec/vfio-mode/vfio-mode-apply").unlink()
    assert len(menu(mkconfig(quick))) == 3


@pytest.mark.parametrize("default, recovery, expected", [
    ("quiet", "", "quiet $vfio_args|single vfio_mode=fallback"),
    ("", "", "$vfio_args|single vfio_mode=fallback"),
    ("a $vfio_args b", "single x", "a $vfio_args b|single x vfio_mode=fallback"),
    ("quiet", "single vfio_mode=other", "quiet $vfio_args|single vfio_mode=other"),
])
def test_the_snippet_may_be_sourced_twice(default: str, recovery: str, expected: str) -> None:
    snippet = CONF / "vfio-mode.cfg"
    result = subprocess.run(
        ["sh", "-euc", f'. {snippet}; . {snippet}; echo "$GRUB_CMDLINE_LINUX_DEFAULT|'
         '$GRUB_CMDLINE_LINUX_RECOVERY"'], capture_output=True, text=True, check=True,
        env={"GRUB_CMDLINE_LINUX_DEFAULT": default, "GRUB_CMDLINE_LINUX_RECOVERY": recovery})
    assert result.stdout == expected + "\n"


# ---- Their installation ----


def test_they_are_installed_executable() -> None:
    built = (CONF / "meson.build").read_text()
    assert "rwxr-xr-x" in built
    for script in SCRIPTS:
        assert f"'{script}'" in built
        assert (CONF / f"{script}.in").stat().st_mode & stat.S_IXUSR
