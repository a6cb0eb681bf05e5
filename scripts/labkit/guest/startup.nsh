@echo -off
# UEFI's shell runs this where nothing else boots.
fs0:
vmlinuz.efi initrd=\initrd.gz console=tty0 console=ttyS0,115200 quiet loglevel=3 tsc=unstable no_timer_check mitigations=off
