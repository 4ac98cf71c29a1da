# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=dash
# For the lists of behaviours: what a command says and ends with, in TAP's words. The list ends with `exit $wrong`.

# shellcheck disable=SC2034
wrong=0

# expect TITLE STATUS OUTPUT COMMAND...
expect() {
    local title=$1 wanted="$2 $3" output status=0
    shift 3
    output=$("$@" 2>/dev/null) || status=$?
    if [ "$status $output" = "$wanted" ]; then
        echo "ok - $title"
    else
        echo "not ok - $title: $*: $status $output"
        wrong=1
    fi
}

# comes OUTPUT COMMAND...: what was only asked for comes to be so, within 20 s.
comes() {
    local tries=0 wanted=$1
    shift
    until [ "$("$@" 2>/dev/null)" = "$wanted" ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 200 ] || return 1
        sleep 0.1
    done
}
