"""A library that is large is imported only where it is used."""

import subprocess
import sys

import pytest

from tests.support.processes import ROOT, environment
from tests.unit.test_config_gateways import STRIPE


@pytest.mark.parametrize(("settings", "expected"), [({}, "False"), (STRIPE, "True")], ids=["without", "with"])
def test_stripes_library_is_imported_only_where_stripe_is_configured(settings: dict[str, str], expected: str) -> None:
    """The import would cost every process 13 MB and a third of a second."""
    program = (
        "import sys, os; from payment_service.config import Settings; "
        "from payment_service.gateways.factory import gateways_from; "
        "gateways_from(Settings.from_env(os.environ)); print('stripe' in sys.modules)"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, env=environment(**settings))
    assert done.stdout.strip() == expected
