"""What a host does with LUNs: fixed scripts; whatever varies is a positional argument."""

from __future__ import annotations

ABSENT = 44
"""The status of a script that misses the LUN which it should look at."""

_QEMU = r"""
options=$1 secret=$2
shift 2
qemu() {
    verb=$1
    shift
    if [ -n "$secret" ]; then qemu-img "$verb" --object "secret,id=lun,file=$secret" "$@"; else qemu-img "$verb" "$@"; fi
}
"""
FILL = f'{_QEMU}qemu convert -p -n -W -m 8 -f "$1" --target-image-opts -- "$2" "$options"\n'
"""OPTIONS SECRET FORMAT FILE: what is in the file comes to the beginning of the LUN."""
ISCSI_SIZE = rf"""{_QEMU}
said=$(qemu info -U --output=json --image-opts "$options" 2>&1) || {{
    status=$?
    printf '%s\n' "$said" | sed 's/^qemu-img: Could not open .*: iSCSI: /iSCSI: /' >&2
    case $said in *LOGICAL_UNIT_NOT_SUPPORTED* | *"Target not found"*) exit {ABSENT} ;; esac
    exit $status
}}
printf '%s\n' "$said" | sed -n 's/^    "virtual-size": *\([0-9]*\),*$/\1/p' | head -n 1
"""
_DOMAINS = r"""
domains() {
    virsh -q -c qemu:///system list --name | while IFS= read -r name; do
        [ -n "$name" ] || continue
        virsh -q -c qemu:///system domblklist "$name" | while read -r _ source; do
            if same "$source"; then echo "domain $name"; fi
        done
    done
}
"""
ISCSI_USERS = f'lun=$1\nsame() {{ [ "$1" = "$lun" ]; }}\n{_DOMAINS}domains\n'
"""TARGET/LUN: a line for each running domain that has it."""
_DEVICE = rf"""
device=$(readlink -e -- "$1") && [ -b "$device" ] || {{ echo "$1 is no block device here" >&2; exit {ABSENT}; }}
name=${{device##*/}} sys=/sys/class/block/${{device##*/}}
shift
"""
DEVICE_LOOK = rf"""{_DEVICE}
size=$(blockdev --getsize64 "$device") || exit 1
id=$(cat "$sys/dm/uuid" 2>/dev/null)
case $id in
mpath-*) id=${{id#mpath-}} ;;
*) id=$(udevadm info --query=property --name="$device" 2>/dev/null | sed -n 's/^ID_SERIAL=//p')
    [ -n "$id" ] || id=$(sed 's/^naa\./3/' "$sys/device/wwid" 2>/dev/null) ;;
esac
echo "$size $id"
"""
"""PATH: its size, and the name that all its paths have, if it has one."""
DEVICE_USERS = rf"""{_DEVICE}
same() {{ [ "$(readlink -f -- "$1")" = "$device" ]; }}
{_DOMAINS}
taken() {{
    for part in "$1" "$1/${{1##*/}}"*; do
        [ -e "$part/dev" ] || continue
        awk -v number="$(cat "$part/dev")" '$3 == number {{ print "mounted at " $5 }}' /proc/self/mountinfo
        for holder in "$part"/holders/*; do
            [ -e "$holder" ] || continue
            case $(cat "$holder/dm/uuid" 2>/dev/null) in
            part*) taken "/sys/class/block/${{holder##*/}}" ;;
            *) echo "part of /dev/${{holder##*/}}" ;;
            esac
        done
    done
}}
domains
taken "$sys"
"""
"""PATH: a line for each running domain that has it, each mount of it and each device that is made of it. Partitions of a
multipath device that the host looks up by itself do not count.
"""
DEVICE_RESCAN = rf"""{_DEVICE}
below=no
for path in "$sys"/slaves/*; do
    [ -e "$path/device/rescan" ] || continue
    below=yes
    echo 1 >"$path/device/rescan"
done
case $below:$(cat "$sys/dm/uuid" 2>/dev/null) in
yes:mpath-*) multipathd resize map "$(cat "$sys/dm/name")" >/dev/null ;;
no:*) [ ! -e "$sys/device/rescan" ] || echo 1 >"$sys/device/rescan" ;;
esac
"""
"""PATH: the host's kernel sees how large it is now, by every path."""
