"""Loads the catalogue: import it before ``catalogue.FAULTS`` is read."""

from . import (  # noqa: F401 - each adds its faults
    broker_faults,
    clock_faults,
    database_faults,
    launcher_faults,
    link_faults,
    message_faults,
    page_faults,
    worker_faults,
)
