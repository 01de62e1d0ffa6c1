"""The recorded run: sections of requests and answers, each with its own settings and on an empty database."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from pytest_httpserver import HTTPServer

from tests.support.recorded import Player, Sent

FILE = Path(__file__).resolve().parents[1] / "fixtures" / "recorded_run.json"

CHANGES = FILE.with_name("recorded_changes.json")
"""Answers that differ from release 1.0.0 on purpose: section, place of the request, the reason, the answer now."""

COMMON: Mapping[str, Any] = {
    "gateway_success_rate": 1.0,
    "checkout_success_rate": 1.0,
    "service_version": "1.0.0",
    "duplicate_refund_seconds": 0,
}
"""The settings of every section: the simulated gateway declines magic amounts only, no equal refund is a suspect."""

TRIP_SERVICE = "<trip service>"
"""In a section's settings this stands for the address of a trip service that knows `_TRIPS`."""

_TRIPS: Mapping[int, Any] = {
    101: {"status": "COMPLETED", "distance": 10, "surge_multiplier": 1.5},
    102: {"status": "ONGOING", "distance": 3, "surge_multiplier": 1},
    103: {"status": "COMPLETED", "distance": 2.345, "surge_multiplier": 1},
    104: "nonsense",
}


@cache
def recorded_run() -> Mapping[str, Any]:
    """Read the file: `sections` by name, and the `constants` that no placeholder replaces."""
    content: Mapping[str, Any] = json.loads(FILE.read_text())
    return content


def differences(player: Player, name: str) -> Iterator[str]:
    """Send the requests of a section in order; describe every answer that differs from the expected one."""
    changes = {change["place"]: change["answer"] for change in recorded_changes() if change["section"] == name}
    for place, entry in enumerate(recorded_run()["sections"][name]["entries"], 1):
        answer = player.reduce(player.send(Sent(**entry["request"])))
        if answer != changes.get(place, entry["answer"]):
            request = json.dumps(entry["request"], ensure_ascii=False)
            yield f"{place}. {request}\nexpected: {changes.get(place, entry['answer'])}\nanswered: {answer}"


@cache
def recorded_changes() -> Sequence[Mapping[str, Any]]:
    """Read the list of answers that differ on purpose."""
    content: Sequence[Mapping[str, Any]] = json.loads(CHANGES.read_text())
    return content


@contextmanager
def settings_of(section: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the settings of a section's app; its trip service runs for as long as the block."""
    changes = {**COMMON, **section["settings"]}
    changes = {name: frozenset(value) if isinstance(value, list) else value for name, value in changes.items()}
    if changes.get("trip_service_url") != TRIP_SERVICE:
        yield changes
        return
    with HTTPServer() as server:
        for number, trip in _TRIPS.items():
            server.expect_request(f"/v1/trips/{number}").respond_with_data(json.dumps(trip))
        yield changes | {"trip_service_url": server.url_for("").rstrip("/")}
