"""Output to a terminal."""

from __future__ import annotations

import json
from datetime import date

import pytest
from flask import Flask
from sqlalchemy import update
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from taskadmin.cli import taskadmin_cli
from taskadmin.cli.output import as_json, say, table
from taskadmin.models import Task, TaskPause
from taskadmin.store.people.audit import Actor
from taskadmin.store.tasks import pauses

HOSTILE = "a\x1b]0;title\x07\u202egnp\x9b31m"
ESCAPED = r"a\x1b]0;title\x07\u202egnp\x9b31m"


def test_nothing_controls_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """In lines, tables and JSON, on both streams; line breaks and other scripts stay."""
    say(f"{HOSTILE}\n\tמרים 李雷")
    say(HOSTILE, err=True)
    table(["Name"], [[HOSTILE]])
    as_json({HOSTILE: [HOSTILE]})

    printed = capsys.readouterr()
    escaped_twice = ESCAPED.replace("\\", "\\\\")
    assert printed.out.startswith(f"{ESCAPED}\n\tמרים 李雷\nName\n{ESCAPED}\n")
    assert f'"{escaped_twice}": [\n    "{escaped_twice}"' in printed.out
    assert printed.err == f"{ESCAPED}\n"


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("name", [HOSTILE, "txt.\u202egnp", "two\n\u2066lines"])
@pytest.mark.parametrize(
    "command",
    [
        ["tasks", "list"],
        ["tasks", "show", "1"],
        ["tasks", "export"],
        ["audit", "export"],
        ["tasks", "pause", "1"],
    ],
)
def test_stored_text_does_not_control_it_either(
    app: Flask, session: Session, make_task: MakeTask, command: list[str], name: str
) -> None:
    """Such as a task's name and note stored by an earlier release."""
    task = make_task(name="Dice")
    pauses.pause_tasks(session, [task.id], actor=Actor(None, "ada", "192.0.2.1"), note="Later")
    session.execute(update(Task).values(name=name))
    session.execute(update(TaskPause).values(note=name))
    session.commit()

    done = app.test_cli_runner().invoke(taskadmin_cli, command)

    assert done.exit_code == 0, done.output
    assert not set(done.output) & set("\x1b\x07\x9b\u202e\u2066"), done.output


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("command", ["list", "show"])
def test_a_name_does_not_begin_a_line(
    app: Flask, session: Session, make_task: MakeTask, command: str
) -> None:
    """It could look like another row; a carriage return would overwrite the row."""
    make_task(name="Dice")
    session.execute(update(Task).values(name="a\r\n2\tb"))
    session.commit()

    arguments = ["tasks", command, *(["1"] if command == "show" else [])]
    output = app.test_cli_runner().invoke(taskadmin_cli, arguments).output

    assert r"a\r\n2\tb" in output


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    "command",
    [["users", "unblock", HOSTILE], ["users", "log-out", HOSTILE], ["tasks", "show", HOSTILE]],
)
def test_an_error_does_not_control_it(app: Flask, command: list[str]) -> None:
    """The error repeats the input."""
    output = app.test_cli_runner().invoke(taskadmin_cli, command, color=True).output

    assert not set(output) & set("\x1b\x07\x9b\u202e"), output


def test_columns_are_as_wide_as_their_longest_cell(capsys: pytest.CaptureFixture[str]) -> None:
    """Missing values are dashes; lines have no trailing spaces."""
    table(("id", "name"), [(1, None), (1000, "Dice"), (2, "half \ud800")])
    assert capsys.readouterr().out.splitlines() == [
        "id    name",
        "1     –",
        "1000  Dice",
        r"2     half \ud800",
    ]


def test_other_types_than_jsons_are_written_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    """Letters aren't escaped."""
    as_json({"day": date(2026, 1, 2), "name": "Zoë", "most": float("inf")})
    printed = capsys.readouterr().out
    assert json.loads(printed) == {"day": "2026-01-02", "name": "Zoë", "most": "inf"}
    assert "Zoë" in printed
