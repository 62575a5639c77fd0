"""How runs are sent and executed while faults are played."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """What the command line asks for; the same on all stages."""

    #: Runs of one message.
    per_message: int = 1
    #: Messages of one run that a worker executes together.
    at_once: int = 1
    #: Celery's pool of the workers; "solo" has no processes beside the worker itself.
    pool: str = "prefork"

    @property
    def fate(self) -> int:
        """Runs that share a fate: a worker that dies takes them with it, and they come again."""
        return max(self.per_message, self.at_once)

    @property
    def has_processes(self) -> bool:
        """Whether jobs are executed by other processes than the worker itself."""
        return self.pool != "solo"

    def settings(self) -> dict[str, int]:
        """taskadmin's settings; none where runs go one by one, which is the default."""
        if self.fate == 1:
            return {}
        return {
            "TASKADMIN_RUNS_PER_MESSAGE": self.per_message,
            "TASKADMIN_RUNS_AT_ONCE": self.at_once,
        }

    def messages_of(self, runs: int) -> int:
        """How many messages so many runs are sent in."""
        return max(1, runs // self.per_message)


_current = Mode()


def play_in(mode: Mode) -> None:
    """Let all stages be in this mode."""
    global _current
    _current = mode


def current_mode() -> Mode:
    """The mode that all stages are in."""
    return _current
