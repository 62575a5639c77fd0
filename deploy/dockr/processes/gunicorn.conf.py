"""gunicorn's settings: https://docs.gunicorn.org/en/stable/settings.html

Nothing of the site is imported here: what gunicorn's first process has imported isn't
loaded again when a source is edited.
"""

bind = "0.0.0.0:8000"
wsgi_app = "taskadmin_site:create_app()"
workers = 2
threads = 4
reload = True
# The supervisor ends what is left 5 s after it asked.
graceful_timeout = 4  # seconds
# The heartbeat files of gunicorn's processes: in memory, as a slow disk would stop them.
worker_tmp_dir = "/dev/shm"  # noqa: S108 - the container's own
# A way to control gunicorn from outside that nobody here uses.
control_socket_disable = True

# The query is left out: what people search for, or a link's token, is nobody's business.
access_log_format = "%(m)s %(U)s %(s)s after %(M)s ms"

# For gunicorn's first process; the others get the site's own logging when they load it.
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
