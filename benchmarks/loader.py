"""A replacement for wrk: threads that send the requests of `wrk.lua`, one after another on each.

    python -m benchmarks.loader PORT CONNECTIONS SECONDS KIND PREFIX TOKEN NUMBER

It needs several times the CPU of wrk, on the same cores: compare its figures only with its own.
"""

import json
import sys
import threading
import time
from http.client import HTTPConnection
from itertools import count
from statistics import quantiles

Asked = tuple[str, str, dict[str, object] | None]


def asked(kind: str, prefix: str, number: int, made: int) -> Asked:
    """Return method, path and body of the `made`th request."""
    if kind == "echo":
        return "POST", "/echo", _charge("prefix-1234567", 7)
    if kind == "get":
        return "GET", f"/payments/{number + made % 200}", None
    if kind == "list":
        return "GET", f"/payments?limit=20&cursor={prefix}", None
    if kind == "refund":
        return (
            "POST",
            f"/payments/{number + made % 200}/refunds",
            {"idempotency_key": f"{prefix}-{made}", "amount": 0.01},
        )
    if kind == "mixed":
        kind = ("create", "create", "get", "replay")[made % 4]
    place = {"replay": made % max(number, 1), "conflict": made // 200, "hot": 0}.get(kind, made)
    return "POST", "/payments", _charge(f"{prefix}-{place}", 7 if kind in ("conflict", "hot") else 1 + place % 1000)


def _charge(key: str, trip: int) -> dict[str, object]:
    return {"idempotency_key": key, "trip_id": trip, "method": "CARD", "amount": 150.0}


def main(port: str, connections: str, seconds: str, kind: str, prefix: str, token: str, number: str = "0") -> None:
    """Send for so many seconds, then print the result as `wrk.lua` does."""
    numbers, times, refused, lost = count(), list[float](), list[int](), list[str]()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    began = time.monotonic()

    def client() -> None:
        connection = HTTPConnection("127.0.0.1", int(port), timeout=10)
        while time.monotonic() - began < float(seconds):
            method, path, body = asked(kind, prefix, int(number), next(numbers))
            at = time.monotonic()
            try:
                connection.request(method, path, None if body is None else json.dumps(body), headers)
                answer = connection.getresponse()
                answer.read()
            except OSError as error:
                lost.append(repr(error))
                connection.close()
                continue
            times.append(time.monotonic() - at)
            if answer.status >= 400:
                refused.append(answer.status)

    threads = [threading.Thread(target=client) for _ in range(int(connections))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = int(1e6 * (time.monotonic() - began))
    cuts = quantiles(times, n=100)
    print("RESULT", len(times), took, len(refused), len(lost), int(1e6 * cuts[49]), int(1e6 * cuts[98]))


if __name__ == "__main__":
    main(*sys.argv[1:])
