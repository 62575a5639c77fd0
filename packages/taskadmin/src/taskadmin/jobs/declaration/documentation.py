"""Parse a function's docstring, in any of the usual styles."""

from __future__ import annotations

import inspect


def read_docstring(source: object) -> tuple[str, dict[str, str]]:
    """Return the text without its sections, and the description of each parameter."""
    text = inspect.getdoc(source) or ""
    # Most docstrings are one sentence, and don't need the parser's import.
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
