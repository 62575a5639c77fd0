"""The JSON API: ``Api().init_app(app)`` after ``TaskAdmin``; needs ``pip install 'taskadmin[api]'``."""

from .extension import Api

__all__ = ["Api"]
