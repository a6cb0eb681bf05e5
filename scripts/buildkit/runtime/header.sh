#!/bin/sh
# Nebula @VERSION@ for CPython @VERSIONS@ on @MACHINE@: this script and, behind it, a zip archive.
# A start runs the unpacked copy of this build; the first start unpacks it.
#   NEBULA_CACHE   where unpacked copies are kept (root: /var/cache/nebula, else ~/.cache/nebula, else /var/tmp)
#   NEBULA_PYTHON  the interpreter to use, whatever PATH says
set -u
build=@BUILD@
abis="@ABIS@"
newline='
'
roots=
copy=

look() { # DIRECTORY: is there a copy in it, and is the directory our own?
    roots=$roots$1$newline
    [ -O "$1" ] && [ ! -L "$1" ] || return 1
    for abi in $abis; do
        copy=$1/$build.$abi
        [ -x "$copy/bin/python" ] && [ -s "$copy/start.py" ] && return 0
    done
    return 1
}

find_copy() { # the places where a copy may be; root never uses another user's home
    if [ -n "${NEBULA_CACHE-}" ]; then
        look "$NEBULA_CACHE"
        return
    elif [ -O / ]; then
        look /var/cache/nebula && return
    else
        look "${XDG_CACHE_HOME:-${HOME-}/.cache}/nebula" && return
    fi
    user=$(id -u)
    look "/var/tmp/nebula-$user" || look "/tmp/nebula-$user"
}

fits='import sys; sys.exit(
    sys.implementation.name != "cpython" or bool(sys.abiflags) or "cp%d%d" % sys.version_info[:2] not in "@ABIS@".split())'

find_python() { # the first interpreter that this file carries libraries for
    seen=
    for name in ${NEBULA_PYTHON:-python3 @NAMES@}; do
        python=$(command -v "$name") || continue
        "$python" -I -S -c "$fits" 2>/dev/null && return 0
        seen="$seen$newline  $python ($("$python" -V 2>&1 | head -n 1))"
    done
    echo "nebula: this file needs CPython @VERSIONS@, found: ${seen:-nothing named python3}" >&2
    echo "try: apt install python3    or: NEBULA_PYTHON=/path/to/python3.11 $0" >&2
    return 1
}

unpack() { # leaves the copy's directory in $copy
    copy=$(
        IFS=$newline
        set -f
        # shellcheck disable=SC2086 # one word per line of $roots
        NEBULA_UNPACK=$build exec "$python" -I -S "$0" $roots
    )
}

if [ -n "${NEBULA_PYTHON-}" ] || ! find_copy; then
    [ -n "$roots" ] || find_copy
    find_python && unpack || exit 1
fi
exec "$copy/bin/python" -I -S "$copy/start.py" "$0" "$@"
exit 1
