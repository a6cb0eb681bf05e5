"""What a host does with RBD images: fixed scripts over `rbd` and `qemu-img`; whatever varies is a positional argument.

An image is made under the name NAME.part and renamed at the end: one that is there is whole.
"""

from __future__ import annotations

ABSENT = 44
"""The status of a script that misses the image which it should work on."""

_PRELUDE = r"""
pool=$1 user=$2 conf=$3 data=$4 trash=$5 patience=$6
shift 6
rbd_() { rbd --id "$user" -c "$conf" "$@"; }
qemu() { echo "rbd:$pool/$1:id=$user:conf=$conf"; }
there() {
    said=$(rbd_ info "$pool/$1" 2>&1 >/dev/null) && return 0
    status=$?
    case $status:$said in 2:*"opening pool"*) ;; 2:*) return 1 ;; esac
    printf '%s\n' "$said" >&2
    exit "$status"
}
size_of() { rbd_ info --format json "$pool/$1" | sed -n 's/.*"size":\([0-9]*\).*/\1/p'; }
snaps_of() {
    said=$(rbd_ snap ls --format json "$pool/$1" 2>/dev/null) || return
    printf '%s\n' "$said" | sed 's/},{/}\n{/g' | sed -n 's/.*"name":"\([^"]*\)".*/\1/p'
}
unsnap() {
    rbd_ snap unprotect "$pool/$1@$2" >/dev/null 2>&1
    rbd_ snap rm --no-progress "$pool/$1@$2"
}
put_aside() { rbd_ snap rename "$pool/$1@base" "$pool/$1@base-$(date +%s)"; } # what is in the trash lies on it
bare() {
    names=$(snaps_of "$1") || return
    for snap in $names; do unsnap "$1" "$snap" || return; done
}
drop() {
    if [ "$trash" = yes ] && [ "$2" != half ]; then
        rbd_ trash mv "$pool/$1"
        return
    fi
    tries=0
    until said=$(rbd_ rm --no-progress "$pool/$1" 2>&1); do
        status=$?
        tries=$((tries + 1))
        case $status:$said in
        2:*"opening pool"*) tries=$patience ;;
        2:*) return 0 ;;
        39:*)
            [ "$tries" = 1 ] && bare "$1" && continue
            rbd_ trash mv "$pool/$1"
            return ;;
        *atchers*) sleep 1 ;;
        *) tries=$patience ;;
        esac
        [ "$tries" -lt "$patience" ] || { printf '%s\n' "$said" >&2; return "$status"; }
    done
}
users_of() {
    tries=0
    while :; do
        said=$(rbd_ status --format json "$pool/$1") || exit
        users=$(printf '%s\n' "$said" | sed 's/},{/}\n{/g' | sed -n 's/.*"address":"\([^"]*\)".*/\1/p')
        tries=$((tries + 1))
        [ -n "$users" ] && [ "$tries" -lt "$patience" ] || break
        sleep 1
    done
}
begin() {
    target=$1 part=$1.part
    there "$target" && exit 0
}
part() {
    said=$(rbd_ "$@" ${data:+--data-pool "$data"} "$pool/$part" 2>&1) && return
    status=$?
    [ "$status" = 17 ] && drop "$part" half && rbd_ "$@" ${data:+--data-pool "$data"} "$pool/$part" && return
    printf '%s\n' "$said" >&2
    return "$status"
}
blank() { part create --size "$1B"; }
fill() { qemu-img convert -p -n --target-is-zero -W -m 8 -f "$1" -O raw -- "$2" "$(qemu "$part")"; }
finish() { rbd_ rename "$pool/$part" "$pool/$target"; }
"""

