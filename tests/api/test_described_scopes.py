"""The description says which scopes each operation takes, as the settings ask for them."""

from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV30SpecValidator

from tests.conftest import MakeApp
from tests.support.description import Described, description_of

CLOSED: dict[str, Any] = {"environment": "production", "auth_open_channels": frozenset()}


def security(described: Described, path: str, method: str = "get") -> Any:
    return described["paths"][path][method].get("security")


@pytest.mark.parametrize("optional", [frozenset(), frozenset({"bills"})])
def test_description_is_valid_whether_scopes_are_optional_or_not(make_app: MakeApp, optional: frozenset[str]) -> None:
    described = description_of(make_app(**CLOSED, auth_scopes_optional=optional))
    OpenAPIV30SpecValidator(described).validate()
    assert security(described, "/api/payments", "post") == [{"token": []}]
    assert described["paths"]["/api/payments"]["post"]["x-required-scope"] == "payments:charge"
    assert "x-required-scope" not in described["paths"]["/health"]["get"]


def test_description_names_the_scopes_of_the_settings(make_app: MakeApp) -> None:
    in_production = description_of(make_app(**CLOSED))
    in_transition = description_of(make_app(**CLOSED, auth_scopes_optional=frozenset({"bills"})))
    needed: list[Any] = [{"payments.refund": []}, {"payments.service": []}]
    assert security(in_production, "/payments/{payment_id}/refunds", "post") == needed
    assert security(in_production, "/v1/payments/charge", "post")[0] == {"payments.charge": []}
    readers: list[Any] = [{"payments.read": []}, {"payments.service": []}]
    assert security(in_production, "/v1/payments") == readers
    assert security(in_transition, "/v1/payments") == [{"token": []}, *readers]
    schemes = in_production["components"]["securitySchemes"]
    assert set(schemes) == {"token", *(f"payments.{each}" for each in ("charge", "refund", "read", "service"))}
    assert "`payments:charge:<channel>`" in schemes["payments.charge"]["description"]
