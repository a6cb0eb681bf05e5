"""What a host does with logical volumes: fixed scripts over `lvm` and `qemu-img`; whatever varies is a positional argument.

A volume is made under the name NAME.part and renamed at the end: one that is there is whole. What writes a group's metadata
(make, rename, tag, extend, remove) is in short scripts of its own; what takes its time only opens volumes. So the engine can
let the hosts of a shared group write metadata one after the other while they copy all at once.

On a shared group the tag `nebula-on-HOST` of a volume says where it may be active; it is written before the volume is activated
there, and taken away after it was deactivated. The flag of skipped activation keeps a host that starts from activating any.
"""

from __future__ import annotations

ABSENT = 44
"""The status of a script that misses the volume which it should work on."""
ELSEWHERE = 45
"""The status of a script that finds the volume at another host."""
BUSY = 46
"""The status of a script that finds the volume open."""

_PRELUDE = r"""
PATH=$PATH:/usr/sbin:/sbin LC_ALL=C LVM_SUPPRESS_FD_WARNINGS=1
export PATH LC_ALL LVM_SUPPRESS_FD_WARNINGS
vg=$1 pool=$2 me=$3 zero=$4
shift 4
lv() { verb=$1; shift; lvm "$verb" --config 'devices/hints="none"' "$@"; }
columns=lv_name,lv_size,lv_tags,lv_active,lv_device_open
table=$(lv lvs --noheadings --units b --nosuffix --separator '|' -o "$columns" "$vg") || exit
nl='
'
table=$nl$(printf '%s' "$table" | tr -d ' ')
there() {
    rest=${table#*"$nl$1|"}
    [ "$rest" != "$table" ] || { size=0 tags= active= open=; return 1; }
    line=${rest%%"$nl"*}
    size=${line%%|*} line=${line#*|}
    tags=${line%%|*} line=${line#*|}
    active=${line%%|*} open=${line#*|}
}
need() { there "$1" || exit 44; }
size_of() { there "$1"; echo "$size"; }
others() {
    there "$1"
    found=
    IFS=,
    for word in $tags; do
        case $word in "nebula-on-$me") ;; nebula-on-*) found="$found ${word#nebula-on-}" ;; esac
    done
    unset IFS
    [ "$found" ]
}
mine() { there "$1"; case ",$tags," in *",nebula-on-$me,"*) return 0 ;; esac; return 1; }
idle() { there "$1"; [ "$open" != open ] || { echo "$vg/$1 is open" >&2; return 46; }; }
seen() {
    [ -b "/dev/$vg/$1" ] || udevadm settle --timeout=10 --exit-if-exists="/dev/$vg/$1" 2>/dev/null
    [ -b "/dev/$vg/$1" ] || lv vgmknodes "$vg" >/dev/null 2>&1
    [ -b "/dev/$vg/$1" ] || { echo "/dev/$vg/$1 did not appear" >&2; return 1; }
}
blank() {
    where="-L $2s -Wn -Zn"
    [ -z "$pool" ] || where="-V $2s --thinpool $pool"
    lv lvcreate -y -ky -K -ay $where ${me:+--addtag "nebula-on-$me"} -n "$1" "$vg" >/dev/null && seen "$1"
}
up() {
    there "$1"
    [ "$active" = active ] && [ -b "/dev/$vg/$1" ] || lv lvchange -y -K -ay "$vg/$1" && seen "$1"
}
down() {
    tries=0
    until said=$(lv lvchange -y -an "$vg/$1" 2>&1); do
        tries=$((tries + 1))
        [ "$tries" -lt 10 ] || { printf '%s\n' "$said" >&2; return 46; }
        sleep 0.5
    done
}
tag() { [ -z "$me" ] || mine "$1" || lv lvchange -y --addtag "nebula-on-$me" "$vg/$1" >/dev/null; }
untag() { [ -z "$me" ] || ! mine "$1" || lv lvchange -y --deltag "nebula-on-$me" "$vg/${2:-$1}" >/dev/null; }
alone() {
    [ "$me" ] || return 0
    ! others "$1" || { echo "$vg/$1 is active on host$found" >&2; return 45; }
}
forgotten() {
    name=$(printf '%s' "$1" | sed 's/-/--/g')
    name=$(printf '%s' "$vg" | sed 's/-/--/g')-$name
    [ ! -e "/dev/mapper/$name" ] || dmsetup remove --retry "$name"
}
drop() {
    there "$1" || { forgotten "$1"; return; }
    if [ "$me" ] && others "$1"; then down "$1" && untag "$1"; return; fi
    idle "$1" || down "$1" || return
    lv lvremove -y "$vg/$1" >/dev/null
}
zero() { [ "$pool" ] || [ "$zero" = no ] || blkdiscard -z -f -o "$2" "/dev/$vg/$1"; }
fill() {
    target=
    case $2 in
    /dev/*) cache=none length=$(blockdev --getsize64 "$2") || return ;;
    *)
        cache=writeback length=$(qemu-img info -f "$1" --output=json "$2") || return
        length=$(printf '%s\n' "$length" | sed -n 's/^    "virtual-size": *\([0-9]*\),*$/\1/p' | head -n 1) ;;
    esac
    if [ "$pool" ]; then blkdiscard -f "/dev/$vg/$3" 2>/dev/null && target=--target-is-zero; fi
    qemu-img convert -p -n $target -W -m 8 -T "$cache" -t none -f "$1" -O raw -- "$2" "/dev/$vg/$3" || return
    [ "$length" -ge "$(blockdev --getsize64 "/dev/$vg/$3")" ] || zero "$3" "$length"
}
reading() {
    mkdir -p /run/lock/nebula-lvm && exec 7>>"/run/lock/nebula-lvm/$vg-$1" && flock -s 7 || return
    [ -z "$me" ] || mine "$1" || lv lvchange -y -K -ay "$vg/$1" || return
    up "$1"
}
read_enough() {
    [ -z "$me" ] || mine "$1" || ! flock -n -x 7 || lv lvchange -y -an "$vg/$1" 2>/dev/null
    exec 7>&-
    return 0
}
"""

