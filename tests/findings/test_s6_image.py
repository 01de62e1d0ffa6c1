"""An image and Compose start as production. Those of release 1.0.0 started as development, with a public secret."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_s6_image_defaults_to_production_and_make_run_to_development() -> None:
    image = (ROOT / "Dockerfile").read_text()
    compose = (ROOT / "docker-compose.yml").read_text()

    assert re.search(r"^\s+ENVIRONMENT=production\b", image, re.MULTILINE)
    assert "ENVIRONMENT: ${ENVIRONMENT:-production}" in compose
    assert "ENVIRONMENT=$${ENVIRONMENT:-development} bin/run" in (ROOT / "Makefile").read_text()
    assert not re.search(r"^ENVIRONMENT=", (ROOT / ".env.example").read_text(), re.MULTILINE)
