#!/bin/sh
# The web page: what is true of this guest now.
exec 2>/dev/null
printf 'Content-Type: text/plain\r\n\r\n'
firmware=bios tpm=none
[ ! -d /sys/firmware/efi ] || firmware=uefi
[ ! -d /sys/bus/acpi/devices/MSFT0101:00 ] || tpm=2.0
read -r name </proc/sys/kernel/hostname
echo "hostname: $name"
until read -r counter </run/counter; do :; done
echo "counter: $counter"
read -r boot </proc/sys/kernel/random/boot_id
echo "boot-id: $boot"
read -r cpus </sys/devices/system/cpu/online
echo "cpus: $cpus"
read -r _ memory _ </proc/meminfo
echo "memory-kib: $memory"
read -r nodes </sys/devices/system/node/online
echo "nodes: $nodes"
echo "firmware: $firmware"
echo "tpm: $tpm"
pci=
for path in /sys/bus/pci/devices/*; do
    read -r vendor <"$path/vendor" && read -r device <"$path/device" && pci="$pci ${vendor#0x}:${device#0x}"
done
echo "pci:$pci"
for path in /sys/block/[sv]*; do
    read -r sectors <"$path/size" && echo "disk: ${path##*/} $sectors"
done
for path in /sys/class/net/eth*; do
    read -r address <"$path/address" && echo "nic: ${path##*/} $address"
done
while read -r address; do
    echo "address: $address"
done </run/addresses
read -r kept </run/kept
echo "kept: $kept"
[ ! -f /www/context/SSH_PUBLIC_KEY ] || while read -r key || [ -n "$key" ]; do
    echo "ssh-key: $key"
done </www/context/SSH_PUBLIC_KEY
