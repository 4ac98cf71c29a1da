# SPDX-License-Identifier: GPL-2.0-or-later
"""What the documentation says is what the source has: keys and defaults, refusals and exit
statuses, verbs, options, units and files. Needs neither root nor network:

    VFIO_MODECTL=build/daemon/vfio-modectl python3 -m pytest tests/docs

What takes the program is skipped without it. The tables are read from the C sources as text, so they
have to stay tables.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

SOURCE = Path(__file__).resolve().parents[2]
README = (SOURCE / "README.md").read_text(encoding="utf-8")
PATHS = [path for folder in ("daemon", "conf", "units")
         for path in sorted((SOURCE / folder).rglob("*.[1-8]"))]
PAGES = {path.name: path.read_text(encoding="utf-8") for path in PATHS}
DOCUMENTS = {"README.md": README, **PAGES}
INI_PAGE, UNIT_PAGE, CTL_PAGE = "vfio-mode.ini.5", "vfio-mode@.service.8", "vfio-modectl.1"
EXIT_APPLY_BASE = 20
STRING = r'"(?:[^"\\]|\\.)*"'
UNREADABLE = "rows that this test cannot read"


def source(path: str) -> str:
    return (SOURCE / path).read_text(encoding="utf-8")


def between(text: str, begin: str, end: str) -> str:
    assert begin in text
    return text.partition(begin)[2].partition(end)[0]


def joined(literals: str) -> str:
    """C's adjacent string literals as one text."""
    return "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literals))


# ---- The sources' tables ----


class Key(NamedTuple):
    section: str
    name: str
    default: str


def keys() -> list[Key]:
    row = re.compile(rf"KEY\(\s*(\w+),\s*({STRING}),\s*\w+,\s*((?:{STRING}\s*)+),"
                     rf"\s*(?:{STRING}\s*)+,\s*{STRING}")
    found = [Key(match[1].lower(), joined(match[2]), joined(match[3]))
             for match in row.finditer(source("daemon/model/config-keys.c"))]
    enum = between(source("daemon/model/config-keys.h"), "typedef enum ConfigKeyId {", "}")
    assert len(found) == len(re.findall(r"\bCONFIG_KEY_\w+", enum)) - 1, UNREADABLE
    return found


class Refusal(NamedTuple):
    name: str
    sentence: str
    status: int


def refusals() -> list[Refusal]:
    header = source("daemon/model/refusal.h")
    codes = {name: int(value) for name, value in re.findall(r"(EXIT_CODE_\w+) = (\d+)", header)}
    row = re.compile(rf"\[REFUSAL_\w+\]\s*=\s*{{\s*({STRING}),\s*((?:{STRING}\s*)+),"
                     r"\s*(EXIT_CODE_\w+)")
    found = [Refusal(joined(name), joined(sentence), codes[code])
             for name, sentence, code in row.findall(source("daemon/model/refusal.c"))]
    enum = between(header, "typedef enum RefusalKind {", "}")
    assert len(found) == len(re.findall(r"^\s*REFUSAL_\w+", enum, re.M)), UNREADABLE
    return [refusal for refusal in found if refusal.name != "none"]


def verbs() -> set[str]:
    """Names and aliases of the verbs."""
    found: set[str] = set()
    for path in (SOURCE / "daemon/ctl").glob("*.c"):
        text = path.read_text(encoding="utf-8")
        for body in re.findall(r"^const Verb \w+ = {\n(.*?)^};", text, re.M | re.S):
            found.update(re.findall(r'\.(?:name|alias) = "([^"]+)"', body))
    assert found
    return found


def options() -> set[str]:
    """Long options of vfio-modectl that it does not refuse."""
    table = re.findall(r'\{ "([a-z-]+)", \w+, NULL, ([^}]*) }', source("daemon/ctl/command-line.c"))
    assert table
    return {f"--{name}" for name, value in table if "OPTION_LATER" not in value}


# ---- The documents ----


