"""Names and links in the documentation exist."""

from __future__ import annotations

import ast
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

import taskadmin
from taskadmin.models import LaunchState, RunState
from taskadmin.settings import Settings
from taskadmin.store.runs import transitions

ROOT = Path(__file__).parents[3]
PACKAGE = Path(taskadmin.__file__).parent
DOCS = ROOT / "packages" / "taskadmin" / "docs"
HOSTS = ROOT / "tests" / "hosts"
PROTOCOL = (DOCS / "protocol.md").read_text()
#: Folders that paths in documents are relative to.
FOLDERS = (ROOT, DOCS.parent, PACKAGE, PACKAGE / "templates")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md"), DOCS.parent / "README.md"])
NAME = r"`((?:store|queue)\.[\w.]+)`"
NAMES = sorted(set(re.findall(NAME, PROTOCOL)))


def found(name: str) -> Any:
    """Return the object named by a path such as ``store.launches.launches.take``."""
    return pkgutil.resolve_name(f"taskadmin.{name}")


def diagrams() -> Iterator[tuple[set[str], set[str]]]:
    """Return states, and functions that change them, of each diagram."""
    for text in re.findall(r"```mermaid\n(.*?)```", PROTOCOL, re.DOTALL):
        arrows = re.findall(r"^ +(\S+) --> (\S+?)(?:: (.+))?$", text, re.MULTILINE)
        labels = {one for *_, label in arrows for one in label.split(", ") if one}
        yield {state for *ends, _ in arrows for state in ends} - {"[*]"}, labels


@pytest.mark.parametrize("name", NAMES)
def test_names_in_the_protocol_exist(name: str) -> None:
    """All names in docs/protocol.md that enforce rules exist."""
    assert found(name) is not None


def test_states_are_those_of_the_models() -> None:
    """Diagrams have all states, and functions at their arrows are explained."""
    of_runs, of_launches = diagrams()
    assert of_runs[0] == set(RunState)
    assert of_launches[0] == set(LaunchState)
    assert of_runs[1] | of_launches[1] <= {name.rpartition(".")[2] for name in NAMES}


def test_every_change_of_a_run_is_in_the_protocol() -> None:
    """All functions that change states."""
    ours = {
        name
        for name, function in inspect.getmembers(transitions, inspect.isfunction)
        if function.__module__ == transitions.__name__ and not name.startswith("_")
    }
    assert {f"store.runs.transitions.{name}" for name in ours} <= set(NAMES)


def test_constants_have_the_values_of_the_protocol() -> None:
    """The documented limits equal the code's."""
    rows = re.findall(rf"^\| {NAME} \| ([\d,]+) \|", PROTOCOL, re.MULTILINE)
    assert len(rows) > 5
    assert {name: float(value.replace(",", "")) for name, value in rows} == {
        name: found(name) for name, _ in rows
    }


def test_the_readme_has_every_setting() -> None:
    """With its default."""
    table = (ROOT / "README.md").read_text().partition("### Settings")[2].partition("\n\nCelery")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", table, re.MULTILINE))
    assert rows == {one.alias: _in_words(one.default) for one in Settings.model_fields.values()}


def _in_words(default: Any) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, float):
        return f"{default:g}"
    return "none" if default in ((), None) else str(default)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_and_links_lead_somewhere(document: Path) -> None:
    """Modules such as `store/launches/due.py` and relative links exist."""
    text = document.read_text()
    for path in re.findall(r"`((?:[\w.]+/)+\w+\.(?:py|md|yml|html|js|css))`", text):
        assert any((folder / path).exists() for folder in FOLDERS), path
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)", text):
        linked = document.parent / target if target else document
        assert linked.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.+)$", linked.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", t).lower().replace(" ", "-") for t in titles}


def marked(file: Path) -> str:
    """The lines of a host that a document shows."""
    (lines,) = re.findall(r"^ *# docs: begin\n(.*?)^ *# docs: end$", file.read_text(), re.M | re.S)
    return dedent(lines).strip()


def test_recipes_are_code_of_the_tested_hosts() -> None:
    """Each block of docs/hosts.md is in the file above it, and each host has a recipe."""
    found = r"^<!-- (tests/hosts/\S+) -->\n```python\n(.*?)^```$"
    recipes = dict(re.findall(found, (DOCS / "hosts.md").read_text(), re.M | re.S))
    hosts = [file for file in HOSTS.rglob("*.py") if "# docs: begin" in file.read_text()]
    assert len(hosts) > 2
    expected = {file.relative_to(ROOT).as_posix(): f"{marked(file)}\n" for file in hosts}
    assert recipes == expected
    assert (DOCS / "hosts.md").read_text().count("```python") == len(recipes)


def imports(layer: str) -> set[tuple[str, str]]:
    """Return the imports between folders of a layer."""
    found = set()
    for file in (PACKAGE / layer).rglob("*.py"):
        *rooms, _ = here = file.relative_to(PACKAGE).with_suffix("").parts
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level:
                above = rooms[: len(rooms) - node.level + 1]
                named = node.module.split(".") if node.module else []
                for alias in node.names:
                    there = (*above, *named, alias.name)
                    if there[0] == layer and "__init__" not in here:
                        found.add((here[1], there[1]))
    return {(room, other) for room, other in found if room != other}


@pytest.mark.parametrize("layer", ["store", "queue", "admin"])
def test_pictures_of_rooms_are_those_of_the_code(layer: str) -> None:
    """Each arrow is an import, and each import an arrow."""
    text = (DOCS / "architecture.md").read_text()
    picture = re.search(rf"<!-- rooms: {layer} -->\n```mermaid\n(.*?)```", text, re.DOTALL)
    assert picture is not None
    arrows = set(re.findall(r"^ +(\w+) --> (\w+)$", picture[1], re.MULTILINE))
    assert arrows == imports(layer)
