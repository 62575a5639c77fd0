"""Give each service of docker-compose.yml its own settings and secrets.

``python -m stack.services FOLDER`` writes one file per variable to ``FOLDER/<service>``, a volume
that only this service mounts. It reads dockr/.env, which compose passes to the service ``settings``
only; secrets can also be read from files, named by ``NAME_FILE``.

Each service's user of the database and of the broker gets a random password, kept in the volume.
``<SERVICE>_POSTGRES_PASSWORD`` and ``<SERVICE>_RABBITMQ_PASSWORD`` override it.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from .broker import USERS, configuration, definitions
from .environment import OPTIONAL_SECRETS, REQUIRED, missing, with_files
from .secrets_check import weak_secrets
from .users import user_name

#: Where a service mounts its volume.
FOLDER = "/run/settings"
#: Services that use the tables, and the service whose role owns them.
ROLES = ("web", "worker", "beat")
OWNER = "migrate"
SITE = (OWNER, *ROLES)
#: The site's settings that aren't secret; the package's start with the prefix.
_PUBLIC = (
    "POSTGRES_DB",
    "POSTGRES_HOST",
    "RABBITMQ_VHOST",
    "RABBITMQ_HOST",
    "GENERATE_RANDOM_NUMBER_TASKS_SCHEDULE",
    "HTTP_LATENCY_PRIVATE_ADDRESSES",
    "LOG_FORMAT",
    "LOG_LEVEL",
    "TRUSTED_HOSTS",
)
_PREFIX = "TASKADMIN_"
_KINDS = ("POSTGRES", "RABBITMQ")

#: Returns the content of a service's current file, or "".
Kept = Callable[[str, str], str]


def settings_of(environ: Mapping[str, str], kept: Kept) -> dict[str, dict[str, str]]:
    """Return the files of each service, by its name.

    Args:
        environ: All required variables.
        kept: Reads the current files, to keep random passwords.
    """

    def password(service: str, name: str) -> str:
        given = environ.get(f"{service.upper()}_{name}") or kept(service, name)
        return given or secrets.token_urlsafe(32)

    public = {
        name: value
        for name, value in environ.items()
        if value and name not in OPTIONAL_SECRETS and (name in _PUBLIC or name.startswith(_PREFIX))
    }
    admin, admin_password = environ["RABBITMQ_USERNAME"], environ["RABBITMQ_PASSWORD"]
    # The site requires all of these; a secret that a service doesn't need opens nothing.
    found = {
        service: {
            **public,
            "SECRET_KEY": environ["SECRET_KEY"]
            if service == "web"
            else password(service, "SECRET_KEY"),
            "POSTGRES_USER": user_name(service),
            "POSTGRES_PASSWORD": password(service, "POSTGRES_PASSWORD"),
            "RABBITMQ_USERNAME": user_name(service),
            "RABBITMQ_PASSWORD": password(service, "RABBITMQ_PASSWORD"),
        }
        for service in SITE
    }
    found["web"] |= {name: environ[name] for name in OPTIONAL_SECRETS if environ.get(name)}
    found[OWNER] |= {
        "ADMIN_POSTGRES_USER": environ["POSTGRES_USER"],
        "ADMIN_POSTGRES_PASSWORD": environ["POSTGRES_PASSWORD"],
        **{f"{one.upper()}_POSTGRES_PASSWORD": found[one]["POSTGRES_PASSWORD"] for one in ROLES},
    }
    found["db"] = {
        name: environ[name] for name in ("POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB")
    }
    # People log in to Flower as the broker's administrator, who can't connect from there.
    found["flower"] = {
        **{name: value for name, value in public.items() if name.startswith(("RABBITMQ_", "LOG_"))},
        "RABBITMQ_USERNAME": user_name("flower"),
        "RABBITMQ_PASSWORD": password("flower", "RABBITMQ_PASSWORD"),
        "FLOWER_USERNAME": admin,
        "FLOWER_PASSWORD": admin_password,
    }
    passwords = {service: found[service]["RABBITMQ_PASSWORD"] for service in USERS}
    found["mq"] = {
        "definitions.json": definitions(
            environ["RABBITMQ_VHOST"], admin, {**passwords, admin: admin_password}
        ),
        "advanced.config": configuration(admin, f"{FOLDER}/definitions.json"),
    }
    return found


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Write *files* into *folder* and delete all others. Unchanged files aren't touched."""
    folder.mkdir(exist_ok=True)
    for old in set(folder.iterdir()) - {folder / name for name in files}:
        old.unlink()
    for name, content in files.items():
        file = folder / name
        if not file.exists() or file.read_text(encoding="utf-8") != content:
            half = folder / f".{name}"
            half.write_text(content, encoding="utf-8")
            half.chmod(0o444)  # services run as different users
            half.rename(file)


def problems_of(environ: Mapping[str, str]) -> list[str]:
    """Return a sentence for each administrator's username that a service's user has."""
    taken = [user_name(service) for service in (*SITE, *USERS)]
    return [
        f"{name} is {environ[name]}, the username of a service: choose another."
        for name in ("POSTGRES_USER", "RABBITMQ_USERNAME")
        if environ.get(name) in taken
    ]


def main(folder: Path) -> int:
    """Write all files and return the exit code."""

    def kept(service: str, name: str) -> str:
        file = folder / service / name
        return file.read_text(encoding="utf-8") if file.exists() else ""

    given = (f"{one.upper()}_{kind}_PASSWORD" for one in (*SITE, "flower") for kind in _KINDS)
    environ, problems = with_files(os.environ, (*REQUIRED, *OPTIONAL_SECRETS, *given))
    problems += missing(environ) + problems_of(environ)
    weak = weak_secrets(environ)
    if environ.get("TASKADMIN_ENV") == "production":
        problems += weak
    if problems:
        lines = ("The environment variables (dockr/.env) have errors:", *problems)
        sys.stderr.write("\n  ".join(lines) + "\n")
        return 1
    if weak:
        lines = ("UNSAFE:", *weak, "Anyone who can reach the site can take it over.\n")
        sys.stderr.write(" ".join(lines))
    for service, files in settings_of(environ, kept).items():
        write(folder / service, files)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
