"""A stage's database: tasks, runs and launches, its connections and its clock."""

from __future__ import annotations

import contextlib
import json
from datetime import datetime, timedelta
from typing import Any

import psycopg

from .servers import ROLE, PostgresqlOfOurOwn
from .waiting import Waits


class Rows(Waits):
    """Read and change a stage's database as a superuser, with the real clock."""

    def __init__(self, postgresql: PostgresqlOfOurOwn) -> None:
        super().__init__()
        self.postgresql = postgresql
        self.database = ""
        self._watch: psycopg.Connection[Any] | None = None
        self._made = 0

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Execute a statement with the real clock, and return its rows."""
        for attempt in (1, 2):
            try:
                if self._watch is None or self._watch.closed:
                    self._watch = self.postgresql.connect(self.database)
                    self._watch.execute("SET default_transaction_read_only = off")
                    self._watch.execute("SET search_path = public")
                    self._watch.execute("SET timezone = 'UTC'")
                cursor = self._watch.execute(statement, values or None)
                return cursor.fetchall() if cursor.description else []
            except psycopg.OperationalError:
                with contextlib.suppress(psycopg.Error):
                    if self._watch is not None:
                        self._watch.close()
                self._watch = None
                if attempt == 2:
                    raise
        return []

    def value(self, statement: str, *values: Any) -> Any:
        """Return the first column of the first row."""
        rows = self.sql(statement, *values)
        return rows[0][0] if rows else None

    def count(self, where: str = "true") -> int:
        """Return the number of runs for which *where* holds."""
        return int(self.value(f"SELECT count(*) FROM taskadmin_task_result WHERE {where}"))

    def finished(self) -> int:
        """Return the number of finished runs."""
        return self.count("finished_at IS NOT NULL")

    def add_tasks(self, count: int, job: str = "quick", **params: Any) -> list[int]:
        """Insert tasks, each with its own marker, and return their ids."""
        author = self.value("SELECT min(id) FROM taskadmin_user")
        ids = []
        for _ in range(count):
            self._made += 1
            arguments = json.dumps({"marker": f"m{self._made:05}", **params})
            ids.append((f"{job} {self._made}", job, arguments))
        rows = self.sql(
            "INSERT INTO taskadmin_task (name, job, params, enabled, created_by, created_at,"
            " updated_at) SELECT name, job, params, true, %s, now(), now()"
            " FROM unnest(%s::text[], %s::text[], %s::json[]) WITH ORDINALITY"
            " AS t (name, job, params, place) ORDER BY place RETURNING id",
            author,
            [each[0] for each in ids],
            [each[1] for each in ids],
            [each[2] for each in ids],
        )
        return [row[0] for row in rows]

    def load(self, pairs: int = 16, seconds: float = 0.25) -> None:
        """Add the usual load: quick and steady tasks in turn."""
        for _ in range(pairs // 4):
            self.add_tasks(4, "quick")
            self.add_tasks(4, "steady", seconds=seconds)

    def wait_runs(self, seconds: float = 30.0) -> None:
        """Wait until the launch has written its runs."""
        self.wait(
            lambda: self.value(
                "SELECT true FROM taskadmin_launch WHERE state IN ('published', 'closed')"
            ),
            "the launch to be published",
            seconds=seconds,
        )

    def wait_mid_drain(self, finished: int = 5) -> None:
        """Wait until some runs have finished; fail if all have."""
        self.wait(lambda: self.finished() >= finished, f"{finished} finished runs", seconds=45)
        self.expect_in_time(
            self.count("finished_at IS NULL"), "everything had finished before the fault"
        )

    def wait_launch_under_way(self, runs: int) -> None:
        """Wait until the launch has written *runs* runs; fail if that was all."""
        self.wait(lambda: self.count() >= runs, f"{runs} runs", seconds=45)
        self.expect_launch_open()

    def expect_launch_open(self) -> None:
        """Check that the fault happened during the launch; otherwise it is repeated."""
        self.expect_in_time(
            self.value("SELECT true FROM taskadmin_launch WHERE state = 'opening'"),
            "the launch was over before the fault",
        )

    def open_runs(self) -> list[tuple[int, str]]:
        """Return id and due time of each unfinished run."""
        return [
            (row[0], row[1].isoformat())
            for row in self.sql(
                "SELECT id, due_at FROM taskadmin_task_result WHERE finished_at IS NULL ORDER BY id"
            )
        ]

    def terminate_backends(self) -> int:
        """Terminate the processes' database connections."""
        with self.postgresql.connect("postgres") as connection:
            rows = connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = %s AND usename = %s",
                (self.database, ROLE),
            ).fetchall()
            return len(rows)

    def alter_database(self, what: str) -> None:
        """Execute ALTER DATABASE … *what*, for new connections."""
        with self.postgresql.connect("postgres") as connection:
            connection.execute(f'ALTER DATABASE "{self.database}" {what}')

    def use_own_clock(self, offset: timedelta = timedelta(0)) -> None:
        """Give the processes a ``clock_timestamp()`` with an offset; call before they start."""
        self.sql("CREATE SCHEMA clock")
        # Seconds, because an interval's days depend on the session's summer time.
        self.sql('CREATE TABLE clock."offset" (seconds double precision)')
        self.sql('INSERT INTO clock."offset" VALUES (%s)', offset.total_seconds())
        self.sql(
            "CREATE FUNCTION clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS"
            " $$ SELECT pg_catalog.clock_timestamp()"
            ' + (SELECT pg_catalog.make_interval(secs => seconds) FROM clock."offset") $$'
        )
        self.sql(f"GRANT USAGE ON SCHEMA clock TO {ROLE}")
        self.sql(f'GRANT SELECT ON clock."offset" TO {ROLE}')
        self.alter_database("SET search_path = clock, public, pg_catalog")

    def set_clock(self, offset: timedelta) -> None:
        """Set the database's clock to real time + *offset*."""
        self.sql('UPDATE clock."offset" SET seconds = %s', offset.total_seconds())

    def database_time(self) -> datetime:
        """Return the time by the processes' clock."""
        if self.value("SELECT to_regclass('clock.\"offset\"') IS NOT NULL"):
            return self.value("SELECT clock.clock_timestamp()")  # type: ignore[no-any-return]
        return self.value("SELECT clock_timestamp()")  # type: ignore[no-any-return]

    def close_rows(self) -> None:
        """Close the connection, and drop the database."""
        if self._watch is not None:
            with contextlib.suppress(psycopg.Error):
                self._watch.close()
        if self.database:
            with contextlib.suppress(psycopg.Error):
                self.postgresql.drop(self.database)
