"""A repetition of a fault: its database, virtual host and processes."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import psycopg

from ..catalogue import Fault
from ..mode import current_mode
from .brokers import Broker
from .processes import Processes
from .servers import PostgresqlOfOurOwn


class Stage(Processes):
    """Processes with a new database and a new virtual host."""

    def __init__(
        self,
        fault: Fault,
        postgresql: PostgresqlOfOurOwn,
        broker: Broker,
        template: str,
        *,
        short: bool = False,
        seed: str = "",
    ) -> None:
        super().__init__(postgresql, broker, fault.settings)
        self.fault = fault
        self.short = short
        self.random = random.Random(seed)  # noqa: S311 - for moments, not secrets
        #: Additional executions allowed.
        self.extra = fault.extra * current_mode().per_message
        self.deadline_seconds = fault.deadline_seconds
        #: States and error types that differ from the job's usual ones, by marker.
        self.ends: dict[str, tuple[str, str | None]] = {}
        #: Periods of database time whose slots must all be launched; None: first to last slot.
        self.stretches: list[tuple[datetime, datetime]] | None = None
        #: Minimum number of launches.
        self.launches = 1
        self._undo = contextlib.ExitStack()
        try:
            self.database = postgresql.create(template)
            self.vhost = broker.create()
        except BaseException:
            self.close()
            raise

    def keep(self, name: str) -> None:
        """Copy the complete logs to the folder ``FAULTS_KEEP``, if set."""
        if not os.environ.get("FAULTS_KEEP"):
            return
        folder = Path(os.environ["FAULTS_KEEP"]) / name.replace("/", "-")
        folder.mkdir(parents=True, exist_ok=True)
        for file in (*(role.log for role in self.roles), self.executions_file):
            shutil.copy(file, folder)
        with contextlib.suppress(psycopg.Error):
            for name, table in (("runs", "watch.log"), ("processes", "taskadmin_process")):
                rows = self.sql(f"SELECT * FROM {table} ORDER BY 1")
                (folder / name).write_text("\n".join(" ".join(map(str, row)) for row in rows))

    def on_close(self, undo: Callable[[], object]) -> None:
        """Call *undo* at the end of the repetition, even after errors."""
        self._undo.callback(undo)

    def close(self) -> None:
        """End and remove everything that belongs to this repetition."""
        for role in self.roles:
            with contextlib.suppress(OSError):
                role.send_group(signal.SIGKILL)
        with contextlib.suppress(Exception):
            self._undo.close()
        for proxy in self.proxies:
            with contextlib.suppress(Exception):
                proxy.close()
        self.close_rows()
        self.close_messages()
        shutil.rmtree(self.folder, ignore_errors=True)
