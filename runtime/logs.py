"""Structured logs to stderr: for people on a terminal, JSON elsewhere; context is bound once, at a process's boundary.

Whatever reaches stderr this way (our lines, those of libraries, the traceback of an error that nobody expected) is without
the secrets of the process.
"""

import logging
import sys
import traceback
from types import TracebackType

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from runtime.errors import UsageError
from runtime.masking import masked

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure_logs(level: str) -> None:
    """Set up structlog, and what libraries and uncaught errors tell, for this process. Raises `UsageError` for an unknown level."""
    if level not in LEVELS:
        raise UsageError(f"MEMP_LOG_LEVEL={level} is not one of {', '.join(LEVELS)}")
    renderer: list[Processor] = (
        # Its own choice, where rich is installed, prints the local variables of every frame.
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if sys.stderr.isatty()
        else [structlog.processors.ExceptionRenderer(), structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *renderer,
            _mask,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    _mask_others()


def _mask(_logger: WrappedLogger, _method: str, rendered: EventDict | str) -> str:
    return masked(str(rendered))


def _mask_others() -> None:
    """Libraries log by `logging`, which prints warnings and errors where nobody has set it up."""
    last = logging.StreamHandler(sys.stderr)
    last.setLevel(logging.WARNING)
    last.setFormatter(_MaskingFormatter())
    logging.lastResort = last
    sys.excepthook = _print_masked


class _MaskingFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return masked(super().format(record))


def _print_masked(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    sys.stderr.write(masked("".join(traceback.format_exception(kind, error, trace))))
