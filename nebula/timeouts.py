"""Every deadline of the program, by name, in seconds."""

from __future__ import annotations

SSH_CONNECT = 10.0
"""TCP, key exchange and login together."""
SSH_KEEPALIVE = 5.0
"""Interval of keepalive messages; three unanswered ones end the connection."""
COMMAND = 30.0
"""A short command on a host (ip, qemu-img info, mkdir)."""
HOST_CONFIRMED = 20.0
"""A host whose own addresses were moved puts them back after this long, unless somebody came through to it anew."""
COPY_STALL = 120.0
"""A copy that moved no byte for this long has failed."""
LIBVIRT_OPEN = 10.0
"""Opening a libvirt connection through the forwarded socket."""
LIBVIRT_CALL = 30.0
"""A libvirt call that should answer at once; then its socket is closed."""
LIBVIRT_START = 120.0
"""virDomainCreate: QEMU's own start included."""
MIGRATION = 3600.0
"""A live migration, unless the VM says otherwise."""
MEMORY = 3600.0
"""Writing a guest's memory to a file, or reading it back."""
BACKUP = 24 * 3600.0
"""Copying a running guest's disks."""
GUEST_SHUTDOWN = 120.0
"""How long a guest may take to follow an ACPI shutdown before the verb fails."""
GUEST_AGENT = 30.0
"""One command of a guest's agent; the programs that it starts go on behind it."""
DOWNLOAD_STALL = 60.0
"""An HTTP download that brought no byte for this long is tried again."""
SOCKET_ANSWER = 0.5
"""How long a command waits for the owner's socket to say hello before it reads the file itself."""
OWNER_HANDOVER = 10.0
"""How long a waiting client tries to take over a home whose owner let go."""
RUNNER_LINGERS = 1.5
"""How long a runner without work waits for clients of the owner before it; longer than their pauses (`rpc.link`)."""
OWNER_CHANGE = 130.0
"""How long it waits for an owner that is starting or stopping: a stop may take 120 seconds (systemd's limit in our unit)."""
TRANSACTION_SILENCE = 20.0
"""A writer that says nothing for so long in the middle of a transaction is cut off by its database's server: it was paused,
and another owner waits for what it holds.
"""
