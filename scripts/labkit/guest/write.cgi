#!/bin/sh
# Writes to 16 MiB of memory over and over, each time something else, for as many seconds as the query says.
printf 'Content-Type: text/plain\r\n\r\n'
timeout "${QUERY_STRING:-10}" sh -c 'while :; do n=$((n + 1)); yes "$n" | head -c 16777216 >/run/written; done' \
    </dev/null >/dev/null 2>&1 &
echo "writing for ${QUERY_STRING:-10} s"
