"""Edits of a user's authorized_keys on a host: one at a time, whole or not at all, other people's lines untouched."""

from __future__ import annotations

from nebula.transport.base import Transport
from nebula.transport.scripts import sh

_EDIT = r"""
umask 077
verb=$1 word=$2 line=$3
home=$(getent passwd "$(id -u)" | cut -d: -f6)
[ -n "$home" ] || { echo "no home directory" >&2; exit 1; }
mkdir -p -- "$home/.ssh" || exit 1
exec 9<"$home/.ssh"
flock -w 20 9 || { echo "somebody holds the lock on $home/.ssh" >&2; exit 1; }
file=$(readlink -f -- "$home/.ssh/authorized_keys") || exit 1
old=$file
[ -e "$file" ] || old=/dev/null
has='{ for (i = 1; i <= NF; i++) if ($i == word) found = 1 } END { exit !found }'
[ "$verb" = ensure ] && awk -v word="$word" "$has" "$old" && exit 0
new=$(mktemp -- "$file.XXXXXXXX") || exit 1
trap 'rm -f -- "$new"' EXIT
trap 'exit 143' TERM
if [ "$verb" = ensure ]; then awk 1 "$old"; else awk -v word="$word" '$NF != word' "$old"; fi >"$new" || exit 1
[ "$verb" = remove ] || printf '%s\n' "$line" >>"$new" || exit 1
cmp -s -- "$old" "$new" && exit 0
if [ "$old" = "$file" ]; then chmod --reference="$file" -- "$new" || exit 1; fi
sync -- "$new" && mv -fT -- "$new" "$file" && sync -- "${file%/*}"
"""
"""ensure: add the line $3 unless a line holds the word $2; replace: put $3 in the place of lines that end in $2; remove."""

_HOLDERS = r"""
getent passwd | while IFS=: read -r user secret uid gid name home shell; do
    [ -f "$home/.ssh/authorized_keys" ] || continue
    awk -v word="$1" '$NF == word { found = 1 } END { exit !found }' "$home/.ssh/authorized_keys" && printf '%s\n' "$user"
done
true
"""
"""Prints the users whose authorized_keys has a line that ends in the word $1."""


def ensure_line(transport: Transport, line: str) -> None:
    """Add a public key to the keys of the user as whom the transport logs in, unless it is there."""
    transport.run(sh(_EDIT, "ensure", line.split()[1], line))


def replace_tagged(transport: Transport, user: str, tag: str, line: str) -> None:
    """Make `line` (which ends in the word `tag`) the user's only line of that tag."""
    _edit_as(transport, user, ["replace", tag, line])


def remove_tagged(transport: Transport, tag: str) -> None:
    """Remove the lines that end in the word `tag` from the keys of all users of the host. None: nothing."""
    for user in transport.run(sh(_HOLDERS, tag), root=True).text.split():
        _edit_as(transport, user, ["remove", tag, ""])


def _edit_as(transport: Transport, user: str, arguments: list[str]) -> None:
    """As the user himself, so that his links lead to nothing but his own files."""
    argv = sh(_EDIT, *arguments)
    if transport.run(["id", "-un"]).text.strip() == user:
        transport.run(argv)
    else:
        transport.run(["runuser", "-u", user, "--", *argv], root=True)
