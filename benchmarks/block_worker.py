"""Charges in blocks for `benchmarks.blocks`: it runs in a tree of any release, and imports only that tree's package.

`python block_worker.py TOKEN CHARGES`, with the settings in the environment and the tree first in PYTHONPATH. For each
line on standard input it makes one block of charges, and prints the CPU seconds of this process.
"""

import json
import os
import sys
import time
from io import BytesIO
from typing import Any
from uuid import uuid4

from werkzeug.test import EnvironBuilder, run_wsgi_app

from payment_service import create_app
from payment_service.config import Settings


def main(token: str, charges: int) -> None:
    """Make a block for each line."""
    app = create_app(Settings.from_env(os.environ)).wsgi_app
    body = {"idempotency_key": "0" * 32, "trip_id": 7, "method": "CARD", "amount": 150.0}
    builder = EnvironBuilder("/payments", method="POST", json=body, headers={"Authorization": f"Bearer {token}"})
    environ, template = builder.get_environ(), json.dumps(body).encode()
    for _ in sys.stdin:
        asked = [_environ(environ, template.replace(b"0" * 32, uuid4().hex.encode())) for _ in range(charges)]
        began = time.process_time()
        for each in asked:
            told, status, _ = run_wsgi_app(app, each, buffered=True)
            if status != "200 OK":
                raise RuntimeError(b"".join(told))
        print(time.process_time() - began, flush=True)


def _environ(environ: dict[str, Any], body: bytes) -> dict[str, Any]:
    return {**environ, "wsgi.input": BytesIO(body)}


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
