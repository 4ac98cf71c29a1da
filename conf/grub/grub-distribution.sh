# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh disable=SC2034 # used by who sources this
#
# What 09_vfio-mode and 11_vfio-mode share: all that differs between distributions while a grub.cfg is
# written. What is said here stands in it, and the programs go by that; they judge for themselves only where
# none of this was run (daemon/boot/boot-loader.c). Sourced inside grub-mkconfig, whose GRUB_* it reads.

# Where the kernels' menu entries come from: the script beside ours. grub2-mkconfig's are the same.
linux_script=${0%/*}/10_linux

# As grub-script-check is called here; nothing where there is none.
script_check=$(command -v grub-script-check || command -v grub2-script-check || :)

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

# Whether the entries are files (Boot Loader Specification): then 10_linux makes none, and what is
# in a variable would not be split into words but parsed as a script.
has_bls_entries() {
    [ "${GRUB_ENABLE_BLSCFG:-}" = true ]
}

# Why 10_linux cannot be asked for menu entries; nothing where it can.
why_no_entries() {
    if [ ! -x "$linux_script" ]; then
        echo "$linux_script is not there or switched off"
    elif has_bls_entries; then
        echo "the boot menu's entries are files (Boot Loader Specification), and none is made here"
    fi
}

# Debian and its kin source /etc/default/grub.d/*.cfg; elsewhere a line in /etc/default/grub has to.
# shellcheck disable=SC2016 # GRUB's variable, not ours
has_variable_on_command_line() {
    case " ${GRUB_CMDLINE_LINUX:-} ${GRUB_CMDLINE_LINUX_DEFAULT:-} " in
    *'$vfio_args'* | *'${vfio_args}'*) return 0 ;;
    esac
    return 1
}

# Why GRUB's variable would not come to the kernel; nothing where it does.
why_not_carried() {
    if has_bls_entries; then
        echo "the boot menu's entries are files (Boot Loader Specification) and carry no mode"
    elif ! has_variable_on_command_line; then
        echo "\$vfio_args is not on the kernel's command line: put the line" \
            "'. @SYSCONFDIR@/default/grub.d/vfio-mode.cfg' at the end of @SYSCONFDIR@/default/grub"
    fi
}
