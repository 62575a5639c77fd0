"""Import all faults; do so before reading ``catalogue.FAULTS``."""

from .process_faults import (  # noqa: F401 - each adds its faults
    clock_faults,
    deployment_faults,
    launcher_faults,
    message_faults,
    page_faults,
    pool_faults,
    restart_faults,
    worker_faults,
)
from .server_faults import (  # noqa: F401 - each adds its faults
    broker_faults,
    database_faults,
    disk_faults,
    link_faults,
    redis_faults,
    role_faults,
)
