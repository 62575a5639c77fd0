"""Short forms of tracebacks: the place in the job's own code, and the message."""

from __future__ import annotations

import re
from typing import NamedTuple

_BEGIN = "Traceback (most recent call last):"
_FRAME = re.compile(
    r'^ *File "(?P<path>[^"\n]+)", line (?P<line>\d+), in (?P<function>[^\n]+)\n?(?P<code> {4,}[^\n]+)?',
    re.MULTILINE,
)
#: Paths of code that isn't the job's own: packages, the standard library, taskadmin.
_FOREIGN_PATH = re.compile(
    r"[/\\](site-packages|dist-packages|celery|taskadmin|lib[/\\]python3[^/\\]*)[/\\]|^<"
)
_MAX_MESSAGE_CHARACTERS = 300

#: First line of a text whose beginning was left out.
LEFT_OUT = "[…] Earlier lines were left out."


class Place(NamedTuple):
    """A line of source code."""

    path: str
    line: int
    function: str
    #: Text of the line; empty if the source can't be read.
    code: str

    @property
    def short_path(self) -> str:
        """The file name with its folder."""
        return "/".join(re.split(r"[/\\]", self.path)[-2:])


def last_lines(text: str, most: int) -> str:
    """Return the last whole lines of *text*, in at most *most* characters, and say so if it is cut.

    The end of a traceback says what happened. A line that is too long alone is cut.
    """
    if len(text) <= most:
        return text
    kept = text[len(LEFT_OUT) + 1 - most :]
    # Unless the cut is at the beginning of a line, the rest of that line goes too.
    if text[-len(kept) - 1] != "\n":
        kept = kept.partition("\n")[2].lstrip("\n") or kept
    return f"{LEFT_OUT}\n{kept}"


def own_place(trace: str | None) -> Place | None:
    """Return the innermost line of the job's own code, else the innermost line."""
    trace = trace or ""
    # With chained exceptions, the last one ended the job.
    for text in (trace[max(trace.rfind(_BEGIN), 0) :], trace):
        found = [_place(match) for match in _FRAME.finditer(text)]
        own = [place for place in found if not _FOREIGN_PATH.search(place.path)]
        if own:
            return own[-1]
    return found[-1] if found else None


def message_of(trace: str | None, error_type: str | None) -> str:
    """Return the exception's message, on one line."""
    lines = [line.strip() for line in (trace or "").splitlines() if line.strip()]
    said = lines[-1] if lines else ""
    if error_type is not None:
        # A message may span several lines; its first one starts with the exception's name.
        said = next((line for line in reversed(lines) if line.startswith(error_type)), said)
        said = said.removeprefix(error_type).removeprefix(":").strip()
    return (
        said if len(said) <= _MAX_MESSAGE_CHARACTERS else f"{said[: _MAX_MESSAGE_CHARACTERS - 1]}…"
    )


def _place(match: re.Match[str]) -> Place:
    code = (match["code"] or "").strip()
    return Place(match["path"], int(match["line"]), match["function"].strip(), code)
