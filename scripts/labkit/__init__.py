"""The lab: real hosts on one machine, each a set of namespaces with its own sshd and libvirtd."""
