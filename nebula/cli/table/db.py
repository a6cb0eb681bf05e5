"""The commands of `nebula db`."""

from __future__ import annotations

from nebula.cli.command import DRY_RUN, Argument, Command
from nebula.cli.table.common import PLAIN_FORMAT

COMMANDS = (
    Command(
        "backup",
        "Copy the database to a new file, while everything runs.",
        "nebula db backup /root/nebula-monday.db",
        "verbs.system:backup",
        (Argument("path", "A file that does not exist yet.", complete="file"),),
    ),
    Command(
        "restore",
        "Put a copy in the database's place; the present one is put aside. No engine may run.",
        "nebula db restore /root/nebula-monday.db",
        "verbs.system:restore",
        (Argument("path", "A file that db backup made.", complete="file"),),
        (DRY_RUN,),
    ),
    Command("check", "Look whether the database is sound.", "nebula db check", "verbs.system:db_check", (), (PLAIN_FORMAT,)),
)
