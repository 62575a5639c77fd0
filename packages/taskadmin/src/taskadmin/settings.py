"""The ``TASKADMIN_*`` keys of the host's configuration: types, bounds, defaults, units.

The keys are read once, when the first part is initialized. Unknown keys are refused with
the nearest known name: otherwise, a misspelled setting would be noticed only in production.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from .errors import ConfigurationError

SETTING_PREFIX = "TASKADMIN_"
#: Settings of earlier releases.
_OBSOLETE = {"TASKADMIN_RUNS_PER_MESSAGE", "TASKADMIN_RUNS_AT_ONCE"}


def _number(raw: object) -> object:
    if isinstance(raw, bool):  # pydantic would accept it as 1 or 0
        raise ValueError(raw)
    return raw


def _true_or_false(raw: object) -> object:
    if not isinstance(raw, bool | str):  # pydantic would accept 1 and 0
        raise ValueError(raw)
    return raw.strip() if isinstance(raw, str) else raw


def _list(raw: object) -> object:
    if isinstance(raw, str):
        return [part.strip() for part in raw.split(",") if part.strip()]
    return raw


_Float = Annotated[float, BeforeValidator(_number)]
_Int = Annotated[int, BeforeValidator(_number)]
_Bool = Annotated[bool, BeforeValidator(_true_or_false)]
_ModuleName = Annotated[str, Field(pattern=r"^[^\W\d]\w*(\.[^\W\d]\w*)*$")]
_HttpUrl = Annotated[str, Field(pattern=r"^https?://[^\s/?#]+[^\s]*$")]
#: PostgreSQL cuts off longer names.
_SchemaName = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[^\x00]*$")]
_Token = Annotated[SecretStr, Field(min_length=16)]
_ModuleNames = Annotated[tuple[_ModuleName, ...], BeforeValidator(_list)]


class SessionLimits(NamedTuple):
    """How long users stay logged in."""

    #: Time without a request.
    idle: timedelta
    #: Total time since the login.
    total: timedelta


class Settings(BaseModel):
    """The host's settings, validated.

    Each field is a configuration key in lower case without ``TASKADMIN_``:
    ``launch_interval_seconds`` is ``TASKADMIN_LAUNCH_INTERVAL_SECONDS``. A field's description
    names its values where its bounds don't.
    """

    model_config = ConfigDict(
        alias_generator=lambda name: SETTING_PREFIX + name.upper(),
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        str_strip_whitespace=True,
    )

    launch_interval_seconds: _Float = Field(default=300.0, ge=1, le=86_400)
    """Length of the common slot: how often tasks without their own schedule start."""
    tick_seconds: _Float = Field(default=5.0, ge=0.1, le=3600)
    """How often beat starts a launcher's turn."""
    page_size: _Int = Field(default=2000, ge=1, le=100_000)
    """Tasks queued in one transaction of a launch."""
    publish_timeout_seconds: _Float = Field(default=1.0, ge=0.1, le=60)
    """Timeout of each reply of the broker while publishing."""
    ownership_seconds: _Float = Field(default=60.0, ge=1, le=3600)
    """How long a launcher without progress owns a launch."""
    lease_seconds: _Float = Field(default=30.0, ge=1, le=3600)
    """How long a worker may be silent before its runs are given to other workers."""
    lost_attempts: _Int = Field(default=3, ge=1, le=100)
    """Attempts after which a run fails if its worker died each time."""
    republish_after_seconds: _Float = Field(default=30.0, ge=1, le=3600)
    """Age at which a queued run is sent again if its queue has no message."""
    missed_slots: Literal["skip", "run_once", "run_all"] = Field(
        default="skip", description="skip, run_once or run_all"
    )
    """How to handle slots that weren't launched: record them only, or launch them late."""
    missed_slot_grace_seconds: _Float = Field(default=3600.0, ge=0, le=31_536_000)
    """Slots that ended longer ago are never launched late."""
    result_retention_days: _Float = Field(default=30.0, ge=0, le=36_500)
    """Age at which results are deleted; 0 keeps them forever."""
    results_per_task: _Int = Field(default=0, ge=0, le=1_000_000_000)
    """Number of newest results to keep per task; 0 sets no limit."""
    pages_at_once: _Int = Field(default=0, ge=0, le=10_000)
    """Maximum concurrent page requests of a process, below its threads; 0 sets no limit."""
    statement_timeout_seconds: _Float = Field(default=10.0, ge=0.1, le=3600)
    """Statement timeout of PostgreSQL for pages; the lock timeout is at most 3 seconds."""
    registration: _Bool = Field(default=False, description="true or false")
    """Whether people may sign up."""
    session_idle_minutes: _Float = Field(default=30.0, ge=1, le=525_600)
    """How long users stay logged in without a request, not counting polls of open pages."""
    session_hours: _Float = Field(default=12.0, ge=0.1, le=8_760)
    """Maximum time that users stay logged in."""
    second_factor: Literal["optional", "superusers", "everyone"] = Field(
        default="optional", description="optional, superusers or everyone"
    )
    """Who must set up a second factor before doing anything else."""
    jobs: _ModuleNames = Field(
        default=(),
        description="dotted names of modules, as a list or as text with commas between them",
    )
    """Modules to import at the start, which register jobs."""
    database_schema: _SchemaName | None = Field(
        default=None,
        alias="TASKADMIN_SCHEMA",
        description="the name of a schema of PostgreSQL, or None",
    )
    """Schema of the tables; None for the connection's default schema."""
    metrics_token: _Token | None = Field(
        default=None, description="a text of at least 16 characters"
    )
    """Token that Prometheus sends for ``/metrics``; without one, there is no such address."""
    trace_url: str | None = Field(
        default=None,
        pattern=r"^https?://\S*\{trace_id\}\S*$",
        description="an address with {trace_id}, such as https://traces.example.org/{trace_id}",
    )
    """Address of a trace, for the link on a run's page."""
    private_webhooks: _Bool = Field(default=False, description="true or false")
    """Whether webhooks of notifications may be on this machine or in private networks."""
    heartbeat_url: _HttpUrl | None = Field(
        default=None, description="a URL that begins with http:// or https://, or None"
    )
    """URL outside that launchers request while they launch: a dead man's switch."""
    heartbeat_seconds: _Float = Field(default=60.0, ge=1, le=86_400)
    """Minimum time between two of these requests."""
    site_name: str = Field(
        default="taskadmin", min_length=1, max_length=60, description="a name of 1 to 60 characters"
    )
    """Name in the top bar and in page titles."""
    site_url: _HttpUrl | None = Field(
        default=None,
        description="an address such as https://example.org/taskadmin, or None",
    )
    """Address of the pages, for the links of messages; None for messages without links."""

    @property
    def session_limits(self) -> SessionLimits:
        """The two settings of sessions."""
        return SessionLimits(
            timedelta(minutes=self.session_idle_minutes), timedelta(hours=self.session_hours)
        )

    @classmethod
    def from_config(cls, config: Mapping[str, object]) -> Settings:
        """Read the ``TASKADMIN_*`` keys of a Flask configuration.

        Raises:
            ConfigurationError: If keys are unknown or values are invalid; it lists all of them.
        """
        given = {key: config[key] for key in sorted(config) if key.startswith(SETTING_PREFIX)}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            wrong = {str(problem["loc"][0]) for problem in error.errors()}
            sentences = [_sentence(key, given[key]) for key in sorted(wrong)]
            raise ConfigurationError("\n".join(sentences)) from error


def _sentence(key: str, value: object) -> str:
    """Return the error for a key."""
    known = Settings.model_json_schema()["properties"]
    if key in known:
        shown = "set" if "writeOnly" in str(known[key]) else repr(value)  # a secret
        return f"{key} is {shown}; expected {_expected(key, known[key])}."
    if key in _OBSOLETE:
        return f"{key} is obsolete: messages of short runs are now sized automatically. Remove it."
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
    return f"{key} is not a setting of taskadmin; did you mean {near[0]}?"


def _expected(key: str, schema: Mapping[str, object]) -> str:
    if "description" in schema:
        return str(schema["description"])
    unit = key.rpartition("_")[2].lower()
    kind = "a whole number" if schema["type"] == "integer" else f"{unit} as a number"
    return f"{kind} from {schema['minimum']:.10g} to {schema['maximum']:.10g}"
