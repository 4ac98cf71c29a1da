#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The Debian packages that building, checking and emulating take, and how to get those that are
# missing. Sourced by tests/run and tests/try. Debian 12 and 13, and Proxmox VE on top of them.
#
# shellcheck disable=SC2034 # used by who sources this

deps_build=(gcc libc6-dev meson ninja-build pkgconf python3 binutils
    libexpat1-dev libinih-dev libjson-c-dev libkmod-dev libpci-dev libsystemd-dev)

# clang-format disagrees with itself from one version to the next: one that both releases have judges.
# clang's sanitizers are of its own version: see deps_clang_runtime.
deps_check=(libcmocka-dev clang clang-tidy clang-format-19 cppcheck shellcheck mandoc strace systemd grub-common)

# Debian's package, and what its maintainers look at it with.
deps_package=(debhelper lintian)

# QEMU is not among them: see deps_add_qemu.
deps_vm=(python3 mmdebstrap ovmf gdisk mtools e2fsprogs xfsprogs btrfs-progs util-linux git ca-certificates
    debian-archive-keyring)

# GRUB's own code, on disk images made without mounting them.
deps_grub=(grub-common grub-emu e2fsprogs xfsprogs dosfstools mtools strace)

deps_pytest=(python3-pytest python3-pytest-xdist python3-jsonschema python3-pexpect python3-dbusmock dbus-daemon zsh)

# A QEMU that is there is used: Proxmox has its own package, and Debian's would throw it out.
deps_add_qemu() {
    if ! command -v qemu-system-x86_64 >/dev/null; then
        deps_vm+=(qemu-system-x86)
    fi
    if ! command -v qemu-img >/dev/null; then
        deps_vm+=(qemu-utils)
    fi
}

# The package with the sanitizers and libFuzzer of the clang that is installed.
deps_clang_runtime() {
    echo "libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev"
}

# Prints those of the packages named that are not installed.
deps_missing() {
    local package
    for package; do
        if [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) != installed ]]; then
            echo "$package"
        fi
    done
}

# Nothing is installed that would remove something: a test is no reason to change a person's machine.
deps_simulate() {
    local removed
    removed=$(LC_ALL=C apt-get -s install --no-install-recommends "$@" | sed -n 's/^Remv \([^ ]*\).*/\1/p')
    if [[ -n $removed ]]; then
        echo "Installing $* would remove ${removed//$'\n'/ }. Nothing was changed." >&2
        return 1
    fi
}

# deps_install PACKAGE...: installs what is missing of them, and only that.
deps_install() {
    local missing
    mapfile -t missing < <(deps_missing "$@")
    if [[ ${#missing[@]} -eq 0 ]]; then
        return 0
    fi
    if [[ $EUID -ne 0 ]]; then
        echo "Missing packages, and only root can install them: ${missing[*]}" >&2
        return 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    echo "Installing: ${missing[*]}"
    if [[ -z ${deps_updated:-} ]]; then
        # A source that cannot be reached need not be one that we need.
        apt-get -q update || echo "Going on with the package lists that are there." >&2
        deps_updated=yes
    fi
    deps_simulate "${missing[@]}"
    apt-get -q -y install --no-install-recommends "${missing[@]}"
}
