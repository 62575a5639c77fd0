"""A host with an SQLite database, whose rows are copied to the stage's database for the judge."""

from __future__ import annotations

import json
from pathlib import Path

from sqlalchemy import (
    Connection,
    Engine,
    NullPool,
    create_engine,
    delete,
    func,
    insert,
    select,
    text,
)

from taskadmin.models import Base, Launch, LaunchState, Process, Task, TaskResult, User
from taskadmin.queue import EMBEDDED_CELERY
from taskadmin_site.sqlite import ENGINE_OPTIONS

from ..stages.roles import Role
from ..stages.stage import Stage

#: Like ``watch.WATCH``.
_WATCH = (
    """
CREATE TABLE watch_log (
    at REAL DEFAULT ((julianday('now') - 2440587.5) * 86400.0), op TEXT, run_id INTEGER,
    task_id INTEGER, due_at TEXT, before TEXT, after TEXT, final INTEGER, changed INTEGER
)""",
    """
CREATE TRIGGER watch_insert AFTER INSERT ON taskadmin_task_result BEGIN
    INSERT INTO watch_log (op, run_id, task_id, due_at, after, final, changed)
    VALUES ('INSERT', NEW.id, NEW.task_id, NEW.due_at, NEW.state, NEW.finished_at IS NOT NULL, 0);
END""",
    """
CREATE TRIGGER watch_update AFTER UPDATE ON taskadmin_task_result
WHEN OLD.state <> NEW.state OR OLD.finished_at IS NOT NULL BEGIN
    INSERT INTO watch_log (op, run_id, task_id, due_at, before, after, final, changed)
    VALUES ('UPDATE', NEW.id, NEW.task_id, NEW.due_at, OLD.state, NEW.state,
            NEW.finished_at IS NOT NULL AND OLD.finished_at IS NULL, OLD.finished_at IS NOT NULL);
END""",
)


class SqliteLedger:
    """The SQLite database of a single-process host, with the stage's tasks."""

    def __init__(self, stage: Stage, file: Path) -> None:
        self._stage = stage
        self._environment = {
            "FAULTS_HOST_CONFIG": json.dumps(
                {
                    **stage.settings,
                    "SQLALCHEMY_DATABASE_URI": f"sqlite:///{file}",
                    "SQLALCHEMY_ENGINE_OPTIONS": ENGINE_OPTIONS,
                    "CELERY": EMBEDDED_CELERY,
                }
            )
        }
        upgrade = stage.start(
            "upgrade",
            *("flask", "--app", "faults.stages.host:app", "taskadmin", "db", "upgrade"),
            **self._environment,
        )
        stage.expect(upgrade.wait(90) == 0, f"no upgrade:\n{upgrade.text()}")
        self._engine = create_engine(f"sqlite:///{file}", poolclass=NullPool)
        with self._engine.begin() as ours:
            for statement in _WATCH:
                ours.execute(text(statement))
            with self._stages().connect() as theirs:
                _copy(theirs, ours, User, Task)

    def _stages(self) -> Engine:
        url = self._stage.postgresql.url
        return create_engine(
            url.set(username="postgres", database=self._stage.database), poolclass=NullPool
        )

    def start(self) -> Role:
        """Start the process, which launches and executes runs."""
        return self._stage.start("embedded", "faults.stages.embedded", **self._environment)

    def finished(self) -> int:
        """Return the number of finished runs."""
        with self._engine.connect() as ours:
            statement = select(func.count()).where(TaskResult.finished_at.is_not(None))
            return ours.scalar(statement) or 0

    def last_launch(self) -> int:
        """Return the id of the newest launch."""
        with self._engine.connect() as ours:
            return ours.scalar(select(func.max(Launch.id))) or 0

    def over(self, last: int) -> bool:
        """Return whether all launches up to *last* are closed."""
        over = (LaunchState.CLOSED, LaunchState.MISSED)
        with self._engine.connect() as ours:
            left = select(func.count()).where(Launch.id <= last, Launch.state.not_in(over))
            return not ours.scalar(left)

    def hand_over(self, last: int) -> None:
        """Copy the rows up to the launch *last*, after the process has ended."""
        with self._engine.connect() as ours, self._stages().begin() as theirs:
            theirs.execute(text("ALTER TABLE taskadmin_task_result DISABLE TRIGGER USER"))
            _copy(ours, theirs, Launch, Process, TaskResult)
            theirs.execute(delete(Launch).where(Launch.id > last))
            log = ours.execute(text("SELECT * FROM watch_log")).mappings()
            theirs.execute(
                text(
                    "INSERT INTO watch.log VALUES (to_timestamp(:at), :op, :run_id, :task_id,"
                    " (:due_at || 'Z')::timestamptz, :before, :after, :final <> 0, :changed <> 0)"
                ),
                [dict(row) for row in log],
            )


def _copy(source: Connection, target: Connection, *models: type[Base]) -> None:
    for model in models:
        table = Base.metadata.tables[model.__tablename__]
        rows = [dict(row) for row in source.execute(select(table)).mappings()]
        if rows:
            target.execute(insert(table), rows)
