#!/bin/sh
# Keeps the processor busy for as many seconds as the query says.
printf 'Content-Type: text/plain\r\n\r\n'
timeout "${QUERY_STRING:-10}" sh -c 'while :; do :; done' </dev/null >/dev/null 2>&1 &
echo "burning for ${QUERY_STRING:-10} s"
