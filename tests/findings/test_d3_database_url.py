"""D3: parameters and hosts in DATABASE_URL.

Release 1.0.0 dropped `options` (the tables went into another schema), took `pgbouncer=true` and `schema=` and then
answered everything with 500, and refused the form of several hosts that PostgreSQL itself documents.
"""

from collections.abc import Iterator
from contextlib import closing

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.engine import make_url

from payment_service import create_app
from payment_service.config import ConfigurationError, Settings
from tests.conftest import dependencies_of, migrate
from tests.support.callers import pay_trip
from tests.support.gateways import LedgerGateway
from tests.support.postgres import Postgres, ThrowawayPostgres


def address_of(text: str) -> str:
    return Settings.from_env({"DATABASE_URL": text}).database_url


def fault_of(text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        address_of(text)
    (fault,) = caught.value.faults
    return fault


def shown(url: str, names: tuple[str, ...]) -> dict[str, str]:
    """Return the settings of a connection of a service at this address, which can charge."""
    app = create_app(Settings(database_url=url, log_level="ERROR"), gateway=LedgerGateway())
    client: FlaskClient = app.test_client()
    assert pay_trip(client).status_code == 200
    assert client.get("/health/ready").status_code == 200
    database = dependencies_of(app).database
    with database.reading() as connection:
        found = {name: str(connection.execute(text(f"SHOW {name}")).scalar()) for name in names}
    database.engine.dispose()
    return found


def test_d3_options_of_the_url_are_merged_with_those_of_the_service(postgres: Postgres) -> None:
    """The tables went into `public`, where another service had its own."""
    postgres.drop_database("with_options")
    given = make_url(postgres.create_database("with_options"))
    given = given.update_query_dict({"options": "-csearch_path=pay -cwork_mem=5MB"})
    url = address_of(given.render_as_string(hide_password=False))
    with closing(postgres.connect("with_options")) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA pay")
        migrate(url)
        cursor.execute("SELECT DISTINCT schemaname FROM pg_tables WHERE schemaname IN ('pay', 'public')")
        assert cursor.fetchall() == [("pay",)]

    assert shown(url, ("search_path", "work_mem", "lock_timeout", "timezone", "client_encoding")) == {
        "search_path": "pay",
        "work_mem": "5MB",
        "lock_timeout": "1s",
        "timezone": "UTC",
        "client_encoding": "UTF8",
    }
    postgres.drop_database("with_options")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("postgresql://u:p@h/d?pgbouncer=true&schema=mine", "pgbouncer, schema"),
        ("postgresql+asyncpg://u:p@h/d?command_timeout=5", "command_timeout"),
        ("sqlite:///file.db?pgbouncer=true", "pgbouncer"),
        ("sqlite:///file.db?mode=ro", "mode"),
        ("postgresql://u:p@h/d?sslmode=yes", "sslmode"),
        ("postgresql://u:p@h/d?sslmode=require&sslmode=disable", "sslmode"),
        ("postgresql://u:p@h/d?target_session_attrs=standby", "target_session_attrs"),
        ("postgresql://u:p@h/d?connect_timeout=soon", "connect_timeout"),
    ],
)
def test_d3_unknown_parameter_is_refused_by_name(given: str, named: str) -> None:
    """Every request was answered 500."""
    assert named in fault_of(given)
    assert fault_of(given).startswith("DATABASE_URL: ")


@pytest.mark.parametrize(
    "given", ["postgresql://u:p@h1:1,,h2:2/d", "postgresql://u:p@/d?host=h1,h2,h3&port=1,2", "postgresql://u:p@h1:x/d"]
)
def test_d3_host_without_a_name_or_port_is_refused(given: str) -> None:
    assert fault_of(given).startswith("DATABASE_URL: must ")


@pytest.mark.parametrize(
    ("given", "hosts", "ports", "wanted"),
    [
        ("postgresql://u:p@h1:1,h2:2/d?target_session_attrs=primary", "h1,h2", "1,2", "primary"),
        ("postgres://u:p%40,:@h1:1,[::1],h3:3/d", "h1,::1,h3", "1,5432,3", "read-write"),
        ("postgresql://u:p@/d?host=h1,h2&port=1,2&target_session_attrs=any", "h1,h2", "1,2", "any"),
    ],
)
def test_d3_several_hosts_select_one_that_accepts_writes(given: str, hosts: str, ports: str, wanted: str) -> None:
    """A standby that answered first was taken."""
    query = make_url(address_of(given)).query
    assert (query["host"], query["port"], query["target_session_attrs"]) == (hosts, ports, wanted)
    assert make_url(address_of(given)).username == "u"


def test_d3_hosts_in_parts_select_one_that_accepts_writes() -> None:
    url = Settings.from_env({"DB_HOST": "a,b", "DB_PORT": "5432", "DB_PASS": "x"}).database_url
    assert make_url(url).query["target_session_attrs"] == "read-write"


@pytest.fixture
def pair() -> Iterator[tuple[ThrowawayPostgres, ThrowawayPostgres]]:
    """Yield a server that is a standby, and one that takes writes."""
    with closing(ThrowawayPostgres(tcp=True)) as standby, closing(ThrowawayPostgres(tcp=True)) as primary:
        standby.create_database("several")
        standby.stop("fast")
        (standby.home / "data" / "standby.signal").touch()
        standby.start()
        yield standby, primary


def test_d3_service_finds_the_host_that_accepts_writes(pair: tuple[ThrowawayPostgres, ThrowawayPostgres]) -> None:
    standby, primary = pair
    migrate(primary.create_database("several"))
    url = address_of(f"postgresql://test@127.0.0.1:{standby.port},127.0.0.1:{primary.port}/several")

    assert shown(url, ("port", "default_transaction_isolation")) == {
        "port": str(primary.port),
        "default_transaction_isolation": "read committed",
    }