def sections(page: str) -> dict[str, str]:
    parts = re.split(r"^\.Sh (.*)\n", PAGES[page], flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def flat(mdoc: str) -> str:
    """The text of mdoc source without its macros."""
    lines = (re.sub(r"^\.[A-Z][a-z]\b ?", "", line) for line in mdoc.splitlines())
    return " ".join(line for line in lines if line)


def documented_keys() -> dict[tuple[str, str], str]:
    """The default of each key that the page describes."""
    found = {}
    for title, text in sections(INI_PAGE).items():
        kind = re.match(r"SECTION \[(\w+)", title)
        items = re.findall(r"^\.It Cm ([\w-]+)\n(.*?)(?=^\.It Cm |\Z)", text, re.M | re.S)
        for name, body in items:
            assert kind, f"{name} is described in {title}"
            default = re.search(r"^Default:\n(.*)$", body, re.M)
            assert default, f"{name} has no default"
            found[kind[1], name] = flat(default[1])
    return found


def code(text: str) -> list[str]:
    """Code spans and the lines of code blocks of a Markdown text."""
    blocks = re.findall(r"^ *```\w*\n(.*?)^ *```", text, re.M | re.S)
    rest = re.sub(r"^ *```.*?^ *```", "", text, flags=re.M | re.S)
    return [*(line.strip() for block in blocks for line in block.splitlines()),
            *re.findall(r"`([^`]+)`", rest.replace("\n", " "))]


# ---- Keys ----


def test_every_key_is_documented_with_its_default() -> None:
    expected = {(key.section, key.name): key.default or "empty" for key in keys()}
    assert documented_keys() == expected


def test_the_readme_has_every_key_and_its_default() -> None:
    table = between(README, "| section | key | default |", "\n\n")
    rows = re.findall(r"^\|[^|]*\| `([\w-]+)` \| ([^|]*)\|", table, re.M)
    expected = [(key.name, key.default) for key in keys()]
    assert [(name, default.strip(" `")) for name, default in rows] == expected


def settings(text: str) -> list[str]:
    """Keys that an example of a configuration sets."""
    return re.findall(r"^ *([a-zA-Z0-9-]+) *= ", text, re.M)


def test_examples_set_keys_that_exist() -> None:
    names = {key.name for key in keys()}
    example = sections(INI_PAGE)["EXAMPLES"]
    assert settings(example)
    assert set(settings(example)) <= names
    assert set(settings(source("conf/vfio-mode.ini"))) <= names


# ---- Refusals ----


def camel_case(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("-"))


def test_every_refusal_is_in_the_table() -> None:
    """With its D-Bus error and its exit statuses; tests/bus has each come out of the programs."""
    rows = re.findall(r"^\.It Sy ([\w-]+) , Li (\w+) , (\d+) , (\d+)\n(.*)$",
                      sections(UNIT_PAGE)["EXIT STATUS"], re.M)
    assert [(name, error, int(exit_), int(unit), sentence) for name, error, exit_, unit, sentence in rows] == [
        (refusal.name, camel_case(refusal.name), refusal.status, EXIT_APPLY_BASE + refusal.status,
         refusal.sentence) for refusal in refusals()
    ]


def test_who_looks_for_the_table_is_sent_there() -> None:
    """The interface, and the pages of those who call it."""
    xml = source("conf/dbus/org.vfiomode1.xml")
    sent = re.search(r"([\w@.-]+)\((\d)\) has the table under ([A-Z ]+)\)", xml)
    assert sent and f"{sent[1]}.{sent[2]}" == UNIT_PAGE
    assert ".It Sy busy , Li Busy" in sections(UNIT_PAGE)[sent[3]]
    for error in re.findall(r"\b(?:[A-Z][a-z]+)+(?=, )", between(xml, "in CamelCase (", "...")):
        assert error in {camel_case(refusal.name) for refusal in refusals()}
    for page in ("vfio-moded.8", CTL_PAGE):
        assert re.search(r"\.Xr vfio-mode@\.service 8\nhas (a table of them|each refusal)", PAGES[page])


def test_the_base_of_the_units_exit_status() -> None:
    base = re.search(r"#define EXIT_APPLY_BASE (\d+)", source("daemon/model/refusal.h"))
    assert base and int(base[1]) == EXIT_APPLY_BASE


def test_every_exit_status_of_a_refusal_is_explained() -> None:
    statuses = {refusal.status for refusal in refusals()}
    page = set(map(int, re.findall(r"^\.It (\d+)$", sections(CTL_PAGE)["EXIT STATUS"], re.M)))
    readme = dict(re.findall(r"^\| (\d+) \| (\d*) \|", README, re.M))
    assert statuses <= page
    assert statuses <= {int(number) for number in readme}
    for number, of_unit in readme.items():
        assert of_unit in ("", str(EXIT_APPLY_BASE + int(number) if int(number) else 0))


def test_the_other_exit_statuses_are_explained() -> None:
    """Of what is no refusal."""
    there = {int(value) for value in re.findall(r"EXIT_CODE_\w+ = (\d+)", source("daemon/model/refusal.h"))}
    page = set(map(int, re.findall(r"^\.It (\d+)$", sections(CTL_PAGE)["EXIT STATUS"], re.M)))
    assert there <= page | {0}
    assert {str(status) for status in there} <= set(re.findall(r"^\| (\d+) \|", README, re.M))


# ---- Messages ----


def test_each_message_is_in_the_catalog() -> None:
    ids = set(re.findall(r'"([0-9a-f]{32})"', source("daemon/model/message-id.h")))
    catalog = source("conf/catalog/vfio-mode.catalog")
    assert len(ids) > 3
    assert set(re.findall(r"^-- ([0-9a-f]{32})$", catalog, re.M)) == ids
    fields = set(re.findall(r'"(VFIO_MODE\w*)"', source("daemon/apply/tell.c")))
    assert set(re.findall(r"@(\w+)@", catalog)) <= fields
    page = sections("vfio-mode@.service.8")["MESSAGES"]
    assert set(re.findall(r"[0-9a-f]{32}", page)) == ids
    assert set(re.findall(r"VFIO_MODE\w*", page)) == fields


# ---- The package ----


def test_the_package_has_the_version() -> None:
    version = re.search(r"version : '([^']+)'", source("meson.build"))
    assert version
    assert source("conf/packaging/debian/changelog").startswith(f"vfio-mode ({version[1]}) ")


def test_the_package_enables_what_the_preset_does() -> None:
    """And nothing is started but the path, by which no card moves."""
    units = re.findall(r"^enable (\S+)$", source("units/90-vfio-mode.preset"), re.M)
    rules = source("conf/packaging/debian/rules").replace("\\\n", " ")
    handled = {tuple(line.split()) for line in re.findall(r"^\tdh_installsystemd(.*)$", rules, re.M)}
    assert {unit for line in handled for unit in line if not unit.startswith("-")} == {*units, "vfio-moded.service"}
    assert [line for line in handled if "--no-start" not in line] == [("vfio-moded.path",)]


# ---- Commands ----


@pytest.mark.parametrize("name", DOCUMENTS)
def test_verbs_that_are_named_exist(name: str) -> None:
    text = DOCUMENTS[name]
    if name == "README.md":
        text = "\n".join(code(text))
    named = re.findall(r"\bvfio-modectl ([a-z][a-z-]*)", text)
    if name == "README.md":
        assert named
        table = between(README, "| `vfio-modectl` … |", "\n\n")
        in_table = re.findall(r"^\| `([a-z-]+)", table, re.M)
        aliases = {"list"}
        assert set(in_table) == verbs() - aliases
    assert set(named) <= verbs()


def test_options_that_the_readme_names_exist() -> None:
    others = ("tests/", "conf/", "meson ", "man ", "driverctl ", "journalctl ")
    text = "\n".join(line for line in code(README) if not line.startswith(others))
    named = {option for option in re.findall(r"(?<!\S)--[a-z-]+", text)}
    assert named
    assert named <= options()
    for script in ("tests/try", "conf/packaging/build-deb"):
        assert set(re.findall(rf"{script} (--[a-z-]+)", README)) <= set(re.findall(r"--[a-z-]+", source(script)))


def test_modes_of_tests_run_exist() -> None:
    named = set(re.findall(r"tests/run (\w+)", README))
    assert named
    usage = source("tests/run").partition("set -euo")[0]
    assert all(re.search(rf"^#\s+{mode}\b", usage, re.M) for mode in named)


def test_files_that_the_readme_names_exist() -> None:
    named = {word.rstrip(":,.") for line in code(README) for word in line.split()
             if re.match(r"(\./)?(daemon|conf|units|tests)/", word)} | {"LICENSE"}
    missing = [name for name in sorted(named) if not (SOURCE / name).exists()]
    assert not missing
    for script in ("tests/try", "tests/run", "conf/packaging/build-deb"):
        assert script in named
        assert os.access(SOURCE / script, os.X_OK)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_units_that_are_named_exist(name: str) -> None:
    text = re.sub(r" Ns Ar (MODE|ADDRESS) Ns Pa ", "", DOCUMENTS[name])
    named = {re.sub(r"@[^.]*", "@", unit)
             for unit in re.findall(r"\bvfio-mode[a-z-]*@?[\w:.-]*?\.service", text)}
    # Two of them come from one template.
    there = set(re.findall(r"'(vfio-mode[^']*\.service)',", (SOURCE / "units/meson.build").read_text()))
    there |= {path.name.removesuffix(".in") for path in (SOURCE / "conf").glob("*/*.service.in")}
    assert named <= there


def test_every_unit_is_documented() -> None:
    for path in (SOURCE / "units").glob("*.service.in"):
        assert f".Nm {path.name.removesuffix('.in')}" in PAGES[UNIT_PAGE]
        assert "man:vfio-mode@.service(8)" in path.read_text(encoding="utf-8")


def test_the_boot_unit_waits_for_the_variable_by_its_name() -> None:
    """Without a configuration it runs for the EFI variable alone, which the program then deletes."""
    header = (SOURCE / "daemon/boot/efi-one-shot.h").read_text()
    directory, name = (re.search(rf'{define} "(.*)"', header)[1]
                       for define in ("EFI_VARIABLES_DIR", "EFI_ONE_SHOT_NAME"))
    unit = (SOURCE / "units/vfio-mode-boot.service.in").read_text()
    assert f"ConditionPathExists=|/{directory}/{name}\n" in unit
    # And who removes the package has it deleted.
    assert f"[ -e /{directory}/{name} ]" in source("conf/packaging/debian/vfio-mode.prerm")


def kept_files() -> set[str]:
    """What the programs leave in /run and /var/lib, by the headers' and sources' own names of it."""
    defined = {name: value for path in (SOURCE / "daemon").rglob("*.[ch]") for name, value in re.findall(
        rf"^#define (\w+) +(?:\\\n +)?((?:\w+ )*(?:{STRING}|\w+)(?: {STRING})*)(?= |$)", path.read_text(encoding="utf-8"), re.M)}

    def resolved(value: str) -> str:
        return "".join(word[1:-1] if word.startswith('"') else resolved(defined.get(word, '""'))
                       for word in re.findall(rf"{STRING}|\w+", value))

    paths = {path for path in map(resolved, defined.values()) if re.match(r"(run|var/lib)/vfio-mode", path)}
    return {path for path in paths if not any(other.startswith(f"{path}/") for other in paths)}


def test_files_that_are_kept_are_documented() -> None:
    found = kept_files()
    assert {"run/vfio-mode/status", "run/vfio-mode/result.names", "var/lib/vfio-mode/fall", "run/vfio-moded/trial.next"} <= found
    named = set(re.findall(r"^\.(?:It |Pq )?Pa (\S+)", "\n".join(PAGES.values()), re.M))
    assert [path for path in sorted(found) if not {f"/{path}", f"/{path}/"} & named
            and not {Path(path).name, f"{Path(path).name}/"} & named] == []


def test_verbs_of_the_units_program_are_documented() -> None:
    usage = between(source("daemon/vfio-mode-apply.c"), "usage[]", ";\n\n")
    verbs_there = re.findall(r'^\s*"  ([a-z][a-z-]*) ', usage, re.M)
    assert verbs_there
    assert re.findall(r"^\.It Cm ([a-z][a-z-]*)", PAGES["vfio-mode-apply.8"], re.M) == verbs_there


def test_references_lead_somewhere() -> None:
    ours = {(name.rpartition(".")[0], name[-1]) for name in PAGES}
    for name, text in DOCUMENTS.items():
        for page, number in re.findall(r"^\.Xr (vfio\S*) (\d)", text, re.M) + re.findall(
                r"\b(vfio[\w@.-]*)\((\d)\)", text):
            assert (page, number) in ours, f"{name} points to {page}({number})"


def test_words_of_the_boot_choice_are_documented() -> None:
    page = PAGES[UNIT_PAGE]
    body = between(source("daemon/model/kernel-cmdline.c"), "asks_for_rescue(", "\n}\n")
    words = re.search(r"words\[\] = {(.*?)}", body, re.S)
    assert words
    listed = flat(between(page, "rescue system is asked for by", ".It\n"))
    for word in re.findall(r'"([^"]+)"', words[1]):
        assert re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", listed), word


def words_between(begin: str, end: str) -> set[str]:
    """The words of a list in the interface's description, without what explains them."""
    listed = between(source("conf/dbus/org.vfiomode1.xml"), begin, end)
    return set(re.findall(r"[a-z]+", re.sub(r"\([^()]*\)", "", listed)))


def test_kinds_of_boots_are_documented() -> None:
    names = re.findall(r'\[BOOT_KIND_\w+\] = { "(\w+)"', source("daemon/model/boot-marker.c"))
    assert len(names) > 5
    assert words_between("what the boot loader did:", "where it") == {*names, "or"}
    armed = re.findall(r"BOOT_KIND_(\w+)", between(source("daemon/model/boot-marker.c"),
                                                   "bool boot_kind_is_armed", "\n}\n"))
    decided = re.findall(r'decide\(ret, (?:""|[^"]*?), "(\w+)"', source("daemon/boot/next-boot.c"))
    assert words_between("What decides:", ".") == {
        *decided, *(kind.lower() for kind in armed)}


# ---- All of them ----


@pytest.mark.parametrize("name", DOCUMENTS)
def test_licence_line(name: str) -> None:
    first = DOCUMENTS[name].partition("\n")[0]
    assert first == ("<!-- SPDX-License-Identifier: GPL-2.0-or-later -->" if name == "README.md"
                     else '.\\" SPDX-License-Identifier: GPL-2.0-or-later')


def test_manual_pages_have_no_errors() -> None:
    if not shutil.which("mandoc"):
        pytest.skip("no mandoc")
    lint = subprocess.run(["mandoc", "-Tlint", "-Wwarning", *PATHS], capture_output=True, text=True,
                          check=False)
    assert (lint.returncode, lint.stdout) == (0, "")


# ---- With the program ----


def vfio_modectl(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = os.environ.get("VFIO_MODECTL")
    if not program:
        pytest.skip("VFIO_MODECTL does not name the program")
    return subprocess.run([Path(program).resolve() if "/" in program else program, *arguments],
                          capture_output=True, text=True, check=False)


def test_the_sample_is_accepted() -> None:
    result = vfio_modectl("check", f"--config={SOURCE / 'conf/vfio-mode.ini'}")
    assert (result.returncode, result.stderr) == (0, "")


def test_the_manual_pages_example_is_accepted(tmp_path: Path) -> None:
    example = between(sections(INI_PAGE)["EXAMPLES"], ".Bd -literal -offset indent\n", ".Ed")
    path = tmp_path / "example.ini"
    path.write_text(example, encoding="utf-8")
    result = vfio_modectl("check", f"--config={path}")
    assert (result.returncode, result.stderr) == (0, "")


VALUES = {
    "default-mode": "m", "fallback-mode": "m", "address": "0000:01:00.0", "id": "10de:2484",
    "functions": "0 1", "host-driver": "nvidia", "consent": "boot-vga network storage input shared-driver", "also": "0000:02:00.0",
    "vfio-devices": "d", "cmdline": "nosmt=force", "confirm": "boot",
    "on-wedged": "reboot",
    "hugepages-1G": "20", "hugepages-2M": "512", "hugepages-min": "50%",
    "stop-units": "gdm.service", "holders": "stop", "stop-vm": "90s",
    "rescue": "power-button", "expect-vm": "5min", "on-vm-exit": "fallback", "vm-exit-grace": "30s",
}
NEEDS = {  # what a key has no meaning without
    "switch-for-vm": ["vfio-devices = d"], "rescue": ["vfio-devices = d"],
    "expect-vm": ["vfio-devices = d"], "on-vm-exit": ["vfio-devices = d"],
    "vm-exit-grace": ["vfio-devices = d", "on-vm-exit = fallback"],
}


@pytest.mark.parametrize("key", keys(), ids=lambda key: key.name)
def test_what_is_documented_is_accepted(key: Key, tmp_path: Path) -> None:
    lines = {"general": [], "device": [], "mode": []}
    if key.name != "id":
        lines["device"].append("id = 10de:2484")
    lines[key.section] += NEEDS.get(key.name, [])
    lines[key.section].append(f"{key.name} = {VALUES.get(key.name, 'yes')}")
    text = "\n".join(["[general]", *lines["general"], "[device d]", *lines["device"],
                      "[mode m]", *lines["mode"]])
    path = tmp_path / "one.ini"
    path.write_text(text, encoding="utf-8")
    result = vfio_modectl("check", f"--config={path}")
    assert (result.returncode, result.stderr) == (0, "")


def test_help_has_the_verbs() -> None:
    result = vfio_modectl("help")
    table = between(result.stdout, "Verbs:", "Options:")
    listed = re.findall(r"^  ([a-z][a-z-]+) ", table, re.M)
    assert set(listed) == verbs() - {"list"}


def test_limits_of_the_configuration(tmp_path: Path) -> None:
    limit = re.search(r"A line has at most (\d+) bytes", PAGES[INI_PAGE])
    assert limit
    path = tmp_path / "long.ini"
    for length, good in ((int(limit[1]), True), (int(limit[1]) + 1, False)):
        line = "vfio-devices = d ".ljust(length - 1, "\t") + "e"
        path.write_text("[device d]\nid = 10de:2484\n[device e]\nid = 10de:2485\n[mode m]\n"
                        f"{line}   ; a comment\n", encoding="utf-8")
        result = vfio_modectl("check", f"--config={path}")
        assert (result.returncode == 0) == good, result.stderr


@pytest.mark.parametrize("name", ["libvirt", "proxmox"])
def test_a_hook_is_one_command(name: str) -> None:
    """Of ours: what AppArmor lets libvirtd's children run, and none of the hypervisor's own. Without it guests start."""
    text = (SOURCE / "conf" / "hooks" / f"{name}.in").read_text(encoding="utf-8")
    commands = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert commands == ["[ -e @bindir@/vfio-modectl ] || exit 0", f'exec @bindir@/vfio-modectl hook -- {name} "$@"']


@pytest.mark.parametrize("name", ["libvirt", "proxmox"])
def test_a_hook_lets_guests_start_only_where_the_program_is_gone(name: str, tmp_path: Path) -> None:
    text = (SOURCE / "conf" / "hooks" / f"{name}.in").read_text(encoding="utf-8")
    command = ["sh", "-c", text.replace("@bindir@", str(tmp_path)), name, "100", "pre-start"]
    program = tmp_path / "vfio-modectl"
    assert subprocess.run(command, check=False).returncode == 0
    program.write_text(f"#!/bin/sh\n[ \"$*\" = 'hook -- {name} 100 pre-start' ]\n", encoding="utf-8")
    assert subprocess.run(command, check=False).returncode == 126
    program.chmod(0o755)
    assert subprocess.run(command, check=False).returncode == 0
