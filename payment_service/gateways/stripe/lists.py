"""Stripe's lists, page by page."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from payment_service.domain.errors import GatewayUnavailable
from payment_service.gateways.base import NotSent, Unknown
from payment_service.gateways.stripe.client import Answer
from payment_service.gateways.stripe.replies import undecided

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Page:
    """A part of a list, newest first; `following` is the id after which the next part begins, None at the end."""

    objects: tuple[Object, ...]
    following: str | None


def page(reply: Answer) -> Page | NotSent | Unknown:
    """Return a reply as a page of a list."""
    if isinstance(reply, NotSent | Unknown):
        return reply
    if (problem := undecided(reply)) is not None:
        return problem
    objects, more = reply.body.get("data"), reply.body.get("has_more")
    if not reply.is_success or not isinstance(objects, list) or type(more) is not bool:
        return Unknown(f"HTTP {reply.status} instead of a list")
    last = objects[-1].get("id") if objects and all(isinstance(each, dict) for each in objects) else None
    if (objects or more) and not isinstance(last, str):
        return Unknown("a list without objects")
    return Page(tuple(objects), last if more else None)


def walk(read: Callable[[str | None], Answer]) -> Iterator[Object]:
    """Yield every object of a list. Raises GatewayUnavailable: a truncated list must not pass for a complete one."""
    after: str | None = None
    while True:
        part = page(read(after))
        if not isinstance(part, Page):
            raise GatewayUnavailable(f"Stripe's list cannot be read: {part.reason}")
        yield from part.objects
        if part.following is None:
            return
        after = part.following
