"""Logs of the site, as they are written."""

from __future__ import annotations

import io
import json
import logging
from typing import Any

from taskadmin_site.logs.context import ContextFilter


class Log:
    """A logger and its output."""

    def __init__(self, formatter: logging.Formatter) -> None:
        self._written = io.StringIO()
        handler = logging.StreamHandler(self._written)
        handler.setFormatter(formatter)
        handler.addFilter(ContextFilter())
        self.logger = logging.Logger("taskadmin.worker")
        self.logger.addHandler(handler)

    @property
    def text(self) -> str:
        return self._written.getvalue()

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]
