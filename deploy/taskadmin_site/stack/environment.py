"""Environment variables, with values from files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

#: Required variables; ``dockr/.env.example`` describes them.
REQUIRED = (
    "SECRET_KEY",
    "POSTGRES_USER",
    "POSTGRES_PASSWORD",
    "POSTGRES_DB",
    "POSTGRES_HOST",
    "RABBITMQ_USERNAME",
    "RABBITMQ_PASSWORD",
    "RABBITMQ_VHOST",
    "RABBITMQ_HOST",
)
#: Optional secrets, of the pages only.
OPTIONAL_SECRETS = ("SECRET_KEY_FALLBACKS", "TASKADMIN_METRICS_TOKEN")
#: Variable that names a folder with one file per variable.
FOLDER = "SETTINGS_FOLDER"


def with_files(
    environ: Mapping[str, str], names: Iterable[str] = (*REQUIRED, *OPTIONAL_SECRETS)
) -> tuple[dict[str, str], list[str]]:
    """Return *environ* with values from files, and a sentence for each invalid file.

    ``NAME_FILE`` names the file with the value of ``NAME``, as in PostgreSQL's images. Variables of
    the environment take precedence over files in ``SETTINGS_FOLDER``.

    Args:
        names: Variables that can have a ``NAME_FILE``.
    """
    problems: list[str] = []
    found = _in_folder(environ, problems) | {**environ}
    for name in names:
        path = environ.get(f"{name}_FILE")
        if not path:
            continue
        if environ.get(name):
            problems.append(f"{name} and {name}_FILE are both set: leave one of them out.")
            continue
        try:
            found[name] = _value(Path(path))
        except (OSError, ValueError) as error:
            problems.append(_unreadable(f"{name}_FILE", path, error))
        else:
            if not found[name]:
                problems.append(f"{name}_FILE names {path}, which is empty.")
    return found, problems


def missing(environ: Mapping[str, str]) -> list[str]:
    """Return a sentence for each required variable that is set neither directly nor by a file."""
    return [
        f"{name} is missing."
        for name in REQUIRED
        if not environ.get(name) and not environ.get(f"{name}_FILE")
    ]


def _in_folder(environ: Mapping[str, str], problems: list[str]) -> dict[str, str]:
    folder = environ.get(FOLDER)
    if not folder:
        return {}
    try:
        return {file.name: _value(file) for file in Path(folder).iterdir() if file.is_file()}
    except (OSError, ValueError) as error:
        problems.append(_unreadable(FOLDER, folder, error))
        return {}


def _unreadable(name: str, path: str, error: OSError | ValueError) -> str:
    why = getattr(error, "strerror", None) or "it isn't UTF-8"
    return f"{name} names {path}, which can't be read: {why}."


def _value(file: Path) -> str:
    return file.read_text(encoding="utf-8").rstrip("\r\n")
