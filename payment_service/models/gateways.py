"""Gateways' own reports: notices, disputes, and the results of comparing with their lists."""

from sqlalchemy import Boolean, Column, Index, Integer, String, Table, Text, UniqueConstraint

from payment_service.db import metadata
from payment_service.domain.disputes import DisputeStatus
from payment_service.models.columns import moment, money, one_of, partial
from payment_service.sqltypes import Identity64

# Notices of a gateway, each stored once. They wake a look-up and decide nothing; at `due_at` the worker looks at one,
# NULL once it is handled. `content` is kept only if the gateway cannot be asked.
gateway_notices = Table(
    "gateway_notices",
    metadata,
    Column("notice_id", Identity64, primary_key=True),
    Column("gateway", String(40), nullable=False),
    Column("event_id", String(255), nullable=False),
    Column("type", String(100), nullable=False),
    Column("gateway_key", String(64)),
    Column("reference", String(255)),
    Column("content", Text),
    Column("attempts", Integer, nullable=False),
    moment("received_at"),
    moment("due_at", nullable=True),
    UniqueConstraint("gateway", "event_id"),
    partial("ix_gateway_notices_due", "due_at", where="due_at IS NOT NULL"),
    Index("ix_gateway_notices_gateway_key", "gateway_key"),
)

disputes = Table(
    "disputes",
    metadata,
    Column("dispute_id", Identity64, primary_key=True),
    Column("gateway", String(40), nullable=False),
    Column("reference", String(255), nullable=False),
    Column("payment_id", Identity64, nullable=False),
    money("amount"),
    Column("currency", String(3), nullable=False),
    Column("reason", String(100)),
    Column("status", String(20), nullable=False),
    # The gateway's own status, which is finer than ours.
    Column("gateway_status", String(40), nullable=False),
    moment("evidence_due_at", nullable=True),
    Column("row_hash", String(100)),
    moment("created_at"),
    moment("updated_at"),
    one_of("status", DisputeStatus),
    UniqueConstraint("gateway", "reference"),
    Index("ix_disputes_payment_id", "payment_id"),
    partial("ix_disputes_open", "created_at", where="status = 'OPEN'"),
)

reconciliations = Table(
    "reconciliations",
    metadata,
    Column("reconciliation_id", Identity64, primary_key=True),
    Column("gateway", String(40), nullable=False),
    moment("since"),
    moment("until"),
    Column("movements", Integer, nullable=False),
    Column("differences", Integer, nullable=False),
    Column("is_complete", Boolean, nullable=False),
    moment("finished_at"),
)

# Movements that a gateway lists and a restored back-up does not have, or has not as done: a repeat adopts them.
lost_movements = Table(
    "lost_movements",
    metadata,
    Column("gateway_key", String(64), primary_key=True),
    Column("gateway", String(40), nullable=False),
    Column("kind", String(20), nullable=False),
    money("amount"),
    Column("currency", String(3), nullable=False),
    Column("reference", String(255)),
    moment("created_at"),
)
