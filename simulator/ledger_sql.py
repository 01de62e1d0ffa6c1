"""The SQL of the simulator's ledger."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS operations (
    id INTEGER PRIMARY KEY,
    gateway_key TEXT NOT NULL,
    kind TEXT NOT NULL,
    parent_key TEXT,
    content TEXT NOT NULL,           -- of the instruction, for comparison with a resend
    status TEXT NOT NULL CHECK (status IN ('approved', 'declined', 'pending')),
    lookups_left INTEGER,            -- look-ups that a pending operation still answers with "pending"
    amount TEXT NOT NULL,            -- what moves: decimal text, because SQLite's NUMERIC is a float
    currency TEXT NOT NULL,
    reference TEXT,
    authorization_code TEXT,
    code TEXT,                       -- of the refusal; a pending operation that has one will be declined
    message TEXT,
    object_id TEXT                   -- of the Stripe object that it belongs to; two of those may name one gateway key
);
CREATE INDEX IF NOT EXISTS operations_parent ON operations (parent_key);
CREATE TABLE IF NOT EXISTS registrations (
    reference TEXT PRIMARY KEY,
    register_key TEXT NOT NULL UNIQUE,
    gateway_key TEXT NOT NULL,
    kind TEXT NOT NULL,
    status TEXT NOT NULL             -- registered, cancelled
);
CREATE TABLE IF NOT EXISTS effects (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    operation_id INTEGER NOT NULL UNIQUE REFERENCES operations (id),
    created_at TEXT NOT NULL DEFAULT ''   -- UTC; a ledger of an earlier release does not say
);
"""
MANY_PER_KEY = "CREATE INDEX IF NOT EXISTS operations_keys ON operations (gateway_key);"
ONE_PER_KEY = """
CREATE UNIQUE INDEX IF NOT EXISTS operations_one_per_key ON operations (gateway_key) WHERE object_id IS NULL;
DROP INDEX IF EXISTS operations_key;
"""

# An approved operation first: without idempotent keys the money that moved counts.
FIND = "SELECT * FROM operations WHERE gateway_key = ? ORDER BY status = 'approved' DESC, id DESC LIMIT 1"
CHILDREN = "SELECT kind, status, amount FROM operations WHERE parent_key = ? AND code IS NULL"
INSERT = """
INSERT INTO operations (gateway_key, kind, parent_key, content, status, lookups_left, amount, currency, reference,
                        authorization_code, code, message, object_id)
VALUES (:gateway_key, :kind, :parent_key, :content, :status, :lookups_left, :amount, :currency, :reference,
        :authorization_code, :code, :message, :object_id)
"""
EFFECTS = """
SELECT e.id, o.gateway_key, o.kind, o.amount, o.currency, o.reference, o.parent_key, e.created_at
  FROM effects e JOIN operations o ON o.id = e.operation_id
 WHERE e.id > :after AND e.created_at >= :since AND e.created_at < :until ORDER BY e.id LIMIT :limit
"""
