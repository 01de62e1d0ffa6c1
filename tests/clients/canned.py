"""The client for Python with a list of answers as its network: no sockets, no seconds."""

import json
from io import BytesIO
from time import monotonic, sleep
from typing import Any

import requests
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

from payment_service_client import PaymentClient


class FakeTime:
    """A clock that moves only while a call sleeps."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def clock(self) -> float:
        return sum(self.pauses)


class RealTime(FakeTime):
    """The real clock; pauses are remembered."""

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        sleep(seconds)

    def clock(self) -> float:
        return monotonic()


class CannedNetwork(BaseAdapter):
    """Gives the answers in their order, the last one again and again; `sent` are the requests."""

    def __init__(self, *answers: object) -> None:
        super().__init__()
        self._answers = list(answers)
        self.sent: list[requests.PreparedRequest] = []
        self.timeouts: list[Any] = []

    def send(self, request: requests.PreparedRequest, *positional: Any, **options: Any) -> requests.Response:
        """Return one answer or raise it: an exception, a text, or a status with a body and headers."""
        self.sent.append(request)
        self.timeouts.append(options["timeout"])
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        status, body, headers = answer if isinstance(answer, tuple) else (200, answer, {})
        content = (body if isinstance(body, str) else json.dumps(body)).encode()
        raw = HTTPResponse(BytesIO(content), headers=headers, status=status, preload_content=False)
        response = requests.Response()
        response.status_code, response.raw, response.request = status, raw, request
        response.headers.update(headers)
        return response

    def close(self) -> None:
        """Do nothing: no connection is open."""


def canned(*answers: object, **options: Any) -> tuple[PaymentClient, CannedNetwork]:
    """Return a client that gets canned answers."""
    network, session, time = CannedNetwork(*answers), requests.Session(), FakeTime()
    session.mount("http://", network)
    return PaymentClient("http://service", session=session, sleep=time.sleep, clock=time.clock, **options), network
