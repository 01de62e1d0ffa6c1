"""Each client plays every scenario against a scripted server: its requests, their times and its results are right."""

import pytest

from tests.clients.scenarios import BY_NAME, SCENARIOS, each_scenario, play
from tests.clients.scripted import scripted_service
from tests.clients.under_test import Client


@each_scenario
def test_the_client_plays_the_script_to_its_end(name: str, client: Client) -> None:
    scenario = BY_NAME[name]
    with scripted_service(scenario["script"]) as service:
        pauses = [pause for outcome in play(client, scenario, service.url) for pause in outcome.pauses]

    assert (service.left, service.surplus) == ([], 0)
    assert service.moved == scenario["moved"]
    wanted = scenario.get("pauses_at_least", [0] * len(pauses))
    assert len(pauses) == len(wanted)
    assert [pause for pause, least in zip(pauses, wanted, strict=True) if not least <= pause <= least + 1] == []


def test_names_and_keys_of_scenarios_are_their_own() -> None:
    keys = [{call["args"].get("key") for call in scenario["calls"]} - {None} for scenario in SCENARIOS]

    assert len(BY_NAME) == len(SCENARIOS)
    assert sum(map(len, keys)) == len(set.union(*keys))


def test_a_scenario_without_the_service_says_why() -> None:
    assert [s["name"] for s in SCENARIOS if (s["service"] is None) != ("why_not_at_the_service" in s)] == []


@pytest.mark.parametrize("name", ["plain success", "replay", "mismatch", "time-out", "declined trip"])
def test_list_has_every_required_scenario(name: str) -> None:
    assert BY_NAME[name]["service"] is not None
