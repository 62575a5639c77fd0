"""The application of the package's README, which is the wheel's description."""

import importlib.metadata
import re

import pytest

README = importlib.metadata.metadata("taskadmin").get_payload()
URL = '"postgresql+psycopg://localhost/mine"'


@pytest.fixture
def app(database_url, tmp_path, monkeypatch):
    (code,) = re.findall(r"```python\n(from flask import Flask\n.*?)```", README, re.DOTALL)
    assert URL in code
    (tmp_path / "mine.py").write_text(code.replace(URL, repr(database_url)))
    monkeypatch.syspath_prepend(tmp_path)
    mine = importlib.import_module("mine")
    assert mine.celery.main == "mine"
    return mine.app


def test_the_readmes_commands_work_in_their_order(app, make_browser):
    """They make tables and a superuser, who then logs in."""
    commands = re.findall(r"^    flask (taskadmin (?:db|create).*)$", README, re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        runner = app.test_cli_runner()
        done = runner.invoke(args=command.split(), input="correct horse battery\n" * 2)
        assert done.exit_code == 0, done.output
    browser = make_browser()
    browser.log_in()
    browser.create_and_delete_a_task()
