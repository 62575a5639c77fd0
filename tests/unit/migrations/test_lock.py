"""Concurrent migrations."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import URL, Engine

from services.servers.processes import wait_for
from taskadmin import migrations


def test_upgrades_at_once_all_succeed(empty_database_url: URL, empty: Flask) -> None:
    """As when three containers start on an empty database."""
    script = str(Path(__file__).with_name("migrate_once.py"))
    url = empty_database_url.render_as_string(hide_password=False)
    processes = [
        subprocess.Popen(
            [sys.executable, script, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    errors = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], errors
    migrations.check(empty)


@pytest.mark.databases("postgresql")
def test_a_migration_gives_way_to_running_processes(empty: Flask, sql: Engine) -> None:
    """One locks tables in another order, which would be a deadlock; then the migration is repeated."""
    migrations.upgrade(empty, "0009")
    waits = "SELECT true FROM pg_locks WHERE relation = 'taskadmin_audit'::regclass AND NOT granted"
    with sql.connect() as process, ThreadPoolExecutor() as threads:
        process.exec_driver_sql("LOCK TABLE taskadmin_audit IN ROW EXCLUSIVE MODE")
        upgrade = threads.submit(migrations.upgrade, empty)
        wait_for(lambda: process.exec_driver_sql(waits).scalar(), what="the migration's lock")
        process.exec_driver_sql("LOCK TABLE taskadmin_process IN ROW EXCLUSIVE MODE")
        process.rollback()
        upgrade.result(timeout=60)
    migrations.check(empty)
