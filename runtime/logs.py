"""Structured logs to stderr: for people on a terminal, JSON elsewhere; context is bound once, at a process's boundary."""

import logging
import sys

import structlog
from structlog.typing import Processor

from runtime.errors import UsageError

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure_logs(level: str) -> None:
    """Set up structlog for this process. Raises `UsageError` for an unknown level."""
    if level not in LEVELS:
        raise UsageError(f"MEMP_LOG_LEVEL={level} is not one of {', '.join(LEVELS)}")
    renderer: list[Processor] = (
        [structlog.dev.ConsoleRenderer()]
        if sys.stderr.isatty()
        else [structlog.processors.ExceptionRenderer(), structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
