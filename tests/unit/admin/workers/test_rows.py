"""States of processes: heartbeats, problems, ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask.testing import FlaskClient
from sqlalchemy import insert, update
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.pages import cells, row_of
from services.rows.launches import run_row
from taskadmin.models import LedgerState, Process, ProcessEnd, ProcessKind, RunState, TaskResult
from taskadmin.store.database import clock

pytestmark = pytest.mark.databases("sqlite")

WORKERS = "/taskadmin/workers/"

AddProcess = Callable[..., UUID]


@pytest.fixture
def add_process(session: Session) -> AddProcess:
    """Add processes, seen so many seconds ago."""

    def add(kind: ProcessKind, name: str, *, silent: float = 0, **columns: Any) -> UUID:
        moment = clock.now(session)
        process = Process(
            id=uuid4(),
            kind=kind,
            name=name,
            started_at=moment - timedelta(hours=1),
            seen_at=moment - timedelta(seconds=silent),
            **{"host": "host", "pid": 7, **columns},
        )
        session.add(process)
        session.commit()
        return process.id

    return add


def test_healthy_processes_need_no_attention(
    session: Session, superuser: FlaskClient, add_process: AddProcess
) -> None:
    """Beat, launcher and worker run, and the launcher ticks."""
    add_process(ProcessKind.BEAT, "beat@one")
    add_process(ProcessKind.LAUNCHER, "launcher@one", queues="taskadmin.launch")
    add_process(ProcessKind.WORKER, "worker@one", queues="taskadmin.runs,reports")
    session.execute(update(LedgerState).values(ticked_at=clock.now(session)))
    session.commit()

    page = superuser.get(WORKERS).text

    assert "Needs attention" not in page
    assert [row[0].split()[0] for row in cells(page) if "@" in row[0]] == [
        "beat@one",
        "launcher@one",
        "worker@one",
    ]
    assert row_of(page, "worker@one")[1:3] == ["taskadmin.runsreports", "idle"]


@pytest.mark.settings(TASKADMIN_LEASE_SECONDS=3600)
@pytest.mark.parametrize(
    ("silent", "sign", "words"),
    [
        (1000, "good", "16 min, 40 sec ago"),
        (2000, "late", "late:"),
        (3700, "stopped", "silent for"),
    ],
)
def test_a_heartbeat_is_judged_by_the_lease(
    superuser: FlaskClient, add_process: AddProcess, silent: float, sign: str, words: str
) -> None:
    """With an icon and a word, after half of it and after all of it."""
    add_process(ProcessKind.WORKER, "worker@one", silent=silent)

    page = superuser.get(WORKERS).text

    assert row_of(page, "worker@one")[3].startswith(words)
    assert f'class="beat {sign}"' in page.split("worker@one")[-1]


def test_a_silent_beat_and_worker_are_named(
    session: Session, superuser: FlaskClient, add_process: AddProcess
) -> None:
    """With the length of the silence and the launcher's last tick."""
    add_process(ProcessKind.BEAT, "beat@one", silent=600, pid=41)
    add_process(ProcessKind.WORKER, "worker@one", silent=600)
    ticked_at = clock.now(session) - timedelta(minutes=10)
    session.execute(update(LedgerState).values(ticked_at=ticked_at))
    session.commit()

    page = superuser.get(WORKERS).text

    assert "beat@one (pid 41) sends no ticks: last seen 10 min" in page
    assert "No worker is running: worker@one was last seen 10 min" in page
    assert "No launcher is running: the last one was active 10 min" in page


def test_two_beats_are_one_too_many(superuser: FlaskClient, add_process: AddProcess) -> None:
    """Although nothing is launched twice."""
    add_process(ProcessKind.BEAT, "beat@one")
    add_process(ProcessKind.BEAT, "beat@two")

    page = superuser.get(WORKERS).text

    assert "2 beats are running. Nothing is launched twice, but one is enough." in page


