#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Each program is linked with what it needs at every start, and no more: what is needed sometimes is
opened then (libkmod, and in vfio-mode-apply libsystemd).

usage: linked-libraries.py READELF PROGRAM...
"""

import pathlib
import re
import subprocess
import sys

LIBRARIES = {
    "vfio-mode-apply": {"libexpat", "libinih"},
    "vfio-mode-guard": {"libinih", "libsystemd"},
    "vfio-modectl": {"libexpat", "libinih", "libjson-c", "libpci", "libsystemd"},
    "vfio-moded": {"libinih", "libjson-c", "libpci", "libsystemd"},
}
OF_THE_COMPILER = {"libc", "libm", "libgcc_s", "libasan", "libubsan"}


def linked(readelf, program):
    output = subprocess.run([readelf, "--dynamic", "--wide", program], check=True, capture_output=True, text=True).stdout
    return {name.partition(".so")[0] for name in re.findall(r"\(NEEDED\).*\[(?!ld-)(.*)\]", output)} - OF_THE_COMPILER


def main(readelf, *programs):
    errors = []
    for program in programs:
        name = pathlib.Path(program).name
        more = linked(readelf, program) - LIBRARIES[name]
        errors += [f"{name}: linked with {library}" for library in sorted(more)]
    errors += [f"{name}: not looked at" for name in sorted(LIBRARIES.keys() - {pathlib.Path(p).name for p in programs})]
    print("\n".join(errors) or f"{len(programs)} programs as they should be")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
