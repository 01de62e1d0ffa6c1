"""The two transactions of one charge as a pgbench script, recorded from the service: its SQL without Python."""

import re
import subprocess
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from uuid import uuid4

from flask.testing import FlaskClient

from benchmarks.servers import MeasuredPostgres, production, token
from payment_service import create_app
from payment_service.config import Settings
from tests.crash.proxy import commit_proxy

_DRAWN = {7_100_000_001: "idempotency_keys_key_id_seq", 7_300_000_001: "payments_payment_id_seq"}
"""The sequences of a charge, by numbers that occur in a statement for nothing but them."""

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-([0-9a-f]{12})")
_DIGEST = re.compile(r"\b[0-9a-f]{32}(?:[0-9a-f]{16}|[0-9a-f]{32})?\b")
_REFERENCE = re.compile(r"\bPAY-[0-9]{8}-[0-9a-f]{8}")
_RATE = re.compile(r"tps = ([0-9.]+)")

Ask = Callable[[FlaskClient, str], object]


def charge(client: FlaskClient, key: str) -> int:
    """Charge a trip under this key; return the payment's number."""
    body = {"idempotency_key": key, "trip_id": 7, "method": "CARD", "amount": 150.0}
    answer = client.post("/payments", json=body, headers=_bearer())
    assert answer.status_code == 200, answer.text
    return int(answer.get_json()["payment_id"])


def _bearer() -> dict[str, str]:
    return {"Authorization": f"Bearer {token()}"}


def messages(url: str, asks: Sequence[Ask]) -> tuple[list[str], list[list[str]]]:
    """Return the messages to PostgreSQL while a connection prepares its statements, and those of each request."""
    told: list[list[str]] = []
    with commit_proxy(url) as proxy:
        app = create_app(Settings.from_env(production(proxy.url_through, LOG_LEVEL="ERROR", DB_POOL_SIZE="1")))
        client = app.test_client()
        for ask in asks:
            ask(client, f"warm-{uuid4().hex}")
        learnt = list(proxy.queries)
        for ask in asks:
            proxy.queries.clear()
            ask(client, f"told-{uuid4().hex}")
            told.append(list(proxy.queries))
        app.extensions["payment_service"].database.engine.dispose()
    return learnt, told


def record(postgres: MeasuredPostgres, database: str, url: str) -> str:
    """Return the script of a charge in this database."""

    def numbered(client: FlaskClient, key: str) -> None:
        with closing(postgres.connect(database)) as connection, connection.cursor() as cursor:
            for number, sequence in _DRAWN.items():
                cursor.execute("SELECT setval(%s, %s, false)", (sequence, number))
        charge(client, key)

    def warm_then_numbered(client: FlaskClient, key: str) -> None:
        (charge if key.startswith("warm") else numbered)(client, key)

    learnt, (sent,) = messages(url, [warm_then_numbered])
    return script([text for text in learnt if text.startswith("PREPARE")], sent)


def script(learnt: Sequence[str], sent: Sequence[str]) -> str:
    """Return a pgbench script of recorded messages, each unchanged, but with new unique values for every charge.

    A client of pgbench prepares the statements with its first charge, as a connection of the service does.
    """
    lines = [f"\\set {name} random(100000000000, 999999999999)" for name in ("n", "m")]
    lines += ["\\if :is_new", *(f"{' '.join(text.split())};" for text in learnt), "\\set is_new 0", "\\endif"]
    for message in sent:
        text = _UUID.sub(lambda found: found[0][:-12] + ":n", message)
        text = _DIGEST.sub(lambda found: found[0][:-24] + ":m:n", text)
        text = _REFERENCE.sub("PAY-:m:n", text)
        for number, sequence in _DRAWN.items():
            # As a separate value, not in the text of a response.
            text = re.sub(rf"(?<=[(\s]){number}(?=[,)])", f"currval('{sequence}')", text)
        text = re.sub(r"; (?=EXECUTE|COMMIT)", r" \\; ", " ".join(text.split()))
        lines.append(f"{text};")
    return "\n".join(lines) + "\n"


def run(postgres: MeasuredPostgres, database: str, path: Path, seconds: float) -> float:
    """Return pgbench's transactions per second, each a whole charge: 16 clients, the service's own messages."""
    server = ["-h", "127.0.0.1", "-p", str(postgres.port), "-U", "test", database]
    options = ["-n", "-c", "16", "-j", "2", "-M", "simple", "-D", "is_new=1"]
    command = ["pgbench", *options, "-f", str(path), "-T", f"{seconds:.0f}", *server]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    rate = _RATE.search(done.stdout)
    if done.returncode or rate is None:
        raise RuntimeError(done.stdout + done.stderr)
    return float(rate[1])


def round_trips(url: str) -> dict[str, int]:
    """Return the number of messages that each kind of request sends to PostgreSQL, with BEGIN and COMMIT."""
    made: list[int] = []

    def refund(client: FlaskClient, key: str) -> None:
        body = {"idempotency_key": key, "amount": 0.01}
        answer = client.post(f"/payments/{made[0]}/refunds", json=body, headers=_bearer())
        assert answer.status_code == 200, answer.text

    asks: dict[str, Ask] = {
        "create": lambda client, key: made.append(charge(client, key)),
        "replay": lambda client, _: charge(client, "the same"),
        "refund": refund,
        "get": lambda client, _: client.get(f"/payments/{made[0]}", headers=_bearer()),
        "list": lambda client, _: client.get("/payments?limit=20", headers=_bearer()),
    }
    _, told = messages(url, list(asks.values()))
    return dict(zip(asks, map(len, told), strict=True))
