"""Class names are unique in the package."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import taskadmin

PACKAGE = Path(taskadmin.__file__).parent


def test_each_class_has_a_name_of_its_own() -> None:
    """So that a name can be searched for."""
    places = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name.lstrip("_")].append(str(path.relative_to(PACKAGE)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
