"""Use the installed package outside the repository: what an application gets from the wheel.

Run by ``nox -s wheel`` with ``python -I`` in an environment that holds the wheel and
what it depends on, nothing else.
"""

import re
import tempfile
from importlib.metadata import entry_points, requires, version
from pathlib import Path

from flask import Flask
from flask_sqlalchemy import SQLAlchemy

import taskadmin
from taskadmin import TaskAdmin, migrations

package = Path(taskadmin.__file__).parent
assert "site-packages" in package.parts, f"{package} isn't the installed wheel"
assert version("taskadmin") == "0.1.0"
assert requires("taskadmin"), "the wheel names no dependencies"
for part in ("py.typed", "migrations/env.py", "migrations/script.py.mako"):
    assert (package / part).is_file(), f"{part} isn't in the wheel"
for folder, pattern in (
    ("templates/taskadmin", "*.html"),
    ("static/taskadmin", "*.css"),
    ("migrations/versions", "*.py"),
):
    assert list((package / folder).rglob(pattern)), f"no {pattern} in {folder} of the wheel"
commands = entry_points(group="flask.commands", name="taskadmin")
assert commands["taskadmin"].load().name == "taskadmin"

with tempfile.TemporaryDirectory() as folder:
    app = Flask("host")
    app.config.update(
        SECRET_KEY="only for this check",
        SQLALCHEMY_DATABASE_URI=f"sqlite:///{folder}/host.sqlite",
        CELERY={"broker_url": "memory://localhost/", "result_backend": "disabled://"},
    )
    db = SQLAlchemy(app)
    TaskAdmin().init_app(app, db=db)
    migrations.upgrade(app)
    migrations.check(app)
    client = app.test_client()
    page = client.get("/taskadmin/login")
    assert page.status_code == 200, page
    sheets = re.findall(r'href="([^"]+\.css[^"]*)"', page.get_data(as_text=True))
    assert sheets, "the log in page has no stylesheet"
    for sheet in sheets:
        answer = client.get(sheet)
        assert answer.status_code == 200, (sheet, answer)
        assert answer.mimetype == "text/css", (sheet, answer.mimetype)
        answer.close()
    with app.app_context():
        db.engine.dispose()
print(f"taskadmin {version('taskadmin')}: revision {migrations.newest_revision()},", end=" ")
print(f"log in page and {len(sheets)} stylesheets served from {package}")
