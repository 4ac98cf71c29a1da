#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What holds for every file: its place, the licence in front, a length that can be read in one sitting,
nothing left to do; and a reason for what a unit may and may not do.

usage: sources.py SOURCE-ROOT
"""

import os
import pathlib
import re
import sys

LICENCE = "SPDX-License-Identifier: GPL-2.0-or-later"
TOP_LEVEL = {"daemon", "units", "conf", "tests", "meson.build", "meson_options.txt", "README.md", "LICENSE"}
# Inputs byte by byte, the licence itself, and those of Debian's files that have no comments.
NO_LICENCE = {"corpus", "LICENSE", ".git", "changelog", "copyright", "format"}
NO_LICENCE_SUFFIX = {".golden"}  # what a program printed
COMES_FIRST = ("#!", "<?xml", "#compdef", "{")  # the licence is in the second line then
C_LINES = {"daemon": 500, "tests": 800}  # tables of examples may be longer
MAIN_LINES = 150  # of a program's own file
FUNCTION_LINES = 60
# What tells one distribution's way to boot from another's is judged in one place.
ONE_PLACE = {pathlib.Path("daemon/boot/boot-loader.c"), pathlib.Path("daemon/boot/boot-loader.h")}
DISTRIBUTION = re.compile(
    r"blscfg|grubby|grub2|proxmox-boot|\b(fedora|ubuntu|(open)?suse|arch linux|rhel)\b", re.I)
HARDENING = re.compile(r"(\w*Capabilit|NoNew|Protect|Private|Read(Write|Only)Paths|Device|Restrict|IPAddress|Lock|Memory|SystemCall"
                       r"|UMask|DynamicUser)\w*=")
LEFT_TO_DO = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")


def sources(root):
    for folder, folders, names in os.walk(root):
        folders[:] = [f for f in folders if f != "__pycache__" and (f == ".ci" or not f.startswith("."))
                      and not (folder == root and f.startswith("build"))
                      and f not in NO_LICENCE]
        for name in names:
            path = pathlib.Path(folder, name)
            if name not in NO_LICENCE and path.suffix not in NO_LICENCE_SUFFIX:
                yield path


def strangers(root):
    """What does not belong where somebody looks first."""
    return [name for name in sorted(os.listdir(root))
            if name not in TOP_LEVEL and not name.startswith((".", "build", "__pycache__"))]


def judges_boot(name):
    """Programs and GRUB's scripts; man pages may say what each distribution does."""
    return name not in ONE_PLACE and (name.parts[0] == "daemon" or name.parts[:2] == ("conf", "grub")) \
        and name.suffix not in (".1", ".5", ".7", ".8")


def functions(lines):
    """First line and length of each function, as clang-format lays them out."""
    start = None
    for number, line in enumerate(lines, 1):
        if line.endswith("{") and not line.startswith((" ", "#", "typedef", "struct", "enum")) \
                and "=" not in line:
            start = number
        elif line.startswith("}") and start:
            if line == "}":
                yield start, number - start + 1
            start = None


def without_reason(lines):
    """Lines that take rights away or give them, with no comment above their paragraph of such lines."""
    reason = False
    for number, line in enumerate(lines, 1):
        if HARDENING.match(line) and not reason:
            yield number
        reason = line.startswith("#") or (reason and bool(HARDENING.match(line)))


def check(path, name):
    lines = path.read_text(errors="replace").splitlines()
    first = lines[1:2] if lines and lines[0].startswith(COMES_FIRST) else lines[:1]
    if not any(LICENCE in line for line in first):
        yield f"{name}:1: no \"{LICENCE}\" in front"
    for number, line in enumerate(lines, 1):
        if LEFT_TO_DO.search(line):
            yield f"{name}:{number}: something left to do"
        if line != line.rstrip():
            yield f"{name}:{number}: blanks at the end of the line"
        if judges_boot(name) and DISTRIBUTION.search(line):
            yield f"{name}:{number}: a distribution's way to boot, outside daemon/boot/boot-loader.c"
    if path.name.endswith(".service.in") or name == pathlib.Path("units/hardening.conf"):
        for number in without_reason(lines):
            yield f"{name}:{number}: no reason for a line of hardening"
    if path.suffix not in (".c", ".h"):
        return
    limit = MAIN_LINES if name.parts[:-1] == ("daemon",) else C_LINES[name.parts[0]]
    if len(lines) > limit:
        yield f"{name}: {len(lines)} lines, more than {limit}"
    for start, length in functions(lines):
        if length > FUNCTION_LINES:
            yield f"{name}:{start}: a function of {length} lines, more than {FUNCTION_LINES}"


def main(root):
    files = sorted(sources(root))
    errors = [f"{name}: not of the top level" for name in strangers(root)]
    errors += [e for path in files for e in check(path, path.relative_to(root))]
    if not files:
        errors.append("no source found")
    print("\n".join(errors) or f"{len(files)} files as they should be")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
