#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The model is pure: nothing it calls, directly or through base, opens a file, reads a clock or the
environment, or logs. What its objects leave undefined must be on the list below.

usage: model-purity.py NM LIBMODEL LIBBASE
"""

import re
import subprocess
import sys

# Functions of libc whose result depends on their arguments alone, and memory. Streams are among them
# for open_memstream: to have another one, an object would have to call fopen or name stdout.
PURE = re.compile(
    r"(__)?("
    r"mem(chr|cmp|cpy|move|mem|set|rchr|pcpy)"
    r"|str(case)?(n?casecmp|chr|chrnul|n?cmp|cspn|n?dup|n?len|pbrk|rchr|spn|str|sep|tok_r|n?cpy|n?cat)"
    r"|stp?n?cpy|rawmemchr"
    r"|(isoc\d+_)?(v?sn?printf|v?asprintf|v?sscanf)"
    r"|strerror(desc|name)_np"
    r"|open_memstream|fmemopen|ftell|v?fprintf|fput[cs]|fwrite|fflush|ferror|fclose"
    r"|malloc|calloc|realloc(array)?|free|qsort(_r)?|bsearch"
    r"|ctype_(b|tolower|toupper)_loc|tolower|toupper|is(alnum|alpha|digit|xdigit|space|print|graph)"
    r"|fnmatch|assert_fail|abort"
    r"|ini_parse_string(_length)?|ini_parse_stream|XML_\w+"
    r")(_chk)?$"
    # What the compiler itself puts in, with sanitizers and coverage.
    r"|__stack_chk_fail$|_GLOBAL_OFFSET_TABLE_$|__(start|stop)___sanc|__asan_|__ubsan_|__sanitizer_|__llvm_"
    r"|__gcov_|__sancov_"
)


def symbols(nm, library):
    """Per object of an archive: what it defines for others, and what it leaves undefined."""
    objects = {}
    output = subprocess.run([nm, "-A", "-P", library], check=True, capture_output=True, text=True)
    for line in output.stdout.splitlines():
        where, _, rest = line.rpartition(": ")
        name, kind = rest.split()[:2]
        defined, undefined = objects.setdefault(where, (set(), set()))
        if kind in "Uw":
            undefined.add(name)
        elif kind.isupper():
            defined.add(name)
    return objects


def main(nm, libmodel, libbase):
    model, base = symbols(nm, libmodel), symbols(nm, libbase)
    if not model:
        sys.exit(f"{libmodel}: no object in it")
    home = {name: where for where, (defined, _) in (base | model).items() for name in defined}

    errors, seen, queue = [], set(model), list(model)
    while queue:
        where = queue.pop()
        for name in sorted((base | model)[where][1]):
            if name in home:
                if home[name] not in seen:
                    seen.add(home[name])
                    queue.append(home[name])
            elif not PURE.match(name):
                errors.append(f"{where}: calls {name}, which is not on the list of pure functions")

    print("\n".join(errors) or f"{len(seen)} objects, all pure")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
