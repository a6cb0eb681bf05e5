#!/bin/sh
# Keeps the processor busy for as many seconds as the query says, for one half of each: a load that is seen, and leaves some of
# the machine to those beside it.
printf 'Content-Type: text/plain\r\n\r\n'
half='while read -r now rest </proc/uptime; do case ${now#*.} in [0-4]?) ;; *) read -r -t 0.1 nothing <>/run/never ;; esac; done'
timeout "${QUERY_STRING:-10}" sh -c "$half" </dev/null >/dev/null 2>&1 &
echo "burning for ${QUERY_STRING:-10} s"
