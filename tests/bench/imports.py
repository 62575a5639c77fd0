"""How long ``import taskadmin`` takes in a ``flask`` command or a worker."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

#: Imports of every application with Celery and Flask-SQLAlchemy on PostgreSQL.
_USUAL = (
    "celery.app.amqp, celery.bin.celery, flask_login, flask_sqlalchemy, psycopg,"
    " sqlalchemy.dialects.postgresql.psycopg, sqlalchemy.orm"
)
_CODE = f"""
import sys, time, {_USUAL}
begun = time.perf_counter()
import taskadmin
print(time.perf_counter() - begun)
"""
#: The same after importing all third-party modules that taskadmin uses.
_OWN_CODE = f"""
import subprocess, sys, time, {_USUAL}
names = subprocess.run(
    [sys.executable, "-c", "import sys, taskadmin; print(*sys.modules)"],
    capture_output=True, text=True, check=True,
).stdout.split()
for name in names:
    if name.partition(".")[0] not in ("taskadmin", "__main__"):
        __import__(name)
begun = time.perf_counter()
import taskadmin
print(time.perf_counter() - begun)
"""


def imports(times: int = 9) -> dict[str, float]:
    """Return median milliseconds."""
    return {
        "with what only it needs, ms": _median(_CODE, times),
        "its own modules, ms": _median(_OWN_CODE, times),
    }


def _median(code: str, times: int) -> float:
    _seconds(code)  # compiles the modules, as pip does at installation
    return statistics.median(_seconds(code) for _ in range(times)) * 1000


def _seconds(code: str) -> float:
    environment = {**os.environ}
    # With this variable, every start would compile every module.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    return float(done.stdout)
