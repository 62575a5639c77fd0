"""gunicorn's settings: https://docs.gunicorn.org/en/stable/settings.html

Imports nothing from the site: gunicorn doesn't reload modules that its master process has imported.
"""

import os
import tempfile
from pathlib import Path
from typing import Any

#: Folder with one file per setting of this service.
_settings = Path(os.environ.get("SETTINGS_FOLDER") or "/nowhere")

bind = "0.0.0.0:8000"
wsgi_app = "taskadmin_site:create_app()"
workers = 2
threads = 8
# Keep two threads free for requests that need no database, such as health checks.
if not (_settings / "TASKADMIN_PAGES_AT_ONCE").exists():
    os.environ.setdefault("TASKADMIN_PAGES_AT_ONCE", str(threads - 2))
# docker-compose.yml sets SOURCES where it mounts them.
reload = bool(os.environ.get("SOURCES"))
reload_extra_files = [str(file) for file in _settings.glob("*")]
# honcho kills the process after 5 s.
graceful_timeout = 4  # seconds
# For gunicorn's heartbeat files: in memory, because a slow disk would block the workers.
worker_tmp_dir = "/dev/shm"  # noqa: S108 - the container's own
# Unused.
control_socket_disable = True

# Metrics of pages are added up over the processes through files. A reload would leave a set of them
# behind each time.
if not reload:
    os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", tempfile.mkdtemp(prefix="metrics-"))


def child_exit(_server: object, worker: Any) -> None:
    """Forget the connections of a process that has ended."""
    if not reload:
        # It reads PROMETHEUS_MULTIPROC_DIR when it is imported.
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(worker.pid)


# %(h)s is the client or, behind a proxy, the proxy. The query string is omitted: it has search
# terms and tokens.
access_log_format = "%(h)s %(m)s %(U)s %(s)s after %(M)s ms"

# For the master process; worker processes use the site's logging once they have loaded it.
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "fmt": "%(levelname)s %(name)s %(process)d %(message)s",
            "rename_fields": {"levelname": "level", "name": "logger"},
            "timestamp": True,
        }
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "stream": "ext://sys.stderr",
            "formatter": "json",
        }
    },
    "root": {"level": "INFO", "handlers": ["stderr"]},
    "loggers": {
        "alembic.runtime.plugins": {"level": "WARNING"},
        "gunicorn.error": {"level": "INFO", "handlers": [], "propagate": True},
        "gunicorn.access": {"level": "INFO", "handlers": [], "propagate": True},
    },
}
