"""Duplicated content of the repository is equal."""

from __future__ import annotations

import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[3]


def test_the_package_has_the_repositorys_licence() -> None:
    """A wheel only includes files below its pyproject.toml."""
    own = ROOT / "packages" / "taskadmin" / "LICENSE"
    assert own.read_text() == (ROOT / "LICENSE").read_text()


def test_hooks_of_commits_have_the_requirements_of_lint() -> None:
    """So that both find the same problems."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    wanted = {
        one for hook in repository["hooks"] for one in hook.get("additional_dependencies", ())
    }
    assert wanted
    assert wanted <= set(project["dependency-groups"]["lint"])
