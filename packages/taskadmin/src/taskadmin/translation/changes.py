"""Names and values of the audit trail in the reader's words; other names stay as stored."""

from __future__ import annotations

from datetime import datetime, timedelta

from . import i18n, texts
from .texts import marked
from .words import word

_NAMES = {
    "name": marked("Name"),
    "job": marked("Job"),
    "enabled": marked("Active"),
    "note": marked("Note"),
    "resume_at": marked("Resume on"),
    # schedules
    "kind": marked("Kind"),
    "every_seconds": marked("Every"),
    "cron": marked("Cron expression"),
    "zone": marked("Time zone"),
    "once_at": marked("Date and time"),
    "starts_at": marked("Start"),
    "ends_at": marked("End"),
    "max_runs": marked("Maximum runs"),
    "missed_runs": marked("Missed runs"),
    "grace_seconds": marked("Grace period"),
    "overlap": marked("Overlap"),
    "jitter_seconds": marked("Jitter"),
    "pause_after": marked("Pause after failures"),
    # runs
    "run": marked("Run"),
    "runs": marked("Runs"),
    "state": marked("State"),
    "error_type": marked("Error"),
    # users
    "is_active": marked("Active"),
    "is_superuser": marked("Superuser"),
    "can_review_tasks": marked("Reviewer"),
    "password": marked("Password"),
    "second_factor": marked("Second factor"),
    "recovery_codes": marked("Recovery codes"),
    "sessions": marked("Sessions"),
    "token": marked("Token"),
    "scopes": marked("Use"),
    "expires_at": marked("Expires"),
}


def value_name(name: str) -> str:
    """Return the label of a value; an argument's own name, or one that isn't known, stays."""
    if name.startswith("arguments."):
        return name.removeprefix("arguments.")
    return texts.gettext(_NAMES.get(name, name))


def value_text(value: object, name: str) -> str:
    """Format a value that isn't None."""
    match value:
        case bool():
            return texts.gettext("yes") if value else texts.gettext("no")
        case int() | float() if name.endswith("_seconds") and name in _NAMES:
            return i18n.duration(timedelta(seconds=value))
        case str() if name.endswith("_at") and name in _NAMES:
            moment = _moment(value)
            return value if moment is None else i18n.absolute(moment)
        case str() if name in ("kind", "state"):
            return word(value)
        case str():
            return value
    return ""


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