_VERBS = {
    "there": 'there "$1" && echo yes || echo no',
    "size": 'there "$1" || exit 44; size_of "$1"',
    "list": 'rbd_ ls "$pool"',
    "drop": r"""
have=$(rbd_ ls "$pool") || exit
for name; do
    printf '%s\n' "$have" | grep -qxF -- "$name" || continue
    case $name in *.part) drop "$name" half ;; *) drop "$name" whole ;; esac || exit
done
""",
    "empty": 'begin "$1"; blank "$2" && finish',
    "file": 'begin "$1"; blank "$2" && fill "$3" "$4" && finish && rm -f -- "$4"',
    "fill": 'begin "$1"; blank "$2" && fill "$3" "$4" && finish',
    "bytes": 'begin "$1"; part import --no-progress "$2" && finish && rm -f -- "$2"',
    "read": 'there "$1" || exit 44; rbd_ export --no-progress "$pool/$1" - | head -c "$2"',
    "copy": 'begin "$1"; there "${2%@*}" || exit 44; blank "$3" && fill raw "$(qemu "$2")" && finish',
    "clone": r"""
begin "$1"
names=$(snaps_of "$2") || { there "$2" && exit 1 || exit 44; }
case " $(echo $names) " in
*" base "*) ;;
*) rbd_ snap create --no-progress "$pool/$2@base" || exit ;;
esac
said=$(rbd_ snap protect "$pool/$2@base" 2>&1) || case $? in 16) ;; *) printf '%s\n' "$said" >&2; exit 1 ;; esac
part clone "$pool/$2@base" || exit
[ "$3" = 0 ] || rbd_ resize --no-progress --size "$3B" "$pool/$part" || exit
[ "$4" = linked ] || rbd_ flatten --no-progress "$pool/$part" || exit
finish
""",
    "filesystem": r"""
begin "$1"
trap 'exit 143' TERM
file=$(mktemp -p "$3") && trap 'rm -f "$file"' EXIT && truncate -s "$2" "$file" || exit
case $4 in swap) mkswap -q "$file" ;; *) mke2fs -q -F -t "$4" "$file" ;; esac || exit
blank "$2" && fill raw "$file" && finish
""",
    "own": r"""
names=$(snaps_of "$1") || { there "$1" && exit 1 || exit 44; }
case " $(echo $names) " in *" base "*) unsnap "$1" base 2>/dev/null || put_aside "$1" ;; esac
""",
    "grow": 'there "$1" || exit 44; [ "$(size_of "$1")" -ge "$2" ] || rbd_ resize --no-progress --size "$2B" "$pool/$1"',
    "replace": r"""
there "$1.restored" || { there "$1" && exit 0; exit 44; }
drop "$1" whole && rbd_ rename "$pool/$1.restored" "$pool/$1"
""",
    "users": 'users_of "$1"; printf "%s\\n" "$users"',
    "snap": r"""
there "$1" || exit 44
said=$(rbd_ snap create --no-progress "$pool/$1@$2" 2>&1) && exit
status=$?
[ "$status" = 17 ] || { printf '%s\n' "$said" >&2; exit "$status"; }
""",
    "back": r"""
there "$1" || exit 44
users_of "$1"
[ -z "$users" ] || { printf 'Watchers of %s: %s\n' "$pool/$1" "$users" >&2; exit 16; }
rbd_ snap rollback --no-progress "$pool/$1@$2"
""",
    "unsnap": r"""
there "$1" || exit 0
names=$(snaps_of "$1") || exit
case " $(echo $names) " in *" $2 "*) rbd_ snap rm --no-progress "$pool/$1@$2" ;; esac
""",
    "trial": r"""
drop "$1" half; begin "$1"
blank 4194304 && finish || exit
printf 'nebula' >"$2" && truncate -s 4194304 "$2" && qemu-img convert -n -f raw -O raw -- "$2" "$(qemu "$1")" || exit
rm -f -- "$2"
rbd_ snap create --no-progress "$pool/$1@base" && rbd_ snap protect "$pool/$1@base" || exit
rbd_ clone "$pool/$1@base" "$pool/$1.part" || exit
[ "$(rbd_ export --no-progress "$pool/$1.part" - | head -c 6)" = nebula ] ||
    { echo "what was written is not read" >&2; exit 1; }
drop "$1.part" half && drop "$1" half
""",
}


def script(verb: str) -> str:
    """The text of what does `verb`."""
    return f"{_PRELUDE}{_VERBS[verb]}\n"
