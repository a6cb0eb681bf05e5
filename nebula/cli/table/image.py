"""The commands of `nebula image`."""

from __future__ import annotations

from nebula.cli.command import Argument, Command, Option
from nebula.cli.table.common import PLAIN_FORMAT, listing, ownership, ref, refs, remove, rename, show, update

COMMANDS = (
    listing("image", "nebula image list type=os"),
    show("image"),
    Command(
        "catalogue",
        "List images that can be fetched by name.",
        "nebula image catalogue",
        "verbs.image:catalogue",
        (),
        (PLAIN_FORMAT,),
    ),
    Command(
        "create",
        "Create an image from a file, a URL, the catalogue (by its name), or empty.",
        "nebula image create debian-12",
        "verbs.image:create",
        (Argument("name", "Its name.", complete="catalogue"),),
        (
            Option("--path", "A file on this machine.", metavar="FILE", complete="file"),
            Option("--url", "Where to download it.", metavar="URL"),
            Option(
                "--source",
                "In a datastore of LUNs: the LUN that is the image, with --path or --url written into it.",
                metavar="LUN",
            ),
            Option("--size", "An empty image of this size; a bare number is in MiB.", metavar="SIZE"),
            Option("--catalogue", "The catalogue's name for it, if NAME is another.", metavar="NAME", complete="catalogue"),
            Option(
                "--type",
                "os (default), datablock, cdrom; or a file: context (for guests' context CDs), kernel, ramdisk.",
                metavar="TYPE",
                choices=("os", "datablock", "cdrom", "context", "kernel", "ramdisk"),
            ),
            Option("--format", "qcow2 or raw.", metavar="FORMAT", choices=("qcow2", "raw")),
            Option("--persistent", "One VM at a time uses the image itself.", "flag"),
            Option("--datastore", "Where to put it.", metavar="DATASTORE", complete="datastore"),
            Option("--checksum", "What it must be: sha256:HEX.", metavar="SHA"),
            Option("--description", "A sentence.", metavar="TEXT"),
            Option("--host", "Where to put the first copy.", metavar="HOST", complete="host"),
        ),
        changes=True,
        key="n",
    ),
    Command(
        "clone",
        "Copy an image.",
        "nebula image clone data data-2",
        "verbs.image:clone",
        (ref("image"), Argument("name", "The copy's name.")),
        (
            Option("--datastore", "Where to put the copy, if not beside the image.", metavar="DATASTORE", complete="datastore"),
            Option("--source", "In a datastore of LUNs: the LUN into which it is written.", metavar="LUN"),
        ),
        changes=True,
        key="w",
    ),
    rename("image"),
    *ownership("image"),
    Command(
        "persistent",
        "Let one VM at a time use the image itself.",
        "nebula image persistent data",
        "verbs.image:persistent",
        (refs("image"),),
        changes=True,
    ),
    Command(
        "nonpersistent",
        "Let every VM have a copy of its own.",
        "nebula image nonpersistent data",
        "verbs.image:nonpersistent",
        (refs("image"),),
        changes=True,
    ),
    update("image", "Set attributes of one's own."),
    Command(
        "enable",
        "Let VMs be made of images again.",
        "nebula image enable data",
        "verbs.image:enable",
        (refs("image"),),
        changes=True,
    ),
    Command(
        "disable",
        "Let no VM be made of images that none has.",
        "nebula image disable data",
        "verbs.image:disable",
        (refs("image"),),
        changes=True,
    ),
    Command(
        "chtype",
        "Make images that no VM has images of another type.",
        "nebula image chtype tools cdrom",
        "verbs.image:chtype",
        (refs("image"), Argument("type", "os, datablock or cdrom.")),
        changes=True,
    ),
    remove("image", "Delete images that no VM uses."),
)
