"""D5: the how-tos "upgrade" and "roll back, roll forward", followed step by step on databases of release 1.0.0."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
import requests
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, make_url, text

from tests.conftest import here
from tests.fixtures.application import open_app
from tests.support.how_to import Follower, steps
from tests.support.ports import free_port
from tests.support.postgres_binaries import Runner, bin_directory
from tests.support.processes import ROOT, Service
from tests.support.release_1_0_0 import SINKS, expected, load, run
from tests.support.served import is_ready
from tests.support.stored_ledger import StoredLedgerGateway
from tests.support.waiting import wait_until

UPGRADE, BACK = "docs/how-to/upgrade.md", "docs/how-to/roll-back.md"
HEAD = str(ScriptDirectory(str(here("migrations"))).get_current_head())
LATER = "9001"
"""A migration of a release that does not exist yet."""


class Machine:
    """One machine with a database of release 1.0.0, and a person who follows how-tos there."""

    def __init__(self, url: str, home: Path, programs: Path | None) -> None:
        self.url, self.home, self.port, self.verified, self.served = url, home, free_port(), 0, 0
        address = make_url(url)
        plain = address.set(drivername="postgresql") if programs else address
        settings = {"DATABASE_URL": plain.render_as_string(hide_password=False), "TMPDIR": str(home)}
        self.settings = settings | {"SERVICE_PORT": str(self.port), "DOTENV_READ": "1", "LOG_LEVEL": "WARNING"}
        instead = {"flask --app wsgi verify": self.verify, "bin/run": self.serve}
        self.reader = Follower(home, programs, self.settings, instead)

    def verify(self) -> None:
        """Run `flask verify`, beside the ledger of the gateway that release 1.0.0 used."""
        recorded = expected(make_url(self.url).get_backend_name())
        with open_app(self.url, gateway=StoredLedgerGateway(recorded["ledger"]), **SINKS) as app:
            assert run(app, "verify") == recorded["verify"]
        self.verified += 1

    def serve(self) -> None:
        """Run `bin/run`, until it has shown the metrics of the payments of release 1.0.0."""
        url = f"http://127.0.0.1:{self.port}"
        # The gateway is away, so that its worker decides no operation that release 1.0.0 has left undecided.
        settings = self.settings | {"GATEWAY_URL": "http://127.0.0.1:9"}
        with closing(Service(str(ROOT / "bin" / "run"), settings=settings)) as service:
            wait_until(lambda: is_ready(service, url), service.last_words)
            figures = requests.get(f"{url}/metrics", timeout=10).text
            made = expected(make_url(self.url).get_backend_name())["figures"]["payments_created_total"]
            assert f"payments_created_total {made}" in figures
            assert service.stop() == 0
        self.served += 1

    @contextmanager
    def database(self) -> Iterator[Callable[..., str]]:
        engine = create_engine(self.url)
        with engine.begin() as connection:
            yield lambda statement, **values: str(connection.execute(text(statement), values).scalar())
        engine.dispose()

    def revision(self) -> str:
        with self.database() as ask:
            return ask("SELECT version_num FROM alembic_version")

    def payments(self) -> str:
        with self.database() as ask:
            return ask("SELECT count(*) || ' ' || sum(payment_id) FROM payments")

    def later_release(self) -> None:
        """Migrate as a future release would: a column or table is added."""
        engine = create_engine(self.url)
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE payments ADD COLUMN of_a_later_release VARCHAR(10)"))
            connection.execute(text("UPDATE alembic_version SET version_num = :later"), {"later": LATER})
        engine.dispose()


@pytest.fixture
def machine(engine_name: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Machine]:
    """Return a machine with the rows of release 1.0.0."""
    home = tmp_path / "home"
    (home / "var").mkdir(parents=True)
    if engine_name == "sqlite":
        url = f"sqlite:///{home}/var/payments.db"
        load(url)
        yield Machine(url, home, None)
        return
    server, name = request.getfixturevalue("postgres"), f"upgraded_{uuid4().hex}"
    url = server.create_database(name)
    load(url)
    yield Machine(url, home, bin_directory(Runner.of_this_process(), tmp_path))
    server.drop_database(name)


def test_d5_steps_of_the_upgrade_lead_from_1_0_0_to_a_service_that_runs(machine: Machine) -> None:
    """In release 1.0.0 no document had the way, and a populated SQLite file could not be upgraded."""
    before, (first, *rest) = machine.payments(), steps(UPGRADE, "From 1.0.0")
    assert (machine.revision(), [step.number for step in (first, *rest)]) == ("0006", list(range(1, 9)))
    assert first.commands == ("flask --app wsgi verify",), "release 1.0.0 runs it, see the recorded answer"
    machine.reader.follow(*rest)

    assert (machine.revision(), machine.payments(), machine.verified, machine.served) == (HEAD, before, 1, 1)
    kinds = {command.split()[0] for command in machine.reader.done}
    assert kinds == {"flask", "bin/run"} | ({"pg_dump", "psql"} if "postgresql" in machine.url else {"mkdir"})


def test_d5_steps_back_and_forward_keep_every_payment(machine: Machine) -> None:
    """Release 1.0.0 could not start on the tables of a release after it."""
    machine.reader.follow(*steps(UPGRADE, "Any release after 1.0.0"))
    before = machine.payments()
    machine.later_release()
    machine.reader.follow(*steps(BACK, "Roll back"))
    assert (machine.revision(), machine.payments(), machine.served) == (LATER, before, 1)
    machine.reader.follow(*steps(BACK, "Roll forward"))

    assert (machine.revision(), machine.payments(), machine.served) == (LATER, before, 2)
    assert machine.verified == 3


def test_d5_steps_of_the_back_up_lead_back_to_1_0_0(machine: Machine) -> None:
    """The way back over the one migration that is one-way."""
    before = machine.payments()
    machine.reader.follow(*steps(UPGRADE, "From 1.0.0")[1:5])
    assert machine.revision() == HEAD
    machine.reader.follow(*steps(BACK, "Restore the back-up"))

    assert (machine.revision(), machine.payments()) == ("0006", before)
