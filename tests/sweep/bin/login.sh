# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=dash
# What systemd-logind keeps below /run/systemd for sd-login(3), as far as vfio-mode-apply reads it, and how a session
# begins and ends there: for the fake systemctl and loginctl. A user's manager runs for as long as
# there are sessions, and some seconds more.

state=/.systemd
sessions=/run/systemd/sessions
seats=/run/systemd/seats

# lock COMMAND...: one at a time; a session may end while another one begins.
lock() {
    (
        flock 9
        "$@"
    ) 9>"$state/.login"
}

# has_sessions UID
has_sessions() {
    grep -qs "^UID=$1\$" $sessions/[!.]*
}

# As logind does it: nobody finds a file that is written by half.
tell_seat() {
    local file ids='' uids=''
    for file in "$sessions"/[!.]*; do
        grep -qs "^SEAT=$1\$" "$file" || continue
        ids="$ids ${file##*/}"
        uids="$uids $(sed -n s/^UID=//p "$file")"
    done
    mkdir -p $seats
    printf 'IS_SEAT0=0\nCAN_GRAPHICAL=1\nSESSIONS=%s\nUIDS=%s\n' "${ids# }" "${uids# }" >"$seats/.#$1"
    mv "$seats/.#$1" "$seats/$1"
}

# open_session USER UID SEAT TYPE SERVICE; each has another number.
open_session() {
    local id=0
    [ ! -e "$state/.sessions" ] || read -r id <"$state/.sessions"
    id=$((id + 1))
    echo $id >"$state/.sessions"
    mkdir -p $sessions
    printf 'UID=%s\nUSER=%s\nACTIVE=1\nSTATE=active\nREMOTE=0\nTYPE=%s\nCLASS=user\nSEAT=%s\nSERVICE=%s\n' \
        "$2" "$1" "$4" "$3" "$5" >"$sessions/.#$id"
    mv "$sessions/.#$id" "$sessions/$id"
    tell_seat "$3"
    echo active >"$state/user@$2.service"
}

# log_in USER UID SEAT TYPE SERVICE: whose session a killed switch has not ended goes on with it.
log_in() {
    has_sessions "$2" || open_session "$@"
}

# end_session ID
end_session() {
    local seat
    seat=$(sed -n s/^SEAT=//p "$sessions/$1" 2>/dev/null)
    rm -f "$sessions/$1" "$state/.ending.$1"
    [ -z "$seat" ] || tell_seat "$seat"
}
