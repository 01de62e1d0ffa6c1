"""The client for Python as the tests call it."""

import inspect
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from decimal import Decimal
from typing import Any, cast

import requests

from payment_service_client import PaymentClient, PaymentError, Terms
from tests.clients.canned import CannedNetwork, FakeTime, RealTime
from tests.clients.under_test import LOST, UNSENT, Call, Canned, Outcome, Try

FAULTS = {LOST: requests.ConnectionError("reset"), UNSENT: requests.ConnectTimeout("no connection")}
CHANNELS = ("trips", "bills", "bookings", "orders", "checkout")


class PythonClient:
    """Calls the client in this process."""

    name = "python"

    def __call__(self, call: Call) -> Outcome:
        """Make the call."""
        tries, time = list[Try](), RealTime() if call.real else FakeTime()
        tokens = iter(call.token) if isinstance(call.token, list) else None
        token = (lambda: next(tokens)) if tokens else cast("str | None", call.token)
        with _recording(tries) as session:
            if call.answers is not None:
                session.mount("http://", CannedNetwork(*map(_of_requests, call.answers)))
            options: dict[str, Any] = {"session": session, "sleep": time.sleep, "clock": time.clock, **call.options}
            client = PaymentClient(call.url, token, **options)
            try:
                answer = _method(client, call.name)(**{name: _argument(name, v) for name, v in call.args.items()})
            except Exception as error:  # noqa: BLE001 - the outcome names it
                return Outcome(None, _raised(error), tries, time.pauses)
        return Outcome(plain(answer), None, tries, time.pauses)

    def methods(self) -> list[str]:
        """Return the names of all methods of channels."""
        client = PaymentClient("http://service")
        return [
            f"{channel}.{name}"
            for channel in CHANNELS
            for name, _ in inspect.getmembers(getattr(client, channel), inspect.ismethod)
            if not name.startswith("_")
        ]


def plain(value: Any) -> Any:
    """Return an answer as lists, objects and values."""
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    return plain(asdict(value)) if is_dataclass(value) and not isinstance(value, type) else _lists(value)


def _lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _lists(each) for name, each in value.items()}
    return [_lists(each) for each in value] if isinstance(value, list | tuple) else value


def _method(client: PaymentClient, name: str) -> Callable[..., object]:
    found: object = client
    for part in name.split("."):
        found = getattr(found, part)
    return cast("Callable[..., object]", found)


def _argument(name: str, value: Any) -> object:
    if name == "terms":
        return Terms(**value)
    return Decimal(value) if name == "amount" and isinstance(value, str) else value


def _of_requests(answer: Canned | str) -> object:
    return FAULTS[answer] if isinstance(answer, str) else (answer.status, answer.text, dict(answer.headers))


def _raised(error: Exception) -> dict[str, Any]:
    names = ("code", "status", "key", "request_id", "retry", "fields", "next_action") * isinstance(error, PaymentError)
    found = {name: plain(getattr(error, name, None)) for name in names}
    cause = None if error.__cause__ is None else str(error.__cause__)
    return {"error": type(error).__name__, "message": str(error), "cause": cause, **found}


def _recording(tries: list[Try]) -> requests.Session:
    """Return a session that remembers its requests, each on its own connection."""
    session = requests.Session()
    session.trust_env = False
    session.headers["Connection"] = "close"
    send = session.send

    def sending(request: requests.PreparedRequest, **options: Any) -> requests.Response:
        body = request.body.decode() if isinstance(request.body, bytes) else request.body
        headers = {name.lower(): str(value) for name, value in request.headers.items()}
        tries.append(Try(str(request.method), str(request.url), headers, body, status=0))
        answer = send(request, **options)
        tries[-1] = Try(str(request.method), str(request.url), headers, body, answer.status_code)
        return answer

    session.send = sending  # type: ignore[method-assign]
    return session
