# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# What 09_vfio-mode and 11_vfio-mode share; they source it. Where distributions differ is not known here: the
# program that they ask judges that (daemon/boot/boot-loader.c), by the GRUB_* that grub-mkconfig exports.

say() {
    printf 'vfio-mode: %s\n' "$*" >&2
}

# Each line of a text as a comment of GRUB's.
as_comment() {
    printf '%s\n' "$1" | sed 's/^/# vfio-mode: /'
}

# run PROGRAM ARGUMENT...: what hangs must not hang the kernel's installation.
run() {
    if command -v timeout >/dev/null; then
        timeout 30 "$@"
    else
        "$@"
    fi
}
