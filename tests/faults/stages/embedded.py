"""The suite's host in one process with SQLite: launcher, worker and beat."""

from __future__ import annotations

import logging
import signal
import threading

from faults.stages.host import make_app
from taskadmin.queue import EmbeddedProcesses
from taskadmin.state import get_state
from taskadmin_site import sqlite


def main() -> None:
    """Run until TERM."""
    logging.basicConfig(level=logging.INFO)
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    app = make_app()
    db = get_state(app).db
    assert db is not None
    sqlite.tune(app, db)
    with EmbeddedProcesses(app):
        over.wait()


if __name__ == "__main__":
    main()
