#!/bin/sh
# As many KiB as the query says; of what is sent here, how many bytes came.
printf 'Content-Type: text/plain\r\n\r\n'
if [ "$REQUEST_METHOD" = POST ]; then head -c "$CONTENT_LENGTH" | wc -c; else head -c "${QUERY_STRING:-1}k" /dev/zero; fi
