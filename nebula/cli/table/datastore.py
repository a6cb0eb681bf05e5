"""The commands of `nebula datastore`."""

from __future__ import annotations

from nebula.cli.command import Argument, Command, Option
from nebula.cli.table.common import (
    ACCEPT_NEW_KEY,
    FINGERPRINT,
    NEW_FINGERPRINT,
    SET,
    check,
    listing,
    refs,
    remove,
    rename,
    show,
)

_SERVER = Option(
    "--server", "Of backups: an SFTP server that is none of the hosts; IPv6 in brackets.", metavar="[USER@]NAME[:PORT]"
)
_ASK_PASSWORD = Option("--ask-password", "Put the datastore's key onto that server with a password.", "flag")

COMMANDS = (
    listing("datastore", "nebula datastore list --sort free"),
    show("datastore"),
    Command(
        "create",
        "Create a datastore.",
        "nebula datastore create nfs --driver shared --path /srv/nebula",
        "verbs.datastore:create",
        (Argument("name", "Its name."),),
        (
            Option(
                "--driver",
                "shared: all hosts see the same files; ssh: each host has its own; ceph: RBD images; lvm: logical volumes; "
                "iscsi_libvirt, dev: LUNs of a SAN, by QEMU's initiator or as block devices of the hosts; restic: backups.",
                metavar="DRIVER",
                choices=("shared", "ssh", "ceph", "lvm", "iscsi_libvirt", "dev", "restic", "sim"),
            ),
            Option(
                "--type",
                "image (default), system, file, or backup.",
                metavar="TYPE",
                choices=("image", "system", "file", "backup"),
            ),
            Option("--path", "Directory on the hosts; of backups: that of the restic repository.", metavar="DIR"),
            Option(
                "--host",
                "Of backups: the host that has the directory; without it, every host sees it.",
                metavar="HOST",
                complete="host",
            ),
            _SERVER,
            FINGERPRINT,
            ACCEPT_NEW_KEY,
            _ASK_PASSWORD,
            Option(
                "--password-file",
                "Of backups: a file with the repository's password; - is what is piped in.",
                metavar="FILE",
                complete="file",
            ),
            *(
                Option(f"--keep-{name}", f"Of backups: keep {text} of each VM.", "integer", metavar="N")
                for name, text in (
                    ("last", "so many"),
                    ("daily", "one of each of so many days"),
                    ("weekly", "one of each of so many weeks"),
                    ("monthly", "one of each of so many months"),
                )
            ),
            *(
                Option(f"--{name}", f"Of ceph: {text}", metavar=metavar)
                for name, metavar, text in (
                    ("pool-name", "POOL", "the pool (one)."),
                    (
                        "ceph-host",
                        "HOST,...",
                        "its monitors, with a port if that is not 6789; without: as the hosts' file says.",
                    ),
                    ("ceph-user", "USER", "the user without `client.` (libvirt)."),
                    ("ceph-conf", "FILE", "the hosts' file that names the monitors (/etc/ceph/ceph.conf)."),
                    ("ceph-secret", "UUID", "of the libvirt secret; without: one is made on each host."),
                    ("ec-pool-name", "POOL", "an erasure coded pool for the data."),
                )
            ),
            Option(
                "--ceph-key-file",
                "Of ceph: a file with the user's key; - is what is piped in. Without: the hosts have it below /etc/ceph.",
                metavar="FILE",
                complete="file",
            ),
            *(
                Option(f"--{name}", f"Of shared: {text}", metavar=metavar)
                for name, metavar, text in (
                    ("nfs-host", "HOST", "the NFS server; hosts then mount its export at --path, or at a place of ours."),
                    ("nfs-path", "DIR", "the export."),
                    ("nfs-opts", "OPTION,...", "further options of the mount, like vers=4.1."),
                )
            ),
            Option("--export", "Of shared: this machine exports --path by NFS to the hosts, and to nobody else.", "flag"),
            Option("--ceph-trash", "Of ceph: images that are removed go to the pool's trash.", "flag"),
            Option("--ceph-flatten", "Of ceph: disks are whole copies of their images, which do not lie on them.", "flag"),
            *(
                Option(f"--{name}", f"Of iscsi_libvirt: {text}", metavar=metavar)
                for name, metavar, text in (
                    ("iscsi-host", "HOST", "the portal, with a port if that is not 3260."),
                    ("iscsi-user", "USER", "the user (CHAP); without: no login."),
                    (
                        "iscsi-usage",
                        "NAME",
                        "the use of a libvirt secret with the password; without: one is made on each host.",
                    ),
                )
            ),
            Option(
                "--iscsi-password-file",
                "Of iscsi_libvirt: a file with the user's password; - is what is piped in.",
                metavar="FILE",
                complete="file",
            ),
            *(
                Option(f"--{name}", f"Of lvm: {text}", metavar=metavar)
                for name, metavar, text in (
                    ("vg-name", "GROUP", "the volume group (vg-one-ID)."),
                    ("thin-pool", "POOL", "the thin pool in it; with --thin alone: pool."),
                    ("thin-pool-limit", "PERCENT", "nothing is placed in a thin pool of which more is used (90)."),
                )
            ),
            Option("--thin", "Of lvm: thin volumes; disks are snapshots of their images.", "flag"),
            Option("--shared-group", "Of lvm: all hosts see this very group, on a LUN of a SAN.", "flag"),
            Option("--zero-on-delete", "Of lvm: volumes are overwritten before they are removed.", "flag"),
            Option(
                "--keep-old-data", "Of lvm: new volumes are not overwritten; guests can read what was there before.", "flag"
            ),
            Option("--cluster", "Only for this cluster.", metavar="CLUSTER", complete="cluster"),
        ),
        changes=True,
        key="n",
    ),
    check("datastore", "Look whether the hosts can use datastores."),
    rename("datastore"),
    Command(
        "update",
        "Set attributes of datastores, for expressions to name; say how a server of backups is known.",
        "nebula datastore update blue --set RACK=7",
        "verbs.datastore:update",
        (refs("datastore"),),
        (_SERVER, NEW_FINGERPRINT, _ASK_PASSWORD, SET),
        changes=True,
        key="e",
    ),
    remove("datastore", "Remove empty datastores."),
)
