"""Structured logs: one JSON object per line, for our own lines and those of libraries.

Fields for machines, an event name for people. Secrets are masked by their field's name and by their pattern.
"""

import json
import logging
import re
import sys
import threading
from collections.abc import Mapping, MutableMapping
from functools import lru_cache, partialmethod
from types import TracebackType
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

from payment_service.domain.cards import MASKED, contains_card_number, has_enough_digits, masked
from payment_service.logs.writer import QueuedLines

SECRET_WORDS = frozenset({"authorization", "cookie", "token", "secret", "password", "cvv", "cvc", "pin", "pan", "key"})
"""A field with one of these words in its name is replaced by a mark; of idempotency keys only the hash is logged."""

OURS = "payment_service"

_HASH = re.compile("[0-9a-f]{64}")
_WORDS = re.compile("[a-z]+")
# A signed token: three parts of base64url, the first one beginning with `{"`.
_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_NUMBERS = frozenset({int, float, bool, type(None)})
_LARGE, _TOO_LARGE = 10**12, 10**19  # smaller and larger numbers are no card's
# The signs of a suspect text, besides digits: the beginning of a token, an error's detail.
_SUSPECT = re.compile("eyJ|DETAIL:")
_SIGN = re.compile("[0-9]|eyJ|DETAIL:")  # most texts of a line have none of them
# PostgreSQL's error detail quotes the value that was wrong.
_DETAIL = re.compile(r"(?<=DETAIL:)[^\n]*")


_lines = QueuedLines(sys.stderr)


class _OurLogger:
    """Queues the finished lines of a module of ours. The standard library would make two records of each."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._levels = logging.getLogger(name)

    def _queue(self, level: int, line: str) -> None:
        if self._levels.isEnabledFor(level):
            _lines.put(logging.getLevelName(level).lower(), line)

    debug = partialmethod(_queue, logging.DEBUG)
    info = partialmethod(_queue, logging.INFO)
    warning = partialmethod(_queue, logging.WARNING)
    error = exception = partialmethod(_queue, logging.ERROR)
    critical = partialmethod(_queue, logging.CRITICAL)


def configure_logging(level: str) -> None:
    """Write all lines from `level` on to standard error as JSON, in a separate thread so that no request waits.

    DEBUG applies to our own lines only: the libraries' DEBUG lines contain addresses, frames and raw bytes.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.format_exc_info,
        structlog.stdlib.add_logger_name,
        mask,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, _as_json],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=_OurLogger,
        cache_logger_on_first_use=True,
    )
    _lines.write_to(sys.stderr)
    _lines.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _as_json],
        )
    )
    root = logging.getLogger()
    root.handlers = [_lines]
    root.setLevel(max(logging.getLevelName(level), logging.INFO))
    logging.getLogger(OURS).setLevel(level)


def flush_logs() -> None:
    """Wait until the lines so far are written, if a reader takes them. Python does the same at a process's end."""
    for handler in logging.getLogger().handlers:
        handler.flush()


def _as_json(_logger: Any, _method: str, event: EventDict) -> str:
    """Return the line of an event. A value that cannot be serialised must not break logging: the texts are kept."""
    try:
        return json.dumps(event, default=repr)
    except Exception as error:  # noqa: BLE001 - a value's `repr` may raise anything
        texts = {name: value for name, value in event.items() if isinstance(value, str)}
        return json.dumps(texts | {"unwritable": type(error).__name__})


def log_what_nobody_caught() -> None:
    """Log warnings, and errors that end a thread or the process, as JSON lines too. For processes of our own."""
    log = structlog.get_logger(f"{OURS}.process")

    def fatal(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)  # type: ignore[arg-type]
            return
        log.critical("process.crashed", exc_info=(kind, error, trace))
        flush_logs()

    def fatal_to_thread(crash: threading.ExceptHookArgs) -> None:
        log.critical("thread.crashed", exc_info=(crash.exc_type, crash.exc_value, crash.exc_traceback))

    sys.excepthook = fatal
    threading.excepthook = fatal_to_thread
    logging.captureWarnings(capture=True)


def mask(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask secrets by their field's name, and card numbers and tokens by their pattern."""
    for name, value in event.items():
        is_harmless = isinstance(value, str) and value.isascii() and not (_SIGN.search(value) and _is_suspect(value))
        is_small = type(value) in _NUMBERS and (value is None or -_LARGE < value < _LARGE)
        if _is_secret(name) or not (is_harmless or is_small):
            event[name] = _masked(name, value)
    return event


def _is_suspect(text: str) -> bool:
    return has_enough_digits(text) or _SUSPECT.search(text) is not None


def _masked(name: str, value: Any) -> Any:
    if _is_secret(name) and not _is_hash_of_key(name, value):
        return MASKED
    if isinstance(value, str):
        return MASKED if contains_card_number(value) else _without_secrets(value)
    if isinstance(value, Mapping):
        return {masked(str(inner)): _masked(str(inner), each) for inner, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked("", each) for each in value]
    if isinstance(value, int | float) and abs(value) < _TOO_LARGE and contains_card_number(str(value)):
        return MASKED
    return value


def _without_secrets(text: str) -> str:
    """Mask tokens and PostgreSQL's details."""
    return _DETAIL.sub(f" {MASKED}", _TOKEN.sub(MASKED, text))


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return not SECRET_WORDS.isdisjoint(_WORDS.findall(name.lower()))


def _is_hash_of_key(name: str, value: Any) -> bool:
    return name == "key_hash" and isinstance(value, str) and _HASH.fullmatch(value) is not None
