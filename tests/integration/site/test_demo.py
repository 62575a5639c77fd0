"""The embedded demo as a process: ``python -m taskadmin_site.demo``."""

from __future__ import annotations

import re
import signal
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.servers.processes import wait_for

TABLE = re.compile(
    r"task +lower limit +upper limit +state +result\n"
    r" +1 +0\.0 +1\.0 +succeeded +(?P<unit>\S+)\n"
    r" +2 +1\.0 +6\.0 +succeeded +(?P<dice>\S+)\n"
    r" +3 +-1000\.0 +1000\.0 +succeeded +(?P<wide>\S+)\n"
)


def command(data: Path, *arguments: str) -> list[str]:
    """Return the demo's command for a folder."""
    return [sys.executable, "-m", "taskadmin_site.demo", "--data", str(data), *arguments]


def once(data: Path) -> subprocess.CompletedProcess[str]:
    """Run one launch."""
    return subprocess.run(
        command(data, "--once"),
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )


def test_once_launches_once_and_prints_the_results(tmp_path: Path) -> None:
    """It prints the three sample tasks' results, and the superuser's password once."""
    first = once(tmp_path)
    second = once(tmp_path)

    for done in (first, second):
        assert done.returncode == 0, done.stderr
        table = TABLE.search(done.stdout)
        assert table is not None, done.stdout
        assert 0 <= float(table["unit"]) <= 1 <= float(table["dice"]) <= 6
        assert -1000 <= float(table["wide"]) <= 1000
    assert re.search(r"^Superuser: admin   password: \S{16}$", first.stdout, re.MULTILINE)
    assert "password" not in second.stdout
    with sqlite3.connect(tmp_path / "taskadmin.sqlite") as database:
        (runs,) = database.execute("SELECT count(*) FROM taskadmin_task_result").fetchone()
        (mode,) = database.execute("PRAGMA journal_mode").fetchone()
    database.close()
    assert (runs, mode) == (6, "wal")


def test_once_fails_when_a_result_does_not_come(tmp_path: Path) -> None:
    """A task with an unknown job has a skipped run, and the exit code is 1."""
    once(tmp_path)
    with sqlite3.connect(tmp_path / "taskadmin.sqlite") as database:
        database.execute(
            "UPDATE taskadmin_task SET job = 'gone', lower_limit = NULL, upper_limit = NULL"
            " WHERE id = 2"
        )
    database.close()

    done = once(tmp_path)

    assert done.returncode == 1
    assert "1 of 3 results are missing." in done.stderr
    assert "skipped" in done.stdout


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path, str]]:
    """Run the demo; yield the process, its output and its address."""
    output = tmp_path / "output"
    with output.open("w") as file:
        process = subprocess.Popen(
            command(tmp_path, "--port", "0"),
            stdout=file,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
        )
    try:
        found = wait_for(
            lambda: re.search(r"taskadmin runs at (http://127\.0\.0\.1:\d+)/", output.read_text()),
            what="the address",
        )
        yield process, output, found[1]
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def test_four_jobs_run_by_their_own_schedules(
    served: tuple[subprocess.Popen[str], Path, str], tmp_path: Path
) -> None:
    """The common slot, two intervals and a cron expression."""

    def rows(statement: str) -> list[tuple[object, ...]]:
        database = sqlite3.connect(tmp_path / "taskadmin.sqlite")
        found = database.execute(statement).fetchall()
        database.close()
        return found

    assert rows(
        "SELECT job, kind, every_s, cron, zone FROM taskadmin_task"
        " JOIN taskadmin_schedule ON task_id = id ORDER BY job"
    ) == [
        ("http_latency", "interval", 15, None, "UTC"),
        ("queue_depth", "interval", 30, None, "UTC"),
        ("table_rows", "cron", None, "* * * * *", "Europe/Berlin"),
    ]
    wait_for(
        lambda: (
            {
                job
                for (job,) in rows(
                    "SELECT job FROM taskadmin_task_result WHERE state = 'succeeded'"
                )
            }
            == {"generate_random_number", "http_latency", "queue_depth", "table_rows"}
        ),
        seconds=90,
        what="a result of each job",
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_stopped(
    served: tuple[subprocess.Popen[str], Path, str], tmp_path: Path, number: int
) -> None:
    """It launches, responds, and ends with all it has started."""
    process, output, address = served

    def succeeded() -> int:
        database = sqlite3.connect(tmp_path / "taskadmin.sqlite")
        (count,) = database.execute(
            "SELECT count(*) FROM taskadmin_task_result WHERE state = 'succeeded'"
        ).fetchone()
        database.close()
        return int(count)

    wait_for(lambda: succeeded() >= 3, what="the first results")
    with urllib.request.urlopen(f"{address}/taskadmin/login", timeout=5) as answer:
        assert b"Log in" in answer.read()

    process.send_signal(number)

    assert process.wait(timeout=15) == 0
    assert "Stopping" in output.read_text()
    assert "Traceback" not in output.read_text()
