"""Run a command, and run it anew when one of the mounted sources was edited.

    python reload.py celery -A taskadmin_site.celery_app worker ...

Ends with the command's exit code when the command ends by itself, so that a restart policy
or a supervisor sees it (``watchfiles COMMAND`` goes on waiting for an edit, over a dead
process). An edit that isn't Python yet is left alone until it is saved again. Nothing of
the site is imported here: an edit of it would not be seen, and it costs 60 MB.
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

from watchfiles import PythonFilter, watch

#: Seconds between two looks at whether the command still runs.
LOOK_SECONDS = 0.5
#: Seconds that a command has to finish what it is at before it is run anew.
FINISH_SECONDS = 25


def main(command: list[str]) -> int:
    """Run *command* until it ends, and return its exit code."""
    paths = os.environ["SOURCES"].split(":")
    process = subprocess.Popen(command)  # noqa: S603 - it comes from docker-compose.yml

    def pass_on(number: int, _: FrameType | None) -> None:
        process.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, pass_on)
    edits = watch(
        *paths,
        watch_filter=PythonFilter(),
        rust_timeout=int(LOOK_SECONDS * 1000),
        yield_on_timeout=True,
        raise_interrupt=False,
    )
    for changes in edits:
        if (code := process.poll()) is not None:
            return code if code >= 0 else 128 - code
        files = sorted({Path(name) for _, name in changes})
        if files and not _says_why_not(files):
            _log(f"Edited: {', '.join(file.name for file in files)}; running anew")
            _stop(process)
            process = subprocess.Popen(command)  # noqa: S603
    raise AssertionError("watch() ends for Ctrl-C only, which is passed on instead")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(FINISH_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _says_why_not(files: Iterable[Path]) -> bool:
    """Whether one of *files* can't be imported as it is; the log says where."""
    for file in files:
        try:
            ast.parse(file.read_bytes(), file.name)
        except FileNotFoundError:
            continue
        except (OSError, SyntaxError, ValueError) as error:
            _log(f"Edited: {file.name}, but it can't be run as it is: {error}")
            return True
    return False


def _log(message: str) -> None:
    line = json.dumps({"level": "INFO", "logger": "reload", "message": message})
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
