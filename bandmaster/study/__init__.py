"""The event-sourced study and its result."""

from bandmaster.study.study import Study

__all__ = ["Study"]
