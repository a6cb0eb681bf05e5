"""What the file holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from buildkit import archive, libraries
from hypothesis import given
from hypothesis import strategies as st

from tests.build.conftest import OneFile

TREES = st.dictionaries(
    st.sampled_from(["cp311", "cp312", "cp313"]),
    st.dictionaries(st.sampled_from(["a.py", "b.so", "c/d.py"]), st.sampled_from([b"", b"1", b"2"])),
    min_size=1,
)


@given(TREES)
def test_the_shared_part_and_its_own_give_each_interpreter_its_tree(trees: dict[str, dict[str, bytes]]) -> None:
    parts = archive.split(trees)
    for abi, tree in trees.items():
        assert {**parts["common"], **parts[abi]} == tree
        assert not parts["common"].keys() & parts[abi].keys()


@given(TREES)
def test_what_is_the_same_for_all_is_stored_once(trees: dict[str, dict[str, bytes]]) -> None:
    parts = archive.split(trees)
    for name in set.union(*(set(tree) for tree in trees.values())):
        everywhere = len({tree.get(name) for tree in trees.values()}) == 1
        assert (name in parts["common"]) == everywhere


def test_the_same_input_gives_the_same_file(make_file: Callable[..., OneFile]) -> None:
    first = make_file().path.read_bytes()
    assert make_file().path.read_bytes() == first


def test_libraries_leave_out_what_never_runs(tmp_path: Path) -> None:
    kept = ["a/x.py", "a-1.0.dist-info/METADATA", "a-1.0.dist-info/licenses/LICENSE", "libvirt.py"]
    dropped = ["bin/tool", "a/tests/test_x.py", "a-1.0.dist-info/RECORD", "a/__pycache__/x.pyc", "libvirt_lxc.py"]
    for name in (*kept, *dropped):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert sorted(libraries.carried(tmp_path)) == sorted(kept)


def test_database_drivers_are_carried_without_their_own_client_library() -> None:
    wanted = libraries.requirements(Path(__file__).parents[2] / "pyproject.toml")
    assert any(line.startswith("PyMySQL") for line in wanted)
    assert any(line.startswith("psycopg>") for line in wanted)
