"""The fixed shell scripts that transports run on a host. Everything variable is a positional argument, never script text."""

from __future__ import annotations

from collections.abc import Sequence

GUARD = r"""
export LC_ALL=C PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
size=$1
shift
exec 3<&0
if [ "$size" -gt 0 ]; then
    spool=$(mktemp -p /dev/shm 2>/dev/null || mktemp) || exit 125
    exec 4>"$spool" 5<"$spool"
    rm -f -- "$spool"
    head -c "$size" <&3 >&4 || exit 125
    [ "$(stat -Lc %s /proc/self/fd/4)" -eq "$size" ] || exit 125
    exec 4>&-
else
    exec 5</dev/null
fi
setsid -- "$@" <&5 3<&- 5<&- &
child=$!
exec 5<&-
(
    while read -r rest; do :; done
    trap "" TERM
    for signal in TERM KILL; do
        kill "-$signal" "-$child" || kill "-$signal" "$child"
        for pause in 0.05 0.1 0.2 0.2 0.2 0.2 0.2 0.2 0.2 0.2 0.2 0.2; do
            kill -0 "-$child" || exit 0
            sleep "$pause"
        done
    done
) <&3 >/dev/null 2>&1 &
watcher=$!
exec 3<&-
wait "$child" 2>/dev/null
status=$?
kill "$watcher" 2>/dev/null
wait "$watcher" 2>/dev/null
exit "$status"
"""
"""Runs "$@" in a session of its own, with the first $1 bytes of stdin as its stdin, and ends the whole process group when
stdin ends: a command dies with the channel that started it. It starts only when all of its stdin has arrived."""

WRITE = r"""
umask 077
target=$1 directory=$2 mode=$3
new=$(mktemp -- "$directory/.nebula.XXXXXXXX") || exit 1
trap 'rm -f -- "$new"' EXIT
trap 'exit 143' TERM
cat >"$new" && chmod -- "$mode" "$new" && sync -- "$new" && mv -fT -- "$new" "$target" && sync -- "$directory"
"""
"""Puts stdin into the file $1 in the directory $2 with the mode $3, whole or not at all."""

PART_STATE = r"""
part=$1 token=$2 tail=$3
[ -e "$part" ] && [ "$(cat -- "$part.source" 2>/dev/null)" = "$token" ] || { echo 0; exit 0; }
stat -c %s -- "$part" && tail -c "$tail" -- "$part" | sha256sum
"""
"""How far an upload came: the part's size in bytes and its last $3 bytes' hash, or 0 if it is another file's part."""

RECEIVE = r"""
export LC_ALL=C
umask 077
target=$1 token=$2 position=$3 size=$4
part=$target.part
take_over() {
    for fd in /proc/[0-9]*/fd/9; do
        pid=${fd#/proc/} pid=${pid%%/*}
        [ "$pid" != $$ ] && [ "$fd" -ef "$part" ] && tr '\0' '\n' <"/proc/$pid/cmdline" | grep -qxF -- "$token" &&
            kill -KILL "-$(sed 's/^.*) //' "/proc/$pid/stat" | cut -d ' ' -f 3)"
    done
    flock -w 5 9
}
exec 9>>"$part" || exit 1
before=$(stat -c '%s %y' -- "$part")
flock -w 5 9 || { [ "$(stat -c '%s %y' -- "$part")" = "$before" ] && take_over 2>/dev/null; } &&
    [ "$part" -ef /proc/self/fd/9 ] || { echo "another upload writes $part" >&2; exit 75; }
[ "$position" -gt 0 ] || truncate -s 0 -- "$part" || exit 1
[ "$(stat -c %s -- "$part")" -eq "$position" ] || { echo "another upload changed $part" >&2; exit 75; }
printf '%s\n' "$token" >"$part.source"
while read -r offset length; do
    if [ "$offset" = end ]; then
        truncate -s "$size" -- "$part" && sync -- "$part" && mv -fT -- "$part" "$target" && rm -f -- "$part.source"
        exit
    fi
    dd of="$part" bs=1M iflag=fullblock,count_bytes oflag=seek_bytes seek="$offset" count="$length" conv=notrunc status=none \
        || exit 1
done
echo "the upload was cut off" >&2
exit 1
"""
"""Takes "OFFSET LENGTH" lines, each followed by that many bytes, into $1.part, and at "end 0" renames it to $1. What is not
sent stays a hole. Cut off, it leaves the part for the next attempt. An earlier upload of the same file, whose sender a broken
network took away without sshd's knowing, may still wait there: one that writes nothing for 5 s is ended."""

CLONE = r"""
umask 077
new=$2.clone.$$
trap 'rm -f -- "$new"' EXIT
trap 'exit 143' TERM
cp --reflink=always -- "$1" "$new" && chmod 0600 -- "$new" && sync -- "$new" && mv -fT -- "$new" "$2" &&
    rm -f -- "$2.part" "$2.part.source"
"""
"""Makes $2 a copy of $1 that shares its blocks, or fails at once where the file system cannot."""


def sh(script: str, *arguments: str) -> list[str]:
    """The argv that runs one of the scripts."""
    return ["sh", "-c", script, "nebula", *arguments]


def guarded(argv: Sequence[str], stdin_size: int) -> list[str]:
    """The argv that runs a command under the guard; see GUARD."""
    return sh(GUARD, str(stdin_size), *argv)
