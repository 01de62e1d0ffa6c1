"""What a key made is found by the key's hash first: at the same cost however many payments its caller has.

Revision: 0006, after 0005
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

OLD, NEW = ("channel", "subject", "idempotency_hash"), ("idempotency_hash", "channel", "subject")


def upgrade() -> None:
    """Apply."""
    _exchange(OLD, NEW)


def downgrade() -> None:
    """Take back."""
    _exchange(NEW, OLD)


def _exchange(before: tuple[str, ...], after: tuple[str, ...]) -> None:
    with op.batch_alter_table("payments") as payments:
        payments.drop_constraint(op.f(f"uq_payments_{'_'.join(before)}"), type_="unique")
        payments.create_unique_constraint(op.f(f"uq_payments_{'_'.join(after)}"), list(after))
