#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""No state at file scope: the objects hold no writable variable but the few that MAY names.

usage: globals.py OBJDUMP FILE...    (libraries and programs' objects)
"""

import re
import subprocess
import sys

# "0000000000000000 l     O .bss   0000000000000004 max_level"
SYMBOL = re.compile(r"^[0-9a-f]+ ..{6} (\S+)\s+([0-9a-f]+)\s+(?:\.hidden )?(\S+)$")
MEMBER = re.compile(r"^(\S+):\s+file format")
WRITABLE = re.compile(r"\.(data|bss|tdata|tbss)(?!\.rel\.ro)|\*COM\*")
# The sanitizers' and coverage's own.
TOOL = re.compile(r"_*(asan|ubsan|LASAN|lsan|odr_asan|llvm|prof|gcov|sanc?|unnamed_)|\.L|\.(data|bss)")
MAY = {
    ("base_log.c.o", None),  # the program's name and level, for lines said from anywhere
    ("host_pci-names.c.o", "failed_lookup"),  # libpci gives its error callback no argument
}


def main(objdump, *files):
    errors, members = [], set()
    for name in files:
        output = subprocess.run([objdump, "-t", name], check=True, capture_output=True, text=True)
        member = name
        for line in output.stdout.splitlines():
            if match := MEMBER.match(line):
                member = match[1].rsplit("/", 1)[-1]
                members.add(member)
            elif match := SYMBOL.match(line):
                section, size, symbol = match.groups()
                if (WRITABLE.match(section) and int(size, 16) and not TOOL.match(symbol)
                        and not MAY & {(member, None), (member, symbol)}):
                    errors.append(f"{member}: {symbol} can be written ({section})")
    if not members:
        errors.append("no object found")
    print("\n".join(errors) or f"{len(members)} objects without a writable variable")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
