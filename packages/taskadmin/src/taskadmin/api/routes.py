"""The API's blueprint with all its operations."""

from .docs_page import add_docs_page
from .errors import handle_errors
from .operations import blueprint
from .resources import (  # noqa: F401 - they register their operations
    audit,
    jobs,
    launches,
    me,
    processes,
    review,
    run_actions,
    runs,
    task_actions,
    tasks,
)

__all__ = ["blueprint"]

handle_errors(blueprint)
add_docs_page(blueprint)