def test_runs_of_pool_processes_belong_to_their_worker(
    session: Session, superuser: FlaskClient, add_process: AddProcess, make_task: MakeTask
) -> None:
    """A child with the same pid on another boot belongs to another worker."""
    boot, task = uuid4(), make_task(name="Dice")
    add_process(ProcessKind.WORKER, "worker@one", pid=20, boot=boot)
    child = add_process(ProcessKind.CHILD, "worker@one", pid=21, parent_pid=20, boot=boot)
    add_process(ProcessKind.CHILD, "worker@other", pid=22, parent_pid=20, boot=uuid4())
    rows = [run_row(task.id, 1, number, RunState.RUNNING, process_id=child) for number in range(7)]
    session.execute(insert(TaskResult), rows)
    session.commit()

    page = superuser.get(WORKERS).text

    worker = row_of(page, "worker@one")
    assert "1 child process" in worker[0]
    assert worker[2].count("Dice") == 5
    assert "and 2 more runs" in worker[2]
    assert "child" in row_of(page, "worker@other")[0]


#: By language: of a process whose role lacks a right, and of one that holds messages.
TROUBLES = {
    "en": (
        ("w@one (pid 7) lacks a database privilege.", "lacks a privilege: "),
        ("w@one (pid 7) is stuck. Check its log and restart it; other processes", "stuck: "),
    ),
    "de": (
        ("w@one (PID 7) fehlt ein Datenbankrecht.", "Datenbankrecht fehlt: "),
        ("w@one (PID 7) hängt fest. Prüfen Sie das Log", "hängt fest: "),
    ),
    "es": (
        ("A w@one (pid 7) le falta un privilegio en la base de datos.", "le falta un privilegio: "),
        ("w@one (pid 7) está atascado. Consulte su registro", "atascado: "),
    ),
    "fr": (
        (
            "Il manque à w@one (pid 7) un privilège de base de données.",
            "il lui manque un privilège: ",
        ),
        ("w@one (pid 7) est bloqué. Consultez son journal", "bloqué: "),
    ),
    "pt-BR": (
        ("Falta a w@one (pid 7) um privilégio no banco de dados.", "falta um privilégio: "),
        ("w@one (pid 7) está travado. Veja seu log", "travado: "),
    ),
    "uk": (
        ("w@one (pid 7) не має потрібного права в базі даних.", "бракує права: "),
        ("w@one (pid 7) завис. Перегляньте його журнал", "завис: "),
    ),
    "zh-Hans-CN": (
        ("w@one（pid 7）缺少数据库权限。", "缺少权限: "),
        ("w@one（pid 7）卡住了。请查看其日志", "卡住: "),
    ),
}


@pytest.mark.parametrize("tag", TROUBLES)
@pytest.mark.parametrize("of_child", [False, True], ids=["worker", "child"])
@pytest.mark.parametrize(
    ("which", "stored", "said"),
    [
        (0, "It lacks a right: denied for table <t>", "denied for table <t>"),
        (1, "It has held 2 messages.", "It has held 2 messages."),
    ],
    ids=["right", "held"],
)
def test_problems_reported_by_a_process_are_shown(
    superuser: FlaskClient,
    add_process: AddProcess,
    tag: str,
    of_child: bool,
    which: int,
    stored: str,
    said: str,
) -> None:
    """Beside its name and under "Needs attention", in the reader's language."""
    boot = uuid4()
    trouble = {"trouble": stored, "name": "w@one"}
    if of_child:
        add_process(ProcessKind.WORKER, "w@one", pid=6, boot=boot)
        add_process(ProcessKind.CHILD, pid=7, parent_pid=6, boot=boot, **trouble)
    else:
        add_process(ProcessKind.WORKER, boot=boot, **trouble)

    page = superuser.get(WORKERS, headers={"Accept-Language": tag}).text

    sentence, sign = TROUBLES[tag][which]
    attention, _, rest = page.partition('id="queues"')
    assert sentence in unescape(attention)
    assert ("flask taskadmin doctor" in attention) == (which == 0)
    assert f"{sign}{said}" in row_of(rest, "w@one")[0]


def test_stopped_processes_are_listed_with_the_reason(
    session: Session, superuser: FlaskClient, add_process: AddProcess
) -> None:
    """For an hour."""
    gone = {"gone_at": clock.now(session), "ending": ProcessEnd.LOST, "reason": "Silent <b>."}
    add_process(ProcessKind.WORKER, "worker@gone", **gone)

    page = superuser.get(WORKERS).text

    assert "Ended in the last hour" in page
    assert row_of(page, "worker@gone")[1] == "LostSilent <b>."
    assert "No worker is running." in page
