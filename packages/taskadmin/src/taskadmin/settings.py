"""Every ``TASKADMIN_*`` key of the host's configuration: type, default, unit, check.

The keys are read once, when the first part is initialised. Unknown keys are
refused with the nearest known name, because a misspelt setting that is silently
ignored is found in production.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Callable, Mapping
from typing import Any

from .errors import ConfigurationError

PREFIX = "TASKADMIN_"


def _setting(default: Any, expected: str, about: str, check: Callable[[Any], bool]) -> Any:
    return dataclasses.field(
        default=default, metadata={"expected": expected, "about": about, "check": check}
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the host configured, checked.

    Each field is the configuration key of the same name in capitals behind
    ``TASKADMIN_``: ``launch_interval_seconds`` is ``TASKADMIN_LAUNCH_INTERVAL_SECONDS``.
    """

    launch_interval_seconds: float = _setting(
        300.0,
        "seconds as a number from 1 to 86400",
        "Length of the common slot: how often every task without a schedule of its own is started.",
        lambda value: 1 <= value <= 86400,
    )
    tick_seconds: float = _setting(
        5.0,
        "seconds as a number from 0.1 to 3600",
        "How often beat lets the launcher look for a due slot and for launches to resume.",
        lambda value: 0.1 <= value <= 3600,
    )
    page_size: int = _setting(
        2000,
        "a whole number from 1 to 100000",
        "Tasks queued in one transaction of a launch.",
        lambda value: 1 <= value <= 100_000,
    )
    publish_timeout_seconds: float = _setting(
        1.0,
        "seconds as a number from 0.1 to 60",
        "Longest wait for one answer of the broker while something is sent.",
        lambda value: 0.1 <= value <= 60,
    )
    runs_per_message: int = _setting(
        1,
        "a whole number from 1 to 1000",
        "Runs of one message, for jobs that don't record their start; 1 sends one for each run.",
        lambda value: 1 <= value <= 1000,
    )
    runs_at_once: int = _setting(
        1,
        "a whole number from 1 to 1000",
        "Messages that a worker takes from the queue and executes together, of the same jobs.",
        lambda value: 1 <= value <= 1000,
    )
    ownership_seconds: float = _setting(
        60.0,
        "seconds as a number from 1 to 3600",
        "How long a launch belongs to a launcher that shows no progress.",
        lambda value: 1 <= value <= 3600,
    )
    lease_seconds: float = _setting(
        30.0,
        "seconds as a number from 1 to 3600",
        "How long a worker may be silent before its runs are given to others.",
        lambda value: 1 <= value <= 3600,
    )
    lost_attempts: int = _setting(
        3,
        "a whole number from 1 to 100",
        "Attempts after which a run whose worker died each time is failed.",
        lambda value: 1 <= value <= 100,
    )
    republish_after_seconds: float = _setting(
        30.0,
        "seconds as a number from 1 to 3600",
        "Age at which a queued run is sent again if its queue shows no message.",
        lambda value: 1 <= value <= 3600,
    )
    missed_slots: str = _setting(
        "skip",
        "skip, run_once or run_all",
        "What becomes of slots that nothing launched: recorded only, or launched late.",
        lambda value: value in ("skip", "run_once", "run_all"),
    )
    missed_slot_grace_seconds: float = _setting(
        3600.0,
        "seconds as a number from 0 to 31536000",
        "Slots that ended longer ago are never launched late.",
        lambda value: 0 <= value <= 31_536_000,
    )
    result_retention_days: float = _setting(
        30.0,
        "days as a number from 0 to 36500",
        "Age at which results are deleted; 0 keeps them for ever.",
        lambda value: 0 <= value <= 36_500,
    )
    results_per_task: int = _setting(
        0,
        "a whole number from 0 to 1000000000",
        "Results that each task keeps at most, the newest ones; 0 sets no limit.",
        lambda value: 0 <= value <= 1_000_000_000,
    )
    registration: bool = _setting(
        True,
        "true or false",
        "Whether people may register by themselves.",
        lambda value: True,
    )
    jobs: tuple[str, ...] = _setting(
        (),
        "dotted names of modules, as a list or as text with commas between them",
        "Modules that are imported at the start because they register jobs.",
        lambda value: all(_is_dotted_name(name) for name in value),
    )
    site_name: str = _setting(
        "taskadmin",
        "a name of 1 to 60 characters",
        "Name in the top bar and in page titles.",
        lambda value: 1 <= len(value.strip()) <= 60,
    )

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Settings:
        """Read the ``TASKADMIN_*`` keys of a Flask configuration.

        Raises:
            ConfigurationError: If a key is unknown or a value fails its check.
        """
        fields = {PREFIX + field.name.upper(): field for field in dataclasses.fields(cls)}
        values = {}
        for key in sorted(key for key in config if key.startswith(PREFIX)):
            if key not in fields:
                raise ConfigurationError(_unknown(key, list(fields)))
            values[fields[key].name] = _read(key, config[key], fields[key])
        return cls(**values)


def _is_dotted_name(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))


def _unknown(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
    return f"{key} is not a setting of taskadmin; did you mean {near[0]}?"


def _read(key: str, raw: Any, field: dataclasses.Field[Any]) -> Any:
    try:
        value = _convert(raw, type(field.default))
    except (ValueError, OverflowError):  # a whole number may be too large for a float
        value = None
    if value is None or not field.metadata["check"](value):
        raise ConfigurationError(f"{key} is {raw!r}; expected {field.metadata['expected']}.")
    return value


def _convert(raw: Any, kind: type) -> Any:
    """Turn *raw* (often text from the environment) into *kind*, or raise ValueError."""
    if kind is bool:
        if isinstance(raw, bool):
            return raw
        words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
        if isinstance(raw, str) and raw.strip().lower() in words:
            return words[raw.strip().lower()]
        raise ValueError(raw)
    if kind is tuple:
        if isinstance(raw, str):
            return tuple(part.strip() for part in raw.split(",") if part.strip())
        if isinstance(raw, list | tuple) and all(isinstance(item, str) for item in raw):
            return tuple(raw)
        raise ValueError(raw)
    if isinstance(raw, bool) or not isinstance(raw, (int, float, str)):
        raise ValueError(raw)
    if kind is str:
        if not isinstance(raw, str):
            raise ValueError(raw)
        return raw
    number = float(raw)
    if not math.isfinite(number) or (kind is int and number != int(number)):
        raise ValueError(raw)
    return kind(number)
