"""Private names of other packages, which may be used only if listed here with a reason.

Any release of their package may remove them.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import taskadmin

PACKAGE = Path(taskadmin.__file__).parent

#: Names with an underscore that their packages document as public.
DOCUMENTED = {
    # Named tuples: https://docs.python.org/3/library/collections.html#collections.namedtuple
    *("_asdict", "_fields", "_make", "_replace"),
    # https://werkzeug.palletsprojects.com/en/stable/local/#werkzeug.local.LocalProxy
    "_get_current_object",
}

#: Reason and tested versions, by file and name. There are none.
KNOWN: dict[tuple[str, str], str] = {}


def is_private(name: str | None) -> bool:
    """Return whether a name begins with exactly one underscore."""
    return re.fullmatch(r"_(?!_)\w*[^\W_]\w*", name or "") is not None


def names_of_others(tree: ast.Module, ours: set[str]) -> Iterator[tuple[int, str]]:
    """Return line and name of each private name in *tree*: imported, used, or passed as a keyword.

    Args:
        ours: Attributes that the package's own classes define or set: these are found nowhere.
    """
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found = [part for one in names for part in one.name.split(".")]
            case ast.ImportFrom(module=module, names=names, level=0):
                found = [*(module or "").split("."), *(one.name for one in names)]
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name):
                found = [] if name in ours else [name]
            case ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr=name):
                found = [] if name in ours else [name]
            case ast.Attribute(attr=name) | ast.keyword(arg=str(name)):
                found = [name]
            case ast.Call(
                func=ast.Name(id="getattr" | "setattr" | "hasattr" | "delattr"),
                args=[_, ast.Constant(value=str(name)), *_],
            ):
                found = [name]
            case _:
                continue
        yield from ((getattr(node, "lineno", 0), name) for name in found if is_private(name))


def defined_in(tree: ast.Module) -> Iterator[str]:
    """Return private attributes that classes of *tree* define or set on themselves."""
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(body=body):
                for one in body:
                    match one:
                        case ast.FunctionDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
                            yield name
                        case ast.Assign(targets=[ast.Name(id=name)]):
                            yield name
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name, ctx=ast.Store()):
                yield name


def overridden(path: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Return private attributes that a file's classes override in other packages' bases."""
    for node in tree.body:
        if not isinstance(node, ast.ClassDef):
            continue
        names = [name for name in defined_in(ast.Module([node], [])) if is_private(name)]
        if not names:
            continue
        name = f"taskadmin.{path.removesuffix('.py').replace('/', '.')}".removesuffix(".__init__")
        made = getattr(importlib.import_module(name), node.name)
        for base in made.__mro__[1:]:
            if base.__module__.partition(".")[0] not in ("taskadmin", builtins.__name__):
                yield from ((node.lineno, name) for name in names if name in vars(base))


def found_in(path: str, tree: ast.Module, ours: set[str]) -> Iterator[tuple[str, int, str]]:
    """Return file, line and name of all private names in one file."""
    for line, name in (*names_of_others(tree, ours), *overridden(path, tree)):
        if name not in DOCUMENTED:
            yield path, line, name


def found_in_package() -> list[tuple[str, int, str]]:
    """Return those of all files."""
    trees = {
        str(file.relative_to(PACKAGE)): ast.parse(file.read_text(encoding="utf-8"))
        for file in PACKAGE.rglob("*.py")
    }
    ours = {name for tree in trees.values() for name in defined_in(tree)}
    return [found for path, tree in trees.items() for found in found_in(path, tree, ours)]


def test_no_private_names_of_other_packages_are_used() -> None:
    """Except for the listed ones, which must still exist."""
    found = found_in_package()

    unknown = [one for one in found if (one[0], one[2]) not in KNOWN]
    assert unknown == []
    assert {(path, name) for path, _, name in found} == KNOWN.keys()


def test_no_template_reads_a_private_name() -> None:
    """Of objects passed to it."""
    for file in (PACKAGE / "templates").rglob("*.html"):
        assert re.findall(r"\w\._[a-z]\w*", file.read_text(encoding="utf-8")) == [], file


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import celery._state", ["_state"]),
        ("from celery._state import connect", ["_state"]),
        ("from celery.result import _set, get", ["_set"]),
        ("from ._ours import _x", []),
        ("pool._cache.clear()", ["_cache"]),
        ("self._pool._cache", ["_cache", "_pool"]),
        ("self._theirs", ["_theirs"]),
        ("super()._theirs()", ["_theirs"]),
        ("super().__init__()", []),
        ("call(_x=1, __config__=2)", ["_x"]),
        ("getattr(g, '_flask_babel', None)", ["_flask_babel"]),
        ("setattr(request, 'fine', 1)", []),
        ("for _ in (): row._", []),
        ("class A:\n    _own: int\n    def _mine(self): return self._own", []),
        ("class A:\n    def f(self): self._own = 1; return self._own", []),
    ],
)
def test_each_way_to_a_private_name_is_found(source: str, names: list[str]) -> None:
    """The checks find all forms of use."""
    tree = ast.parse(source)
    assert [name for _, name in names_of_others(tree, {*defined_in(tree)})] == names
