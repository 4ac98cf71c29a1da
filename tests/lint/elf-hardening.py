#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The programs as built carry the hardening that meson.build asks for.

usage: elf-hardening.py READELF OBJDUMP COMPILE-COMMANDS zeroes|- PROGRAM...
"""

import json
import re
import subprocess
import sys


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def missing(readelf, objdump, program):
    header, segments = run(readelf, "-hW", program), run(readelf, "-lW", program)
    dynamic, symbols = run(readelf, "-dW", program), run(readelf, "--dyn-syms", "-W", program)
    flags = " ".join(line for line in dynamic.splitlines() if "FLAGS" in line)
    if not re.search(r"Type:\s+DYN", header) or " PIE" not in flags:
        yield "it is not position-independent (PIE)"
    if "GNU_RELRO" not in segments or not re.search(r"\bNOW\b", flags):
        yield "its relocations stay writable (full RELRO)"
    if re.search(r"GNU_STACK.*E\s", segments) or "GNU_STACK" not in segments:
        yield "its stack is executable"
    if "__stack_chk_fail" not in symbols:
        yield "no function checks its stack (-fstack-protector-strong)"
    if not re.search(r"__\w+_chk@", symbols.replace("__stack_chk_fail", "")):
        yield "no call is fortified (_FORTIFY_SOURCE)"
    if "X86-64" in header:
        main = run(objdump, "-d", "--no-show-raw-insn", "--disassemble=main", program)
        if "endbr64" not in main:
            yield "main does not begin with endbr64 (-fcf-protection)"
    if re.search(r"R(UN)?PATH", dynamic):
        yield "it has a run path"


def uncleared(compile_commands):
    """Objects of ours whose automatic variables are not zeroed. Nothing in the ELF file tells."""
    with open(compile_commands, encoding="utf-8") as file:
        for entry in json.load(file):
            if "/daemon/" in entry["file"] or entry["file"].startswith("../daemon/"):
                if "-ftrivial-auto-var-init=zero" not in entry["command"]:
                    yield entry["file"]


def main(readelf, objdump, compile_commands, zeroes, *programs):
    errors = [f"{p}: {what}" for p in programs for what in missing(readelf, objdump, p)]
    if zeroes == "zeroes":
        errors += [f"{f}: without -ftrivial-auto-var-init=zero" for f in uncleared(compile_commands)]
    print("\n".join(errors) or f"{len(programs)} programs hardened")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
