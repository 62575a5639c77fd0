"""Variables whose values are read from files."""

from __future__ import annotations

from pathlib import Path

import pytest

from taskadmin import ConfigurationError
from taskadmin_site.config import from_environment
from taskadmin_site.stack.environment import REQUIRED, with_files

SECRET = "KSlMzpmC3zWlf6P8sBSCmvNAVgqxcuhK"


@pytest.mark.parametrize("name", REQUIRED)
def test_required_variable_may_stand_in_a_file(tmp_path: Path, name: str) -> None:
    """NAME_FILE names the file; a trailing line break isn't part of the value."""
    file = tmp_path / "secret"
    file.write_text(f"{SECRET} $#é\n", encoding="utf-8")

    found, problems = with_files({f"{name}_FILE": str(file)})

    assert problems == []
    assert found[name] == f"{SECRET} $#é"


def test_site_starts_with_secrets_in_files(tmp_path: Path, environment: dict[str, str]) -> None:
    """The key and passwords can be read from files instead of variables."""
    for name in ("SECRET_KEY", "POSTGRES_PASSWORD", "RABBITMQ_PASSWORD"):
        (tmp_path / name).write_text(environment[name])
        environment[f"{name}_FILE"] = str(tmp_path / name)
        del environment[name]

    config = from_environment(environment)

    assert config["SECRET_KEY"] == SECRET
    assert config["SQLALCHEMY_DATABASE_URI"].password == "p@ss%w/ord$:#1"
    assert config["CELERY"]["broker_url"] == "amqp://rabbit:r%40b%25b%2Fit%24%3A%232@mq:5672/a%2Fb"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "which can't be read: No such file or directory."),
        (b"", "which is empty."),
        (b"\n", "which is empty."),
        (b"\xff", "which can't be read: it isn't UTF-8."),
    ],
    ids=["missing", "empty", "blank", "bytes"],
)
def test_wrong_file_is_named(
    tmp_path: Path, environment: dict[str, str], content: bytes | None, problem: str
) -> None:
    """The site doesn't start if a secret's file is unusable, and the error names it."""
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    del environment["SECRET_KEY"]

    with pytest.raises(ConfigurationError) as raised:
        from_environment(environment | {"SECRET_KEY_FILE": str(file)})

    assert str(raised.value).splitlines()[1:] == [f"  SECRET_KEY_FILE names {file}, {problem}"]


def test_value_and_file_together_are_refused(tmp_path: Path, environment: dict[str, str]) -> None:
    """NAME and NAME_FILE together are refused, without showing either value."""
    file = tmp_path / "key"
    file.write_text("another")

    with pytest.raises(ConfigurationError) as raised:
        from_environment(environment | {"SECRET_KEY_FILE": str(file)})

    assert str(raised.value).splitlines()[1:] == [
        "  SECRET_KEY and SECRET_KEY_FILE are both set: leave one of them out."
    ]


def test_folder_has_a_file_for_each_variable(tmp_path: Path) -> None:
    """Variables take precedence over files in the folder; its subfolders are ignored."""
    (tmp_path / "LOG_LEVEL").write_text("DEBUG\n")
    (tmp_path / "SECRET_KEY").write_text(SECRET)
    (tmp_path / "..data").mkdir()

    found, problems = with_files({"SETTINGS_FOLDER": str(tmp_path), "LOG_LEVEL": "ERROR"})

    assert problems == []
    assert (found["LOG_LEVEL"], found["SECRET_KEY"]) == ("ERROR", SECRET)
    assert "..data" not in found


def test_folder_that_is_not_there_is_named(environment: dict[str, str]) -> None:
    """A missing settings folder is an error that names it."""
    with pytest.raises(ConfigurationError) as raised:
        from_environment(environment | {"SETTINGS_FOLDER": "/nowhere"})

    assert str(raised.value).splitlines()[1:] == [
        "  SETTINGS_FOLDER names /nowhere, which can't be read: No such file or directory."
    ]
