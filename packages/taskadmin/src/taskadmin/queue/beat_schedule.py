"""The class that beat's schedule files of earlier versions contain, under its name there."""

from .celery_app.beat_schedule import SteadySchedule as Steadily

__all__ = ["Steadily"]
