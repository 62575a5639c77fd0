"""PgBouncer with transaction pooling for a test's database: installed and newest release."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL

from .postgresql import PostgresqlServer, free_port

#: The path of a newer release, from ``newest_pgbouncer.sh``.
VARIABLE = "TASKADMIN_TEST_NEWEST_PGBOUNCER"
# Read on import, because fixtures remove the user's TASKADMIN_ variables.
NEWEST = os.environ.get(VARIABLE)
#: Connections to PostgreSQL: fewer than clients, so that these switch between them.
POOL_SIZE = 3


def program(which: str) -> str:
    """Return the path of the installed or the newest PgBouncer; skip without it."""
    if which == "newest":
        found = NEWEST if NEWEST and Path(NEWEST).exists() else None
        fix = f"set {VARIABLE} to the output of tests/services/newest_pgbouncer.sh"
    else:
        found = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
        fix = "install pgbouncer"
    if found is None:
        message = f"No PgBouncer ({which}): {fix}."
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return found


@contextlib.contextmanager
def pgbouncer(path: str, database: URL, **settings: object) -> Iterator[URL]:
    """Run PgBouncer on a free loopback port; yield the URL of *database* behind it."""
    home = Path(tempfile.mkdtemp(prefix="pgbouncer-"))
    who: dict[str, Any] = {}
    if os.geteuid() == 0:  # it refuses to run as root
        nobody = pwd.getpwnam("nobody")
        os.chown(home, nobody.pw_uid, nobody.pw_gid)
        who = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    port = free_port()
    options = {
        "listen_addr": "127.0.0.1",
        "listen_port": port,
        "unix_socket_dir": "",
        "auth_type": "any",
        "pool_mode": "transaction",
        "default_pool_size": POOL_SIZE,
        "max_client_conn": 200,
        **settings,
    }
    server = f"host={database.host} port={database.port or 5432} user={database.username}"
    if database.password:
        server += f" password={database.password}"
    lines = [f"{name} = {value}" for name, value in options.items()]
    (home / "pgbouncer.ini").write_text(
        "\n".join(["[databases]", f"* = {server}", "[pgbouncer]", *lines, ""])
    )
    with (home / "log").open("w") as log:
        process = subprocess.Popen(
            [path, home / "pgbouncer.ini"], cwd=home, stdout=log, stderr=log, **who
        )
    url = database.set(host="127.0.0.1", port=port, password=None)
    try:
        deadline = time.monotonic() + 30
        while (why_not := PostgresqlServer(url).why_unreachable()) is not None:
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"PgBouncer didn't start ({why_not}):\n{(home / 'log').read_text()}")
            time.sleep(0.05)
        yield url
    finally:
        process.kill()  # older releases would wait for clients on TERM
        process.wait()
        shutil.rmtree(home, ignore_errors=True)
