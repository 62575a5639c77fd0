"""Run a command and restart it when one of the mounted sources or settings is edited.

    python reload.py celery -A taskadmin_site.celery_app worker ...

``SOURCES`` and ``SETTINGS_FOLDER`` name their folders. Without ``SOURCES``, the command replaces
this process.

Exits with the command's exit code, so that a restart policy or a supervisor notices that the
command has ended (``watchfiles COMMAND`` would wait for an edit instead). Edits with syntax
errors are ignored until they are fixed. Imports nothing from the site, which would take 60 MB
and wouldn't be reloaded.
"""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from types import FrameType

from watchfiles import Change, PythonFilter, watch

#: Seconds between checks that the command is still running.
LOOK_SECONDS = 0.5
#: Seconds after which a command that doesn't end is killed.
FINISH_SECONDS = 25


def main(command: list[str]) -> int:
    """Run *command* until it ends, and return its exit code."""
    paths = os.environ.get("SOURCES", "").split(":")
    if paths == [""]:
        os.execvp(command[0], command)  # noqa: S606 - it comes from docker-compose.yml
    process = subprocess.Popen(command)  # noqa: S603 - it comes from docker-compose.yml

    def pass_on(number: int, _: FrameType | None) -> None:
        process.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, pass_on)
    settings = os.environ.get("SETTINGS_FOLDER")
    edits = watch(
        *paths,
        *([settings] if settings else []),
        watch_filter=_SourcesAnd(settings),
        rust_timeout=int(LOOK_SECONDS * 1000),
        yield_on_timeout=True,
        raise_interrupt=False,
    )
    for changes in edits:
        if (code := process.poll()) is not None:
            return code if code >= 0 else 128 - code
        files = sorted({Path(name) for _, name in changes})
        if files and not _says_why_not(files):
            _log(f"Edited: {', '.join(file.name for file in files)}; restarting")
            _stop(process)
            process = subprocess.Popen(command)  # noqa: S603
    raise AssertionError("watch() only ends on Ctrl-C, which is passed on instead")


class _SourcesAnd(PythonFilter):
    """Watch Python files, and files in the settings folder that are named like variables."""

    def __init__(self, settings: str | None) -> None:
        super().__init__()
        self._settings = settings

    def __call__(self, change: Change, path: str) -> bool:
        folder, name = os.path.split(path)
        is_variable = name.isidentifier() and name.isupper()
        return super().__call__(change, path) or (folder == self._settings and is_variable)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(FINISH_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _says_why_not(files: Iterable[Path]) -> bool:
    """Log a syntax error in one of *files*, and return whether there was one."""
    for file in files:
        if file.suffix != ".py":
            continue
        try:
            ast.parse(file.read_bytes(), file.name)
        except FileNotFoundError:
            continue
        except (OSError, SyntaxError, ValueError) as error:
            _log(f"Edited: {file.name}; not restarting because of an error: {error}")
            return True
    return False


def _log(message: str) -> None:
    line = json.dumps({"level": "INFO", "logger": "reload", "message": message})
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