_VERBS = {
    "there": 'there "$1" && echo yes || echo no',
    "size": 'need "$1"; size_of "$1"',
    "drop": 'for name; do drop "$name" || exit; done',
    "begin": r"""
there "$1" && { echo whole; exit 0; }
there "$1.part" || { blank "$1.part" "$2"; exit; }
if [ "$(size_of "$1.part")" -lt $(($2 * 512)) ]; then
    drop "$1.part" && blank "$1.part" "$2"
    exit
fi
alone "$1.part" && tag "$1.part" && up "$1.part"
""",
    "end": r"""
there "$1" && exit 0
need "$1.part"
lv lvrename "$vg" "$1.part" "$1" >/dev/null || exit
[ "$2" = keep ] || { down "$1" && untag "$1.part" "$1"; }
""",
    "file": 'up "$1.part" && fill "$2" "$3" "$1.part"',
    "copy": r"""
need "$2"
reading "$2" && up "$1.part" && fill raw "/dev/$vg/$2" "$1.part" || exit
read_enough "$2"
""",
    "snapshot": r"""
there "$1" && { up "$1"; exit; }
need "$2"
make() { lv lvcreate -y -ky -K -ay -s -n "$1" "$vg/$2" >/dev/null && seen "$1"; }
[ "$(size_of "$2")" -lt $(($3 * 512)) ] || { make "$1" "$2"; exit; }
! there "$1.part" || drop "$1.part" || exit
make "$1.part" "$2" && lv lvextend -y -L "$3s" "$vg/$1.part" >/dev/null && lv lvrename "$vg" "$1.part" "$1" >/dev/null
""",
    "empty": 'up "$1.part" && zero "$1.part" 0',
    "filesystem": r"""
up "$1.part" && zero "$1.part" 0 || exit
case $2 in swap) mkswap -q "/dev/$vg/$1.part" ;; *) mke2fs -q -F -t "$2" "/dev/$vg/$1.part" ;; esac
""",
    "bytes": r"""
there "$1" && exit 0
need "$1.part"
length=$(stat -c %s -- "$2") && up "$1.part" && dd if="$2" of="/dev/$vg/$1.part" bs=1M conv=fsync,nocreat status=none &&
    lv lvchange -y --addtag "nebula-bytes-$length" "$vg/$1.part" >/dev/null
""",
    "read": r"""
need "$1"
case $tags in *nebula-bytes-*) length=${tags#*nebula-bytes-} length=${length%%,*} ;; *) length=$2 ;; esac
reading "$1" && head -c "$([ "$length" -lt "$2" ] && echo "$length" || echo "$2")" "/dev/$vg/$1" || exit
read_enough "$1"
""",
    "claim": 'need "$1"; alone "$1" && tag "$1" && up "$1"',
    "join": 'need "$1"; tag "$1" && up "$1"',
    "open": 'need "$1"; up "$1"',
    "leave": 'for name; do if there "$name"; then down "$name" && untag "$name" || exit; else forgotten "$name"; fi; done',
    "close": 'for name; do ! there "$name" || mine "$name" || lv lvchange -y -an "$vg/$name" 2>/dev/null; done; true',
    "grow": r"""
need "$1"
before=$(size_of "$1")
[ "$before" -ge $(($2 * 512)) ] && exit 0
alone "$1" && up "$1" && lv lvextend -y -L "$2s" "$vg/$1" >/dev/null && zero "$1" "$before"
""",
    "incoming": '! there "$1" || { idle "$1" && drop "$1"; } && blank "$1" "$2"',
    "stale": '! there "$1" || { idle "$1" && drop "$1"; }',
    "idle": 'need "$1"; idle "$1" && up "$1" && size_of "$1"',
    "source": 'need "$1"; up "$1" && size_of "$1"',
    "pull": r"""
name=$1 size=$2 from=$3 sudo=$4
shift 4
up "$name.part" || exit
sparse=
if [ "$pool" ]; then blkdiscard -f "/dev/$vg/$name.part" 2>/dev/null && sparse=,sparse; fi
send="{ dd if=$from bs=1M iflag=direct status=none && printf END; } | gzip -1"
exec 5>&1
failed=$({
    { "$@" "${sudo:+sudo -n }sh -c '$send'" || echo "the other host ended with status $?" >&4; } |
        { gunzip -c || echo "what came is damaged" >&4; } | {
        dd of="/dev/$vg/$name.part" bs=1M count="$size" iflag=fullblock,count_bytes oflag=direct \
            conv=nocreat,fsync$sparse status=progress 2>&5 || echo "it could not be written" >&4
        [ "$(cat)" = END ] || echo "what came had no end" >&4
    }
} 4>&1 >/dev/null)
[ -z "$failed" ] || { printf '%s\n' "$failed" >&2; exit 1; }
""",
    "replace": r"""
there "$1.restored" || { need "$1"; exit 0; }
drop "$1" && lv lvrename "$vg" "$1.restored" "$1" >/dev/null
""",
    "wipe": r"""
there "$1" || exit 0
alone "$1" && idle "$1" && up "$1" && blkdiscard -z -f "/dev/$vg/$1"
""",
    "trial": r"""
drop "$1" && blank "$1" "$2" || exit
printf nebula | dd of="/dev/$vg/$1" bs=512 conv=sync,fsync,nocreat oflag=direct status=none || exit
[ "$(dd if="/dev/$vg/$1" bs=512 count=1 iflag=direct status=none | head -c 6)" = nebula ] ||
    { echo "what was written is not read" >&2; exit 1; }
down "$1" && lv lvremove -y "$vg/$1" >/dev/null
""",
}


def script(verb: str) -> str:
    """The text of what does `verb`."""
    return f"{_PRELUDE}{_VERBS[verb]}\n"
