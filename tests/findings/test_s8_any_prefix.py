"""S8: internal routes stay internal under every API_PREFIX.

Release 1.0.0 served `/pay/metrics` to the public.
"""

import re
from collections.abc import Iterator
from contextlib import closing

import pytest
import requests

from tests.conftest import MakeApp
from tests.support.nginx import Nginx
from tests.support.scripted_server import scripted_server
from tests.support.terminator import admit

SERVED = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
PREFIXES = ["", "/v1", "/pay", "/v2/rides", "/api/v3", "/a-b_c.d~e", "/metrics", "/ops2", "/paymentsx"]
INSIDE = ["/metrics", "/metrics/", "/health/ready", "/health/ready/", "/docs", "/docs/x.css", "/redoc", "/openapi.json"]
CALLERS = [
    "/api/v1/payments/order/metrics",
    "/api/payments/booking/docs",
    "/v1/payments/transaction/redoc",
    "/payments/metrics",
    "/v1/idempotency-keys/docs",
    "/v1/idempotency-keys/a%2Fhealth%2Fready",
    "/pay/health",
    "/pay/payments",
    "/pay/metricsx",
]


@pytest.fixture
def chain() -> Iterator[str]:
    """Yield the deployed proxy, to which no client of this test is an insider."""
    with scripted_server(SERVED) as service, closing(Nginx(service.url.removeprefix("http://"))) as nginx:
        admit(nginx)
        deployed = nginx.home / "conf.d" / "payment-service.conf"
        deployed.write_text(deployed.read_text().replace("allow 127.0.0.0/29;", ""))
        nginx.start()
        yield f"http://127.0.0.1:{nginx.port}"


def test_s8_stranger_gets_403_on_inner_paths_below_every_prefix(chain: str) -> None:
    """In release 1.0.0 `API_PREFIX=/pay` made `/pay/metrics` and `/pay/health/ready` public."""
    paths = [f"{prefix}{path}" for prefix in PREFIXES for path in INSIDE]
    answers = {path: requests.get(chain + path, timeout=10).status_code for path in [*paths, "/ops", "/ops/login"]}

    assert {path for path, status in answers.items() if status != 403} == set()


def test_s8_inner_name_in_the_path_of_a_caller_is_served(chain: str) -> None:
    """Release 1.0.0 served it, too."""
    answers = {path: requests.get(chain + path, timeout=10).status_code for path in CALLERS}

    assert set(answers.values()) == {200}, answers


@pytest.mark.parametrize("prefix", ["/pay", "/api/v3"])
def test_s8_every_inner_route_below_an_own_prefix_answers_403(chain: str, make_app: MakeApp, prefix: str) -> None:
    """Release 1.0.0 served those below an own prefix."""
    inside = ("/metrics", "/health/ready", "/docs", "/redoc", "/openapi.json", "/docs/assets/<path:name>")
    rules = {rule.rule for rule in make_app(api_prefix=prefix).url_map.iter_rules()}
    guarded = {rule for rule in rules if rule.endswith(inside) or rule.startswith("/ops")}
    paths = {rule: re.sub("[<>:]", "", rule.replace("<path:name>", "x")) for rule in guarded}
    assert {f"{prefix}/metrics", f"{prefix}/health/ready"} <= guarded
    statuses = {rule: requests.get(chain + path, timeout=10).status_code for rule, path in paths.items()}
    assert statuses == dict.fromkeys(guarded, 403)


@pytest.mark.parametrize("prefix", ["/payments/x", "/v1/payments", "/api/payments/x", "/v1/idempotency-keys", "/ops/x"])
def test_s8_prefix_below_a_path_of_callers_is_refused(prefix: str) -> None:
    """Release 1.0.0 took them; the guard does not look below these paths."""
    from payment_service.config import ConfigurationError, Settings

    with pytest.raises(ConfigurationError, match="API_PREFIX"):
        Settings.from_env({"API_PREFIX": prefix})
