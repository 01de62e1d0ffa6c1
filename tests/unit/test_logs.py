import logging
import select

import pytest
import structlog

from payment_service.config import Settings
from payment_service.domain.cards import MASKED
from payment_service.logs import configure_logging, mask, writer
from tests.conftest import Lines
from tests.support.tokens import token

CARD = "4111 1111 1111 1111"


@pytest.mark.parametrize(
    "name",
    [
        "authorization", "Authorization", "cookie", "set_cookie", "token", "access_token", "jwt_secret_key", "password",
        "db_password", "cvv", "cvc", "pin", "pan", "idempotency_key", "Idempotency-Key", "X-Api-Key",
    ],
)  # fmt: skip
def test_value_under_the_name_of_a_secret_is_masked(name: str) -> None:
    assert mask(None, "", {"event": "x", name: "canary"}) == {"event": "x", name: MASKED}


@pytest.mark.parametrize(
    "value", [CARD, "4111111111111111", f"paid with {CARD}", [CARD], {"note": {"deep": CARD}}, (CARD,)]
)
def test_card_number_is_masked(value: object) -> None:
    assert "1111" not in str(mask(None, "", {"event": "x", "note": value}))


def test_nested_secret_is_masked() -> None:
    masked = mask(None, "", {"event": "x", "headers": {"Authorization": "canary", "Accept": "*/*"}})
    assert masked == {"event": "x", "headers": {"Authorization": MASKED, "Accept": "*/*"}}


def test_token_is_masked() -> None:
    masked = mask(None, "", {"event": f"sent Bearer {token()} twice", "list": [token()]})
    assert token().split(".")[1] not in str(masked)
    assert str(masked["event"]).startswith("sent Bearer ")


def test_value_that_is_no_secret_stays() -> None:
    event = {
        "event": "request",
        "status": 200,
        "route": "/payments/<payment_id>",
        "milliseconds": 1.5,
        "list": [1, None],
    }
    assert mask(None, "", dict(event)) == event
    assert mask(None, "", {"event": "x", "panel": "a", "pinned": "b", "monkey": "c", "moment": "20251120072012"}) == {
        "event": "x", "panel": "a", "pinned": "b", "monkey": "c", "moment": "20251120072012",
    }  # fmt: skip


def test_lines_of_libraries_are_json_too(lines: Lines) -> None:
    configure_logging("INFO")
    structlog.get_logger("ours").info("an event", number=1)
    logging.getLogger("theirs").warning("careful with %s", "a\nline end")
    logging.getLogger("theirs").debug("not said")
    ours, theirs = lines()
    assert (ours["event"], ours["number"], ours["level"], ours["logger"]) == ("an event", 1, "info", "ours")
    assert (theirs["event"], theirs["level"]) == ("careful with a\nline end", "warning")
    assert {"timestamp", "level", "logger", "event"} <= ours.keys() & theirs.keys()


class Unspeakable:
    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize("value", [Unspeakable(), 10**5000, [Unspeakable()]], ids=["repr", "too long", "inside"])
def test_value_that_cannot_be_logged_stops_no_request(lines: Lines, value: object) -> None:
    """The service writes the line between the gateway's answer and the commit that stores it."""
    configure_logging("INFO")
    structlog.get_logger("ours").warning("movement.undecided", why=value)
    (line,) = lines()
    assert (line["event"], line["level"], line["logger"]) == ("movement.undecided", "warning", "ours")
    assert {"timestamp", "unwritable"} <= line.keys()


def test_logger_name_with_a_secret_is_masked(lines: Lines) -> None:
    configure_logging("INFO")
    logging.getLogger("lib.4111111111111111").warning("hello")
    (line,) = lines()
    assert line["logger"] == MASKED


def test_debug_enables_debug_logs() -> None:
    assert Settings.from_env({"DEBUG": "true", "LOG_LEVEL": "INFO"}).log_level == "DEBUG"
    assert Settings.from_env({"DEBUG": "false", "LOG_LEVEL": "WARNING"}).log_level == "WARNING"


@pytest.mark.parametrize(
    ("lengths", "messages"),
    [
        ([], []),
        ([100, 200], [[100, 200]]),
        ([2000, 2096, 1], [[2000, 2096], [1]]),
        ([2000, 2097], [[2000], [2097]]),
        ([10, 5000, 20, 30], [[10], [5000], [20, 30]]),
    ],
)
def test_gathered_lines_leave_in_messages_that_a_pipe_does_not_mix(
    lengths: list[int], messages: list[list[int]]
) -> None:
    assert select.PIPE_BUF == 4096
    found = writer._messages([("info", "x" * length) for length in lengths])
    assert [[len(line) for _, line in message] for message in found] == messages
