"""How runs are sent and executed while faults run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """Options of the command line; the same on all stages."""

    #: Runs per message; launches of the suite are too small to share messages by default.
    per_message: int = 1
    #: The workers' pool; only "prefork" has separate processes.
    pool: str = "prefork"
    #: "rabbitmq" or "redis".
    broker: str = "rabbitmq"
    #: Multiplies the time that the suite waits for events, for a busy machine.
    patience: float = 1.0

    @property
    def has_processes(self) -> bool:
        """Whether jobs are executed by separate processes."""
        return self.pool == "prefork"

    def messages_of(self, runs: int) -> int:
        """Return the number of messages for *runs* runs."""
        return max(1, runs // self.per_message)


_current = Mode()


def play_in(mode: Mode) -> None:
    """Set the mode of all stages."""
    global _current
    _current = mode


def current_mode() -> Mode:
    """Return the mode of all stages."""
    return _current
