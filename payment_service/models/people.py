"""Users of the service, and operators' sessions and actions."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, String, Table

from payment_service.db import metadata
from payment_service.models.columns import moment, one_of
from payment_service.sqltypes import Identity64

OPERATOR_ACTIONS = ("REPLAY",)
SIGN_IN_WAYS = ("PROVIDER", "TOKEN")
"""How an operator signed in: at an OpenID provider, or with a pasted token."""

users = Table(
    "users",
    metadata,
    Column("user_id", Identity64, primary_key=True),
    Column("auth_user_id", String(255), nullable=False, unique=True),
    Column("email", String(320)),
    Column("is_verified", Boolean, nullable=False),
    moment("created_at"),
    moment("updated_at"),
)

# The actions of operators: `actor` is the subject of their token.
operator_actions = Table(
    "operator_actions",
    metadata,
    Column("action_id", Identity64, primary_key=True),
    Column("action", String(20), nullable=False),
    Column("actor", String(255), nullable=False),
    Column("payment_id", ForeignKey("payments.payment_id"), nullable=False, index=True),
    Column("delivery_id", Identity64, nullable=False),
    Column("request_id", String(64)),
    # A chain of their own: the hash of the action before, and that of this one.
    Column("previous_hash", String(100)),
    Column("row_hash", String(100)),
    moment("created_at"),
    one_of("action", OPERATOR_ACTIONS),
)

# The sessions of the operations pages. `session_hash` is the SHA-256 of the cookie's value; `issued_at` is a pasted
# token's `iat`, otherwise the moment of the sign-in; `seen_at` is the last request, to the minute (None: of the release
# before). The purge deletes a row after `ends_at`.
operator_sessions = Table(
    "operator_sessions",
    metadata,
    Column("session_hash", String(64), primary_key=True),
    Column("subject", String(255), nullable=False, index=True),
    Column("way", String(10), nullable=False),
    moment("issued_at"),
    moment("began_at"),
    moment("ends_at"),
    moment("signed_out_at", nullable=True),
    moment("seen_at", nullable=True),
    one_of("way", SIGN_IN_WAYS),
    Index("ix_operator_sessions_ends_at", "ends_at"),
)

# A revocation ends the sessions of its subject that were issued until then, and refuses its older tokens. Rows stay.
operator_revocations = Table(
    "operator_revocations",
    metadata,
    Column("revocation_id", Identity64, primary_key=True),
    Column("subject", String(255), nullable=False),
    Column("actor", String(255), nullable=False),
    moment("revoked_at"),
    Index("ix_operator_revocations_subject", "subject", "revoked_at"),
)
