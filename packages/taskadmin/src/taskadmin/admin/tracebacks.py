"""Tracebacks in short: where in somebody's own code it happened, and what."""

from __future__ import annotations

import re
from typing import NamedTuple

_BEGIN = "Traceback (most recent call last):"
_FRAME = re.compile(
    r'^ *File "(?P<path>[^"\n]+)", line (?P<line>\d+), in (?P<function>[^\n]+)\n?(?P<code> {4,}[^\n]+)?',
    re.MULTILINE,
)
#: Parts of paths of what a job's author didn't write: installed packages, Python's own library,
#: and what runs the job.
_OTHERS = re.compile(
    r"[/\\](site-packages|dist-packages|celery|taskadmin|lib[/\\]python3[^/\\]*)[/\\]|^<"
)
_MESSAGE = 300


class Place(NamedTuple):
    """A line of code."""

    path: str
    line: int
    function: str
    #: What the line says; empty if it can't be read.
    code: str

    @property
    def short_path(self) -> str:
        """The file and its folder."""
        return "/".join(re.split(r"[/\\]", self.path)[-2:])


def own_place(trace: str | None) -> Place | None:
    """The innermost line that isn't a package's, Python's or taskadmin's; else the innermost one."""
    trace = trace or ""
    # Of several exceptions the last one ended the job.
    for text in (trace[max(trace.rfind(_BEGIN), 0) :], trace):
        found = [_place(match) for match in _FRAME.finditer(text)]
        own = [place for place in found if not _OTHERS.search(place.path)]
        if own:
            return own[-1]
    return found[-1] if found else None


def message_of(trace: str | None, error_type: str | None) -> str:
    """What the exception says, in one line."""
    lines = [line.strip() for line in (trace or "").splitlines() if line.strip()]
    said = lines[-1] if lines else ""
    if error_type is not None:
        # What it says may have several lines: the first one begins with its name.
        said = next((line for line in reversed(lines) if line.startswith(error_type)), said)
        said = said.removeprefix(error_type).removeprefix(":").strip()
    return said if len(said) <= _MESSAGE else f"{said[: _MESSAGE - 1]}…"


def _place(match: re.Match[str]) -> Place:
    code = (match["code"] or "").strip()
    return Place(match["path"], int(match["line"]), match["function"].strip(), code)
