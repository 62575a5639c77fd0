"""``/metrics`` for Prometheus, with the numbers of the ledger."""

from .extension import Metrics

__all__ = ["Metrics"]
