"""
Logs: one JSON object a line on standard error, the same for every process.

Events have static names; what varies are fields: ids (a consent's is its digest, which redeems
nothing), outcomes, durations. Never a secret, a token or an `auth_req_id`.
"""

import logging
import sys

import msgspec
import structlog

_stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
_ENCODER = msgspec.json.Encoder(enc_hook=repr)
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure(level: str, process: str) -> None:
    """Set up this process's log; `process` is api or worker."""
    structlog.configure(
        processors=[_line(process)],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_Lines()], level=logging.WARNING, force=True)


def _line(process: str) -> structlog.typing.Processor:
    """One step from an event to its line: a chain of small ones costs a request a tenth."""

    def line(logger: object, method: str, fields: structlog.typing.EventDict) -> bytes:
        if "exc_info" in fields:
            fields = structlog.processors.format_exc_info(logger, method, fields)
        fields["process"] = process
        fields["level"] = "error" if method == "exception" else method
        return _ENCODER.encode(_stamp(logger, method, fields))

    return line


class _Lines(logging.Handler):
    """What libraries log goes the same way, by its template: arguments may hold anything."""

    def emit(self, record: logging.LogRecord) -> None:
        fields = (
            {"error": record.exc_info[0].__name__} if record.exc_info and record.exc_info[0] else {}
        )
        structlog.get_logger().log(
            record.levelno, "library", library=record.name, text=str(record.msg), **fields
        )
