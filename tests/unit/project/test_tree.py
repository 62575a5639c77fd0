"""Test files are where people look for them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import taskadmin
import taskadmin_site

TESTS = Path(__file__).parents[2]
PACKAGE, SITE = Path(taskadmin.__file__).parent, Path(taskadmin_site.__file__).parent
#: Maximum modules per folder, without ``__init__`` and ``conftest``.
MOST = 12
#: Modules of the site that need servers: see tests/integration/site.
WITH_SERVERS = {
    "celery_app.py",  # the celery command imports it
    "demo.py",  # test_demo.py
    *("migrate.py", "stack/roles.py", "stack/users.py"),  # test_least_rights.py
}


def has_functions(module: Path) -> bool:
    """Return whether a module has code to test; special methods such as ``__str__`` don't count."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return any(
        isinstance(node, functions) and not node.name.startswith("__")
        for node in ast.walk(ast.parse(module.read_text()))
    )


@pytest.mark.parametrize(
    ("sources", "tests", "elsewhere"),
    [(PACKAGE, TESTS / "unit", set()), (SITE, TESTS / "unit" / "site", WITH_SERVERS)],
    ids=["package", "site"],
)
def test_each_module_has_a_test_file_of_its_name(
    sources: Path, tests: Path, elsewhere: set[str]
) -> None:
    """Tests of ``store/runs/lists.py`` are in ``store/runs/test_lists.py``."""
    missing = set()
    for module in sources.rglob("*.py"):
        path = module.relative_to(sources)
        folder = tests / path.parent
        name = folder.name if module.name == "__init__.py" else module.stem
        if "versions" in path.parts or (folder / f"test_{name}.py").exists():
            continue
        if has_functions(module):
            missing.add(path.as_posix())

    assert missing == elsewhere


def test_each_test_says_what_it_tests() -> None:
    """In its docstring."""
    tests = [
        (file.relative_to(TESTS).as_posix(), node.name, ast.get_docstring(node))
        for file in TESTS.rglob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]

    assert len(tests) > 1000
    assert [(file, name) for file, name, docstring in tests if not docstring] == []


def test_no_folder_is_too_full() -> None:
    """Divide it by subject. Migrations belong together."""
    modules = [module for top in (PACKAGE, TESTS) for module in top.rglob("*.py")]
    in_folders = [
        module.parent
        for module in modules
        if module.name not in ("__init__.py", "conftest.py") and module.parent.name != "versions"
    ]

    assert len(set(in_folders)) > 50
    assert {str(one) for one in set(in_folders) if in_folders.count(one) > MOST} == set()
