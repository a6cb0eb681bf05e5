#!/bin/sh
printf 'Content-Type: text/plain\r\n\r\n'
[ -z "$QUERY_STRING" ] || keep "$QUERY_STRING"
keep
