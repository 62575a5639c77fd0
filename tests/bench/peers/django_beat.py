"""django-celery-beat: one tick with many periodic tasks that are all due.

Prints the tasks sent per second. ``BENCH_BROKER`` and ``BENCH_DATABASE`` are URLs.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import timedelta
from urllib.parse import urlsplit


def main() -> None:
    """Create the tasks, load the scheduler, and tick until all are sent."""
    number = int(sys.argv[1])
    parts = urlsplit(os.environ["BENCH_DSN"])
    import django
    from django.conf import settings

    settings.configure(
        INSTALLED_APPS=["django.contrib.contenttypes", "django_celery_beat"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": parts.path[1:],
                "USER": parts.username,
                "PASSWORD": parts.password or "",
                "HOST": parts.hostname,
                "PORT": parts.port or 5432,
            }
        },
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    )
    django.setup()
    from celery import Celery
    from django.core.management import call_command
    from django.utils import timezone
    from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks
    from django_celery_beat.schedulers import DatabaseScheduler

    call_command("migrate", verbosity=0)
    every, _ = IntervalSchedule.objects.get_or_create(every=1, period=IntervalSchedule.DAYS)
    long_ago = timezone.now() - timedelta(days=2)
    PeriodicTask.objects.bulk_create(
        PeriodicTask(
            name=f"task {place}",
            task="peer.nothing",
            interval=every,
            args=json.dumps([place, 0.0, 1.0]),
            last_run_at=long_ago,
        )
        for place in range(number)
    )
    PeriodicTasks.update_changed()
    app = Celery("peer", broker=os.environ["BENCH_BROKER"])
    app.conf.task_ignore_result = True

    @app.task(name="peer.nothing")
    def nothing(*_: float) -> None:
        """Do nothing: it is only sent."""

    scheduler = DatabaseScheduler(app=app)
    sent = 0
    apply_async = scheduler.apply_async

    def counting(*arguments: object, **options: object) -> object:
        nonlocal sent
        sent += 1
        return apply_async(*arguments, **options)

    scheduler.apply_async = counting
    _ = scheduler.schedule  # load the schedule before measuring
    begun = time.monotonic()
    while sent < number:
        scheduler.tick()
    print(json.dumps(number / (time.monotonic() - begun)))


if __name__ == "__main__":
    main()
