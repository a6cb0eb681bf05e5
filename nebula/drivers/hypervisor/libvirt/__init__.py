"""KVM and QEMU through libvirt: only `qemu:///system`, only through libvirt's own library."""
