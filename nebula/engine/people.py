"""Who people are: this machine's users and groups. Root and the engine's own user may do everything."""

from __future__ import annotations

import grp
import os
import pwd
from functools import lru_cache
from typing import NamedTuple, Protocol


class Person(NamedTuple):
    """Somebody who asks. `group` is what new things of theirs get; `admin` may do everything."""

    name: str
    groups: frozenset[str] = frozenset()
    group: str = ""
    admin: bool = False


ENGINE = Person("", admin=True)
"""The engine itself, and whoever runs it in a process of their own: the database is theirs."""


class People(Protocol):
    """Whoever knows users and groups."""

    def person(self, name: str) -> Person:
        """Somebody by the name that the kernel gave."""
        ...

    def group_of(self, name: str) -> str:
        """The group that new things of theirs get; "" for who is nobody here."""
        ...

    def has_user(self, name: str) -> bool:
        """Whether there is such a user."""
        ...

    def has_group(self, name: str) -> bool:
        """Whether there is such a group."""
        ...


class SystemPeople:
    """Those of this machine."""

    def __init__(self) -> None:
        self._group_of = lru_cache(256)(_primary_group)
        """Kept: it is asked for with everything that is made, and hardly ever changes."""

    def group_of(self, name: str) -> str:
        """See People.group_of."""
        return self._group_of(name)

    def person(self, name: str) -> Person:
        """See People.person."""
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            return Person(name)
        ids = os.getgrouplist(name, entry.pw_gid)
        admin = entry.pw_uid in {0, os.geteuid()}
        return Person(name, frozenset(map(_group_name, ids)), _group_name(entry.pw_gid), admin)

    def has_user(self, name: str) -> bool:
        """See People.has_user."""
        try:
            pwd.getpwnam(name)
        except KeyError:
            return False
        return True

    def has_group(self, name: str) -> bool:
        """See People.has_group."""
        try:
            grp.getgrnam(name)
        except KeyError:
            return False
        return True


def _primary_group(name: str) -> str:
    try:
        return _group_name(pwd.getpwnam(name).pw_gid)
    except KeyError:
        return ""


def _group_name(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
