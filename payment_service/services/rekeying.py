"""Giving every row a hash by the first key: after a time without a key, or to retire an old key."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import text

from payment_service.connection import Connection
from payment_service.repositories import chain
from payment_service.services import seals
from payment_service.services.chain_making import chain_rows
from payment_service.services.dependencies import Dependencies
from payment_service.services.later_verification import Violation
from payment_service.services.verification import chain_of

# Writers wait for these locks no longer than a second: an operator stops the service first.
_LOCK = text(
    "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0;"
    " LOCK TABLE payments, transactions, idempotency_keys, payment_refunds, disputes, operator_actions, journal_seals"
    " IN SHARE ROW EXCLUSIVE MODE"
)


@dataclass(frozen=True)
class Rekeyed:
    """The number of payments with new hashes, or the violations that prevented new ones."""

    payments: int
    violations: Sequence[Violation]


def rekey(deps: Dependencies) -> Rekeyed:
    """Verify the chain, then write all hashes anew and seal everything. Raises DatabaseUnavailable."""
    violations = list(chain_of(replace(deps, journal=deps.journal.with_plain())))
    if violations:
        return Rekeyed(0, violations)
    payments = deps.database.run("rekey", _rekey, deps)
    while (sealed := seals.seal(deps)) is not None and sealed.rows == seals.MOST:
        pass
    return Rekeyed(payments, ())


def _rekey(connection: Connection, deps: Dependencies) -> int:
    connection.wait_for_ever()
    if connection.database == "postgresql":
        connection.execute(_LOCK)
    payments = sum(chain_rows(connection, deps.journal))
    chain.delete_seals(connection)
    return payments
