"""C11: the trips document's query for the hash of a key."""

import re
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from uuid import uuid4

import psycopg2
import pytest
from sqlalchemy import make_url

from tests.conftest import fresh_database
from tests.support.markdown import document
from tests.support.postgres import Postgres, plainly
from tests.support.processes import flask

DOCUMENTED = "SELECT encode(digest('demo-client-1','sha256'),'hex') AS keyhash"
HASH = sha256(b"demo-client-1").hexdigest()


def asked(url: str, query: str) -> str:
    with closing(plainly(url)) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        (found,) = cursor.fetchone() or ("",)
        return str(found)


@pytest.fixture
def name(postgres: Postgres) -> Iterator[str]:
    name = f"digest_{uuid4().hex}"
    yield name
    postgres.drop_database(name)


def test_c11_documented_query_for_a_keys_hash_works_after_the_migration(postgres: Postgres, name: str) -> None:
    """Release 1.0.0 raised "function digest(unknown, unknown) does not exist"."""
    url = fresh_database(postgres, name)
    if not asked(url, "SELECT name FROM pg_available_extensions WHERE name = 'pgcrypto'"):
        pytest.skip("this server has no pgcrypto")

    assert asked(url, DOCUMENTED) == HASH


def test_c11_role_that_may_not_add_the_extension_migrates_with_a_hint_to_sha256(postgres: Postgres, name: str) -> None:
    """The migration must not fail for a query that has another way."""
    url = postgres.create_database(name)
    role = make_url(url).set(username=name, password="of-a-test")
    with closing(postgres.connect(name)) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'of-a-test'; GRANT ALL ON SCHEMA public TO {name}")
    try:
        flask("db", "upgrade", settings={"DATABASE_URL": role.render_as_string(hide_password=False)})
        with pytest.raises(psycopg2.Error, match="digest"):
            asked(url, DOCUMENTED)
        (query,) = re.findall(r"```sql\n(.*?)```", document("docs/how-to/upgrade.md").text, re.DOTALL)

        assert asked(url, query) == HASH
        assert asked(url, "SELECT min_code FROM schema_information")
    finally:
        with closing(postgres.connect(name)) as connection, connection.cursor() as cursor:
            cursor.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")
