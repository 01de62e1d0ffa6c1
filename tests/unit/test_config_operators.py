"""The settings of operators: how they are read, and with which combinations a process refuses to start."""

import pytest

from payment_service.config import ConfigurationError, Settings

PROVIDER = {"OPS_OIDC_ISSUER": "https://login.example.com/", "OPS_OIDC_CLIENT_ID": "pay"}


def faults(**environ: str) -> str:
    """Return the reason for which the environment is refused."""
    with pytest.raises(ConfigurationError) as refused:
        Settings.from_env(environ)
    return "\n".join(refused.value.faults)


def test_default_sign_in_is_a_pasted_token_for_8_hours() -> None:
    settings = Settings.from_env({})

    assert (settings.ops_oidc_issuer, settings.ops_token_sign_in, settings.ops_session_seconds) == (None, True, 28800)


def test_issuer_is_kept_exactly_and_the_secret_is_not_printed() -> None:
    settings = Settings.from_env({**PROVIDER, "OPS_OIDC_CLIENT_SECRET": "hush", "OPS_TOKEN_SIGN_IN": "no"})

    assert settings.ops_oidc_issuer == "https://login.example.com/"
    assert not settings.ops_token_sign_in
    assert "hush" not in repr(settings)


@pytest.mark.parametrize(
    ("environ", "names"),
    [
        ({"OPS_OIDC_ISSUER": "https://login.example.com"}, "OPS_OIDC_CLIENT_ID"),
        ({"OPS_OIDC_CLIENT_ID": "pay"}, "OPS_OIDC_ISSUER"),
        ({"OPS_OIDC_CLIENT_SECRET": "hush"}, "OPS_OIDC_ISSUER"),
        ({"OPS_TOKEN_SIGN_IN": "false"}, "OPS_OIDC_ISSUER"),
        ({**PROVIDER, "OPS_OIDC_SCOPE": "profile"}, "OPS_OIDC_SCOPE"),
        ({**PROVIDER, "OPS_OIDC_ISSUER": "login.example.com"}, "OPS_OIDC_ISSUER"),
        ({**PROVIDER, "OPS_OIDC_ISSUER": "https://me:hush@login.example.com"}, "OPS_OIDC_ISSUER"),
        ({"OPS_SESSION_SECONDS": "28801"}, "OPS_SESSION_SECONDS"),
        ({"OPS_SESSION_SECONDS": "0"}, "OPS_SESSION_SECONDS"),
    ],
)
def test_invalid_or_contradictory_settings_are_refused_by_name(environ: dict[str, str], names: str) -> None:
    found = faults(**environ)

    assert names in found
    assert "hush" not in found


def test_production_needs_https_of_the_provider() -> None:
    found = faults(
        ENVIRONMENT="production",
        **{**PROVIDER, "OPS_OIDC_ISSUER": "http://login.example.com"},
        OPS_OIDC_REDIRECT_URI="http://pay.example.com/ops/login/callback",
    )

    assert "OPS_OIDC_ISSUER: must be https:// in production." in found
    assert "OPS_OIDC_REDIRECT_URI: must be https:// in production." in found
