#!/bin/sh
# reach?tcp,ADDRESS,PORT or ?icmp,ADDRESS or ?forged,OWN,ADDRESS: whether this guest gets an answer from there, the last under
# an address that is not its own.
printf 'Content-Type: text/plain\r\n\r\n'
IFS=, read -r kind first second <<EOF
$QUERY_STRING
EOF
answer=no
case $kind in
tcp) printf 'GET / HTTP/1.0\r\n\r\n' | nc -w 4 "$first" "$second" | grep -q HTTP && answer=yes ;;
icmp) ping -c 1 -W 3 "$first" >/dev/null && answer=yes ;;
forged)
    ip address add "$first/24" dev eth0
    ping -c 1 -W 3 -I "$first" "$second" >/dev/null && answer=yes
    ip address del "$first/24" dev eth0
    ;;
esac
echo "$answer"
