"""Register the bad jobs, for ``TASKADMIN_JOBS`` of workers."""

from services.jobs import bad_jobs

bad_jobs.register()
