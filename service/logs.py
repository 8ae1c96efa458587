"""How the service writes its log: one line for each thing, with the request's ID and no personal data."""

import io
import logging
import sys
from typing import Any, TextIO, cast

import structlog

FORBIDDEN = frozenset({"citizen", "citizen_id", "name", "username", "email", "value", "token", "code_value"})


def _no_personal_data(
    _logger: Any, _method: str, line: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    # A last fence: a field with such a name is a mistake of ours, so its value never reaches the log.
    for name in FORBIDDEN & line.keys():
        line[name] = "(withheld)"
    return line


def _printable(_logger: Any, _method: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    # Some of what is logged was sent by strangers: it makes no line of its own, and moves no cursor of who reads it.
    for name, value in line.items():
        if isinstance(value, str) and not value.isprintable():
            line[name] = value.encode("unicode_escape").decode()
    return line


class _StandardError(io.TextIOBase):
    """Standard error as it is at each line, not as it was at the start: tests and servers exchange it."""

    def write(self, text: str) -> int:
        """Write a piece of a line."""
        return sys.stderr.write(text)

    def flush(self) -> None:
        """Pass a flush on; at the very end of a process there is nowhere to pass it."""
        if sys.stderr is not None:
            sys.stderr.flush()


def start(log_format: str) -> None:
    """Set up logging for this process: `text` for people, `json` for machines; to standard error."""
    pretty = log_format == "text"
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _no_personal_data,
        _printable,
    ]
    tail: list[structlog.typing.Processor] = (
        [
            # Plain: a traceback with local variables would write passwords and attribute values.
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        ]
        if pretty
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    # What libraries say goes the same way, or a machine could not read it, and a stranger's text made lines of it.
    foreign = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *tail],
    )
    handler = logging.StreamHandler(cast(TextIO, _StandardError()))
    handler.setFormatter(foreign)
    structlog.configure(
        processors=[*shared, *tail],
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, _StandardError())),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
