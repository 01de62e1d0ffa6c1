"""A small app that asks every caller who he is."""

from typing import Any

from flask import Flask, jsonify
from flask.testing import FlaskClient

from payment_service.config import Settings
from payment_service.domain.errors import ServiceError
from payment_service.domain.principals import Principal
from payment_service.web.access import caller_from_request
from payment_service.web.auth import init_auth


def app_with(**settings: Any) -> FlaskClient:
    """Return a client of an app that asks every caller who he is."""
    app = Flask(__name__)
    known = vars(Settings(database_url="sqlite://", **settings))
    app.config.from_mapping(
        {name.upper(): value for name, value in known.items() if name.startswith(("jwt_", "key_scope_"))}
    )
    init_auth(app)

    @app.errorhandler(ServiceError)
    def _refuse(error: ServiceError) -> tuple[Any, int]:
        return jsonify(code=error.code, message=error.message), error.status

    @app.route("/closed", methods=["GET", "POST"])
    def _closed() -> Any:
        return _shown(caller_from_request(open_access=False))

    @app.get("/open")
    def _open() -> Any:
        return _shown(caller_from_request(open_access=True))

    return app.test_client()


def _shown(caller: Principal) -> dict[str, Any]:
    return {**vars(caller), "scopes": sorted(caller.scopes), "is_service": caller.acts_for_all("trips")}


def answer(client: FlaskClient, bearer: str, path: str = "/closed") -> Any:
    """Return the caller as understood, or the error's code."""
    response = client.get(path, headers={"Authorization": f"Bearer {bearer}"})
    assert response.json is not None
    if response.status_code == 200:
        return response.json["subject"]
    assert response.status_code == (503 if response.json["code"] == "unavailable" else 401)
    return response.json["code"]
