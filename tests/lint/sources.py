#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What holds for every source file: the licence in front, a length that can be read in one sitting,
nothing left to do.

usage: sources.py SOURCE-ROOT
"""

import os
import pathlib
import re
import sys

LICENCE = "SPDX-License-Identifier: GPL-2.0-or-later"
SOURCE = {".c", ".h", ".py", ".sh", ".ini", ".in", ".rules", ".service", ".1", ".5", ".8", ".build",
          ".preset", ".conf", ".cfg"}
NAMED = {"meson_options.txt", ".clang-format", ".clang-tidy", ".editorconfig"}
SCRIPT_DIRS = {"tests", ".ci"}  # where files without a suffix are scripts
NO_LICENCE = {"corpus", "fixtures", "guest"}  # data in somebody else's format
C_LINES = {"daemon": 500, "tests": 800}  # tables of examples may be longer
FUNCTION_LINES = 60
# What tells one distribution's way to boot from another's is judged in one place.
ONE_PLACE = {pathlib.Path("daemon/boot/boot-loader.c"), pathlib.Path("daemon/boot/boot-loader.h")}
DISTRIBUTION = re.compile(
    r"blscfg|grubby|grub2|proxmox-boot|\b(fedora|ubuntu|(open)?suse|arch linux|rhel)\b", re.I)
LEFT_TO_DO = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")


def sources(root):
    for folder, folders, names in os.walk(root):
        folders[:] = [f for f in folders if f not in (".git", "__pycache__")
                      and not (folder == root and f.startswith("build"))
                      and f not in NO_LICENCE]
        for name in names:
            path = pathlib.Path(folder, name)
            top = path.relative_to(root).parts[0]
            if path.suffix in SOURCE or name in NAMED or (not path.suffix and top in SCRIPT_DIRS):
                yield path


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


def check(path, name):
    lines = path.read_text().splitlines()
    if not any(LICENCE in line for line in lines[:2]):
        yield f"{name}:1: no \"{LICENCE}\" in front"
    for number, line in enumerate(lines, 1):
        if LEFT_TO_DO.search(line):
            yield f"{name}:{number}: something left to do"
        if line != line.rstrip():
            yield f"{name}:{number}: blanks at the end of the line"
        if judges_boot(name) and DISTRIBUTION.search(line):
            yield f"{name}:{number}: a distribution's way to boot, outside daemon/boot/boot-loader.c"
    if path.suffix not in (".c", ".h"):
        return
    limit = C_LINES[name.parts[0]]
    if len(lines) > limit:
        yield f"{name}: {len(lines)} lines, more than {limit}"
    for start, length in functions(lines):
        if length > FUNCTION_LINES:
            yield f"{name}:{start}: a function of {length} lines, more than {FUNCTION_LINES}"


def main(root):
    files = sorted(sources(root))
    errors = [e for path in files for e in check(path, path.relative_to(root))]
    if not files:
        errors.append("no source found")
    print("\n".join(errors) or f"{len(files)} files as they should be")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
