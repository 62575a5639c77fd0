"""A host whose jobs come with an installed package, by its entry point."""

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from taskadmin import ConfigurationError, TaskAdmin

JOBS = '''
from taskadmin import job


@job
def weigh_parcel(kilograms: float) -> float:
    """Weigh a parcel."""
    return kilograms
'''


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a package as pip does: its module beside its metadata."""

    def install(name, code):
        metadata = tmp_path / f"{name}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(f"[taskadmin.jobs]\n{name} = {name}.jobs\n")
        (tmp_path / name).mkdir()
        (tmp_path / name / "jobs.py").write_text(code)
        monkeypatch.syspath_prepend(tmp_path)

    return install


@pytest.fixture
def make_app(database_url):
    def make():
        app = Flask("shop")
        app.config.update(SECRET_KEY="only for tests", SQLALCHEMY_DATABASE_URI=database_url)
        TaskAdmin().init_app(app, db=SQLAlchemy(app))
        return app

    return make


@pytest.fixture
def app(install, make_app):
    install("parcels", JOBS)
    return make_app()


def test_its_jobs_are_there(app, run_now):
    """Without a setting."""
    assert run_now("weigh_parcel", kilograms=2.5).value == 2.5


def test_a_package_that_fails_is_named(install, make_app):
    """The error names the package to mend or remove."""
    install("broken_parcels", "1 / 0")
    with pytest.raises(ConfigurationError, match=r"package broken_parcels 1\.0 has .* division by"):
        make_app()
