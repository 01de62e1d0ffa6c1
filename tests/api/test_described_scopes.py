"""The description says which scopes each operation takes, as the settings ask for them."""

from typing import Any

from openapi_spec_validator import OpenAPIV30SpecValidator

from tests.conftest import MakeApp
from tests.support.description import Described, description_of


def security(described: Described, path: str, method: str = "get") -> Any:
    return described["paths"][path][method].get("security")


def test_scopes_are_what_the_settings_ask_for(make_app: MakeApp) -> None:
    closed: dict[str, Any] = {"environment": "production", "auth_open_channels": frozenset()}
    in_production = description_of(make_app(**closed))
    in_transition = description_of(make_app(**closed, auth_scopes_optional=frozenset({"bills"})))

    for described in (in_production, in_transition):
        OpenAPIV30SpecValidator(described).validate()
        assert security(described, "/api/payments", "post") == [{"token": []}]
        assert described["paths"]["/api/payments"]["post"]["x-required-scope"] == "payments:charge"
        assert "x-required-scope" not in described["paths"]["/health"]["get"]
    needed: list[Any] = [{"payments.refund": []}, {"payments.service": []}]
    assert security(in_production, "/payments/{payment_id}/refunds", "post") == needed
    assert security(in_production, "/v1/payments/charge", "post")[0] == {"payments.charge": []}
    readers: list[Any] = [{"payments.read": []}, {"payments.service": []}]
    assert security(in_production, "/v1/payments") == readers
    assert security(in_transition, "/v1/payments") == [{"token": []}, *readers]
    schemes = in_production["components"]["securitySchemes"]
    assert set(schemes) == {"token", *(f"payments.{each}" for each in ("charge", "refund", "read", "service"))}
    assert "`payments:charge:<channel>`" in schemes["payments.charge"]["description"]
