#!/bin/sh
# Asks the name servers that this guest was told of for the name that the query says.
printf 'Content-Type: text/plain\r\n\r\n'
cat /etc/resolv.conf
nslookup "$QUERY_STRING"
