"""The script that restarts a command after an edit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("watchfiles", reason="watchfiles is installed in the containers only")

RELOAD = Path(__file__).parents[4] / "deploy" / "dockr" / "processes" / "reload.py"
#: Prints a line when it starts and when it is terminated.
COMMAND = """
import signal, sys, time
def end(*_):
    print("ended", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("started", flush=True)
time.sleep(60)
"""

Start = Callable[[str], "subprocess.Popen[bytes]"]


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A watched folder."""
    folder = tmp_path / "sources"
    folder.mkdir()
    return folder


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """A folder with one file per variable."""
    folder = tmp_path / "settings"
    folder.mkdir()
    return folder


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Output of reload and its command."""
    return tmp_path / "output"


@pytest.fixture
def start(sources: Path, settings: Path, output: Path) -> Iterator[Start]:
    """Start reload with a program, and stop it after the test."""
    processes = []

    def run(program: str) -> subprocess.Popen[bytes]:
        with output.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, str(RELOAD), sys.executable, "-c", program],
                env={**os.environ, "SOURCES": str(sources), "SETTINGS_FOLDER": str(settings)},
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        processes.append(process)
        return process

    yield run
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_for(text: str, output: Path) -> None:
    deadline = time.monotonic() + 10
    while text not in output.read_text():
        assert time.monotonic() < deadline, f"{text!r} isn't in {output.read_text()!r}"
        time.sleep(0.05)


def _wait_until_it_watches(sources: Path, output: Path) -> None:
    """Edit until an edit is noticed: the watch begins some time after the start."""
    deadline = time.monotonic() + 10
    while "Edited: first.py" not in output.read_text():
        assert time.monotonic() < deadline, output.read_text()
        (sources / "first.py").write_text(f"x = {time.monotonic()}\n")
        time.sleep(0.3)


def test_edit_restarts_the_command(start: Start, sources: Path, output: Path) -> None:
    """The command is terminated and started again."""
    start(COMMAND)
    _wait_for("started", output)

    _wait_until_it_watches(sources, output)

    _wait_for("ended\nstarted", output)


def test_edit_that_is_no_python_is_left_alone(start: Start, sources: Path, output: Path) -> None:
    """An edit with a syntax error doesn't restart the command."""
    start(COMMAND)
    _wait_until_it_watches(sources, output)
    _wait_for("ended\nstarted", output)
    starts = output.read_text().count("started")

    (sources / "second.py").write_text("x = = 1\n")

    _wait_for("second.py; not restarting because of an error: invalid syntax", output)
    assert output.read_text().count("started") == starts


def test_changed_setting_restarts_the_command(
    start: Start, sources: Path, settings: Path, output: Path
) -> None:
    """Other files in the settings folder don't."""
    start(COMMAND)
    _wait_until_it_watches(sources, output)

    (settings / "definitions.json").write_text("{}")
    (settings / ".LOG_LEVEL").write_text("DEBUG")
    (settings / ".LOG_LEVEL").rename(settings / "LOG_LEVEL")

    _wait_for("Edited: LOG_LEVEL; restarting", output)


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("raise SystemExit(3)", 3),
        ("raise SystemExit(0)", 0),
        ("import os; os.kill(os.getpid(), 9)", 137),
    ],
)
def test_ends_with_the_commands_exit_code(start: Start, program: str, expected: int) -> None:
    """A restart policy or supervisor sees the command's exit code."""
    assert start(program).wait(10) == expected


def test_term_is_passed_on(start: Start, output: Path) -> None:
    """The command handles the signal, and reload ends after it."""
    process = start(COMMAND)
    _wait_for("started", output)

    process.terminate()

    assert process.wait(10) == 0
    _wait_for("ended", output)


def test_without_sources_the_command_runs_alone() -> None:
    """If no sources are mounted, the command replaces the process."""
    environment = {name: value for name, value in os.environ.items() if name != "SOURCES"}
    program = "import os; print(os.getpid())"

    started = subprocess.Popen(
        [sys.executable, str(RELOAD), sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )

    assert started.communicate(timeout=30)[0] == f"{started.pid}\n"
    assert started.returncode == 0
