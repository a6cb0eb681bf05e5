"""Documents for `nebula apply`: read from files, directories and stdin, each a mapping with its kind and its name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nebula.cli.template import regular
from nebula.cli.templatefile import parse
from nebula.cli.textfile import read_text
from nebula.errors import NebulaError, NotFoundError, UsageError

Document = dict[str, Any]
LARGEST = 8 << 20
"""Bytes of a file."""
MOST_FILES = 1000
_SUFFIXES = frozenset({".yaml", ".yml", ".json"})


def read(names: Sequence[str]) -> list[Document]:
    """The documents of all files. UsageError says in which file what is wrong."""
    found: list[Document] = []
    for name in (file for word in names for file in _files(word)):
        where = name if name != "-" else "stdin"
        text = read_text(name, where, largest=LARGEST, hint="split it into several files", stdin=True)
        for number, given in enumerate(parse(text, where), 1):
            found.append(document_of(given, name, f"{where}, document {number}"))
    return found


def label_of(names: Sequence[str]) -> str:
    """What the set is called where nobody says: like its only file or directory."""
    if len(names) != 1:
        raise UsageError("a set of several files needs a name", hint="--label NAME")
    if names[0] == "-":
        return "stdin"
    path = Path(names[0]).expanduser().resolve()
    return path.name if path.is_dir() else path.stem


def _files(word: str) -> Iterator[str]:
    path = Path(word).expanduser()
    if word == "-" or not path.is_dir():
        yield word
        return
    found = sorted(file for file in path.rglob("*") if file.suffix in _SUFFIXES and _is_meant(file, path))
    if not found:
        raise NotFoundError(f"directory {word} holds no .yaml, .yml or .json file", hint=f"ls {word}")
    if len(found) > MOST_FILES:
        raise UsageError(f"directory {word} holds {len(found)} files", cause=f"at most {MOST_FILES}", hint="name its parts")
    yield from map(str, found)


def _is_meant(file: Path, below: Path) -> bool:
    return file.is_file() and not any(part.startswith(".") for part in file.relative_to(below).parts)


def document_of(given: Mapping[str, Any], file: str, where: str) -> Document:
    """The document that a file's mapping is; a VM's or a template's is what `vm create FILE` makes of it. `where` is for
    messages.
    """
    names = {str(key).lower().replace("-", "_"): key for key in given}
    kind = given.get(names.get("kind", ""))
    if not isinstance(kind, str) or not kind:
        raise UsageError(f"{where} has no kind", hint="kind: vm, for example; docs/apply.md lists the kinds")
    try:
        if kind.lower() in {"vm", "template"}:
            template = regular({key: item for key, item in given.items() if key != names["kind"]})
            if kind.lower() == "vm" and not {"MEMORY", "ADOPT"} & template.keys():
                raise UsageError("the VM has no memory yet", hint="memory: 2G")
            return {"kind": kind.lower(), "name": template.pop("NAME", ""), **template}
        found = {name: given[key] for name, key in names.items()} | {"kind": kind.lower()}
        if len(found) < len(given):
            raise UsageError("a setting is there twice", hint="leave one out")
    except NebulaError as error:
        error.message = f"{where}: {error.message}"
        raise
    if found["kind"] == "image" and isinstance(found.get("path"), str):
        found["path"] = _beside(found["path"], file)
    return found


def _beside(path: str, file: str) -> str:
    """A relative path is meant from where the document is."""
    folder = Path.cwd() if file == "-" else Path(file).expanduser().resolve().parent
    return str(folder / Path(path).expanduser())
