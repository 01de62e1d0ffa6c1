"""A route's answers as OpenAPI's responses: shapes from schemas, refusals worded by the channels' own presenters."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from payment_service.domain.errors import PaymentDeclined, Refused, ServiceError
from payment_service.domain.records import Answer
from payment_service.web.documenting import Media, Shape
from payment_service.web.errors import Voices
from payment_service.web.openapi.schemas import Described, Schemas, either, example_of, name_of
from payment_service.web.shown import schema_of

JSON = "application/json"
ON_EVERY_ANSWER = ("X-Request-ID", "X-Correlation-ID")


@dataclass
class Status:
    """What is known of the answers with one status."""

    about: list[str] = field(default_factory=list)
    shapes: list[Described] = field(default_factory=list)
    examples: dict[str, Described] = field(default_factory=dict)
    headers: set[str] = field(default_factory=set)
    media: list[Media] = field(default_factory=list)


class Responses:
    """The responses of one operation that is being described."""

    def __init__(self, schemas: Schemas, voices: Voices) -> None:
        self._schemas = schemas
        self._voices = voices
        self._found: dict[int, Status] = {}

    def answer(self, status: int, shape: Shape, *, replayed: bool) -> None:
        """An answer with this body; `replayed`: it can be the one to a repeated key."""
        found = self._found.setdefault(status, Status())
        if status == 202:
            found.headers.add("Retry-After")
        if replayed:
            found.headers.add("Idempotent-Replayed")
        for each in shape if isinstance(shape, tuple) else (shape,):
            if isinstance(each, Media):
                found.about.append(each.about)
                found.media.append(each)
            else:
                found.about.append((type(each).__doc__ or "").splitlines()[0])
                found.shapes.append(self._schemas.reference(each))
                found.examples[name_of(each)] = {"value": example_of(each, whole=False)}

    def refuse(self, errors: Iterable[ServiceError], channels: Iterable[str], *, replayed: bool) -> None:
        """Refusals as each of the channels words them, under the status each of them gives them."""
        for error in errors:
            for channel in channels:
                self._refusal(error, channel, self._voices.refusal(channel, error), replayed=replayed)

    def _refusal(self, error: ServiceError, channel: str, answer: Answer, *, replayed: bool) -> None:
        body = json.loads(answer.body)
        found = self._found.setdefault(answer.status, Status())
        found.shapes.append(self._schemas.reference(schema_of(body)))
        name = f"{channel}: {body['code']}" if channel else body["code"]
        if {"value": body} not in found.examples.values():
            same = sum(each.partition(" (")[0] == name for each in found.examples)
            found.examples[f"{name} ({same + 1})" if same else name] = {"value": body}
        found.about.append(f"`{body['code']}`: {(type(error).__doc__ or '').splitlines()[0].rstrip('.')}.")
        if answer.retry_after is not None:
            found.headers.add("Retry-After")
        if replayed and isinstance(error, Refused | PaymentDeclined):
            found.headers.add("Idempotent-Replayed")

    def described(self) -> dict[str, Any]:
        """The responses by status."""
        return {str(status): _described(found) for status, found in sorted(self._found.items())}


def _described(found: Status) -> Described:
    about = list(dict.fromkeys(found.about))
    content: Described = {media.media_type: {"schema": media.schema} for media in found.media if media.media_type}
    if found.shapes:
        content[JSON] = {"schema": either(found.shapes), "examples": found.examples}
    names = [*ON_EVERY_ANSWER, *sorted(found.headers)]
    return {
        "description": about[0] if len(about) == 1 else "\n".join(f"- {line}" for line in about),
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names},
        "content": content,
    }
