"""Structured logs: one JSON object per line, for our own lines and the libraries' alike.

Fields for machines, an event name for people. What must never be written down is masked by name and by look.
"""

import json
import logging
import re
import sys
import threading
from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from types import TracebackType
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

from payment_service.domain.cards import contains_card_number

SECRET_WORDS = frozenset({"authorization", "cookie", "token", "secret", "password", "cvv", "cvc", "pin", "pan", "key"})
"""A field with one of these words in its name is replaced by a mark; idempotency keys are logged by their hash only."""

MASKED = "[masked]"

OURS = "payment_service"

_HASH = re.compile("[0-9a-f]{64}")
_WORDS = re.compile("[a-z]+")
# A signed token: three parts of base64url, the first one beginning with `{"`.
_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
# PostgreSQL's own words on what was wrong with which value.
_DETAIL = re.compile(r"(?<=DETAIL:)[^\n]*")


# `repr` for what JSON does not know: a line that cannot be written would hide what it tells.
_ENCODER = json.JSONEncoder(default=repr)


class _Line(str):
    """One of our own lines, written already."""

    __slots__ = ()


def _written(_logger: Any, _method: str, event: EventDict) -> _Line:
    """The line of an event. What cannot be written down must not stop whoever wanted to tell it."""
    try:
        return _Line(_ENCODER.encode(event))
    except Exception as error:  # noqa: BLE001 - whatever a value's `repr` may raise
        texts = {name: value for name, value in event.items() if isinstance(value, str)}
        return _Line(_ENCODER.encode(texts | {"unwritable": type(error).__name__}))


class _Lines(structlog.stdlib.ProcessorFormatter):
    """Makes lines of what libraries say."""

    def format(self, record: logging.LogRecord) -> str:
        """A record of ours is its line: what structlog does for records of both kinds costs as much as all before."""
        return record.msg if isinstance(record.msg, _Line) else super().format(record)


def configure_logging(level: str) -> None:
    """Send everything from `level` on to standard error as JSON lines.

    DEBUG is for our own lines: what libraries say in it are addresses, frames and bytes as they were sent.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.format_exc_info,
        structlog.stdlib.add_logger_name,
        mask,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    _leave_out_of_records()
    structlog.configure(
        processors=[*shared, _written],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _Lines(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _written],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(logging.getLevelName(level), logging.INFO))
    logging.getLogger(OURS).setLevel(level)


def _leave_out_of_records() -> None:
    """What no line of ours tells is not found out for it: the caller's source line, threads and processes."""
    logging._srcfile = None  # noqa: SLF001 - the documented switch of the logging module
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def log_what_nobody_caught() -> None:
    """Make warnings, and errors that end a thread or the process, lines like all others. For processes of our own."""
    log = structlog.get_logger(f"{OURS}.process")

    def fatal(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)  # type: ignore[arg-type]
            return
        log.critical("process.crashed", exc_info=(kind, error, trace))

    def fatal_to_thread(crash: threading.ExceptHookArgs) -> None:
        log.critical("thread.crashed", exc_info=(crash.exc_type, crash.exc_value, crash.exc_traceback))

    sys.excepthook = fatal
    threading.excepthook = fatal_to_thread
    logging.captureWarnings(capture=True)


def mask(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace what must not be written down: secrets by their field's name, card numbers and tokens by their look."""
    for name, value in event.items():
        event[name] = _masked(name, value)
    return event


def _masked(name: str, value: Any) -> Any:
    if _is_secret(name) and not _is_hash_of_key(name, value):
        return MASKED
    if isinstance(value, str):
        return MASKED if contains_card_number(value) else _without_secrets(value)
    if isinstance(value, Mapping):
        return {str(inner): _masked(str(inner), each) for inner, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked("", each) for each in value]
    return value


def _without_secrets(text: str) -> str:
    """A search for a few letters is much quicker than one by pattern, and nearly always all there is to do."""
    text = _TOKEN.sub(MASKED, text) if "eyJ" in text else text
    return _DETAIL.sub(f" {MASKED}", text) if "DETAIL:" in text else text


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return not SECRET_WORDS.isdisjoint(_WORDS.findall(name.lower()))


def _is_hash_of_key(name: str, value: Any) -> bool:
    return name == "key_hash" and isinstance(value, str) and _HASH.fullmatch(value) is not None
