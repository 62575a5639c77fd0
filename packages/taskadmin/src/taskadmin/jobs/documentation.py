"""What a function's docstring says, in any of the usual styles."""

from __future__ import annotations

import inspect
from typing import Any


def read_docstring(source: Any) -> tuple[str, dict[str, str]]:
    """The text without its sections, and what it says about each parameter."""
    text = inspect.getdoc(source) or ""
    # Most docstrings are one sentence: the parser isn't loaded for them.
    if "\n" not in text and not text.startswith((":", "@")):
        return text, {}
    import docstring_parser

    try:
        parsed = docstring_parser.parse(text)
    except docstring_parser.ParseError:
        return text, {}
    parts = [parsed.short_description or "", parsed.long_description or ""]
    between = "\n\n" if parsed.blank_after_short_description else "\n"
    description = between.join(part.strip() for part in parts if part.strip())
    helps = {
        parameter.arg_name: " ".join(parameter.description.split())
        for parameter in parsed.params
        if parameter.description
    }
    return description, helps
