"""One call: the same bytes with the same key, tried until the answer is final or the deadline passes."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

import requests
from requests.models import PreparedRequest
from urllib3.exceptions import NewConnectionError

from payment_service_client.decoding import T, decode
from payment_service_client.errors import (
    ActionRequired,
    Declined,
    Mismatch,
    OutcomeUnknown,
    PaymentError,
    Refused,
    Unavailable,
    message_of,
    text,
)
from payment_service_client.wire import Reply, Request, parse

CONNECT_TIMEOUT = 3.05
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 6.4
TOO_EARLY = {408, 429}
"""The request was turned away before anything happened."""
NO_VERDICT = {401, 403}
"""The service did not look the key up."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends requests for all channels; its fields are those of PaymentClient."""

    url: str
    token: str | Callable[[], str] | None
    deadline: float
    timeout: float
    session: requests.Session
    sleep: Callable[[float], None]
    clock: Callable[[], float]

    def send(self, kind: type[T], request: Request) -> T:
        """The final answer. Raises PaymentError; TypeError or ValueError for arguments that cannot be sent."""
        content, headers, end = request.content(), request.headers(), self.clock() + self.deadline
        begun = False
        for attempt in count():
            try:
                reply = self._try(request, content, headers, end)
            except Exception as error:
                if not begun:
                    raise
                reply = Reply(
                    sent=False, cause=error
                )  # a token that cannot be had, say: the caller still needs the key
            if 200 <= reply.status < 300 and not _undecided(request, reply):
                return _answer(kind, request, reply)
            begun = begun or _may_have_begun(reply)
            if not _may_be_repeated(request, reply):
                raise _final(request, reply, begun)
            pause = _pause(reply, attempt)
            if self.clock() + pause >= end:
                raise _given_up(request, reply, begun)
            self.sleep(pause)
        raise AssertionError("counting never ends")

    def _try(self, request: Request, content: bytes | None, headers: dict[str, str], end: float) -> Reply:
        patience = min(self.timeout, max(1.0, end - self.clock()))
        try:
            answer = self.session.request(
                request.method,
                self.url + request.path,
                params=request.parameters(),
                data=content,
                headers=headers,
                auth=self._authorize,  # a .netrc file does not replace the token then
                timeout=(min(CONNECT_TIMEOUT, patience), patience),
                allow_redirects=False,
            )
        except requests.ConnectTimeout as error:
            return Reply(sent=False, cause=error)
        except requests.ConnectionError as error:
            refused = isinstance(getattr(next(iter(error.args), None), "reason", None), NewConnectionError)
            return Reply(sent=not refused, cause=error)
        except (
            requests.Timeout,
            requests.exceptions.ChunkedEncodingError,
            requests.exceptions.ContentDecodingError,
        ) as error:
            return Reply(cause=error)
        return _read(answer)

    def _authorize(self, request: PreparedRequest) -> PreparedRequest:
        token = self.token() if callable(self.token) else self.token
        if token:
            request.headers["Authorization"] = f"Bearer {token}"
        return request


def _read(answer: requests.Response) -> Reply:
    """What the service says. A success that is no JSON is no answer; a refusal that is none has no advice."""
    asked = answer.headers.get("Retry-After", "")
    after = float(asked) if asked.isascii() and asked.isdigit() else 0.0
    request_id = answer.headers.get("X-Request-ID")
    try:
        body = parse(answer.content)
    except (ValueError, RecursionError) as error:
        if 200 <= answer.status_code < 300:
            return Reply(request_id=request_id, cause=error)
        body = None
    return Reply(answer.status_code, body, request_id, after)


def _undecided(request: Request, reply: Reply) -> bool:
    """Whether the gateway has yet to decide about a request. A look-up that answers 202 has answered."""
    return reply.status == 202 and request.writes


def _may_have_begun(reply: Reply) -> bool:
    if reply.status == 0:
        return reply.sent
    return reply.status in {202, 409} or reply.status >= 500


def _may_be_repeated(request: Request, reply: Reply) -> bool:
    """Whether another try may help and cannot move money twice."""
    if reply.status == 0:
        return request.repeatable or not reply.sent
    if reply.status == 202:
        return request.repeatable and not reply.wants_action
    retry = reply.retry
    if retry is not None and (not retry.safe or retry.key == "new"):
        return False
    if reply.status in TOO_EARLY:
        return True
    if reply.status >= 500:  # without a key only the service knows that nothing happened, and says so by "key": null
        return request.repeatable or (retry is not None and retry.key is None)
    return request.repeatable and retry is not None and retry.after is not None


def _pause(reply: Reply, attempt: int) -> float:
    """Seconds before the next try: what the service asks for, and a random time that doubles with each try."""
    advised = reply.retry.after if reply.retry and reply.retry.after else 0
    doubled = min(FIRST_PAUSE * 2.0**attempt, LONGEST_PAUSE)
    return max(reply.after, advised) + doubled * (0.5 + random.random() / 2)  # noqa: S311 - it only spreads load


def _answer(kind: type[T], request: Request, reply: Reply) -> T:
    status = text(reply.fields.get("status")) or ""
    if request.declinable and (status.upper() == "FAILED" or reply.fields.get("success") is False):
        texts = (text(reply.fields.get(name)) for name in ("message", "error", "gateway_response"))
        code = text(reply.fields.get("failure_code")) or "payment_declined"
        raise Declined(next(filter(None, texts), "declined by the gateway"), reply, request.key, code)
    try:
        return decode(kind, reply.body if request.part is None else reply.fields[request.part])
    except (KeyError, TypeError, ValueError) as error:
        failure = OutcomeUnknown if request.writes else PaymentError
        raise failure(f"the answer has another shape: {error}", reply, request.key, "unreadable_answer") from error


def _final(request: Request, reply: Reply, begun: bool) -> PaymentError:
    """The error of a reply after which no other try is made."""
    message, code = message_of(reply), reply.fields.get("code")
    if reply.status == 202 and reply.wants_action:
        return ActionRequired(message, reply, request.key)
    if code == "idempotency_key_mismatch":
        return Mismatch(message, reply, request.key)
    if reply.status == 402 or code in {"payment_declined", "refund_declined"}:
        return Declined(message, reply, request.key)
    retry = reply.retry
    unclear = begun and (reply.status in NO_VERDICT or retry is None or retry.key == "same")
    if reply.status in {0, 202} or reply.status >= 500 or unclear:
        return _given_up(request, reply, begun)
    return Refused(message, reply, request.key)


def _given_up(request: Request, reply: Reply, begun: bool) -> PaymentError:
    """The error of a call that ends without knowing."""
    message = message_of(reply)
    if not (begun and request.writes):
        error: PaymentError = Unavailable(f"{message}: call again later", reply, request.key)
    elif request.key is None:
        error = OutcomeUnknown(f"{message}: look the payment up before you send anything", reply)
    else:
        error = OutcomeUnknown(f"{message}: call again with the key {request.key}", reply, request.key)
    error.__cause__ = reply.cause
    return error


class Channel:
    """The requests of one kind of callers."""

    def __init__(self, sender: Sender) -> None:
        self._send = sender.send
