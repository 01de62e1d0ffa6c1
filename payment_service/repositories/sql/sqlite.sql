-- The statements of a charge and of what follows it, as SQLite runs them. `:name` is a parameter.
-- BEGIN IMMEDIATE takes the database's write lock, which stands for the row locks that PostgreSQL takes.
-- Amounts are integers of thousandths, times are UTC texts.

-- name: claim_key
-- Insert the key with its operation. A new payment has no number yet: it gets the next one.
INSERT INTO idempotency_keys (
        channel, subject, key_hash, is_client_key, request_path, response_format, fingerprint, payment_id,
        operation_id, kind, amount, currency, operation_status, gateway_key, purpose, terms, row_hash, owner, fence,
        attempts, leased_until, expires_at, created_at, updated_at
)
SELECT
        :channel, :subject, :key_hash, :is_client_key, :request_path, :response_format, :fingerprint,
        coalesce(:payment_id, 1 + coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'payments'), 0)),
        :operation_id, :kind, :amount, :currency, :operation_status, :gateway_key, :purpose, :terms, :row_hash, :owner,
        1, 1,
        strftime('%Y-%m-%d %H:%M:%f000', 'now', :lease || ' seconds'),
        strftime('%Y-%m-%d %H:%M:%f000', 'now', :ttl || ' seconds'), :created_at, :created_at
WHERE true
ON CONFLICT DO NOTHING
RETURNING key_id, payment_id,
    (SELECT coalesce(reference, '') FROM lost_movements WHERE lost_movements.gateway_key = :gateway_key);

-- name: find_finished_key
-- The response of a finished key.
SELECT key_id, fingerprint, payment_id, owner, response_status, response_data,
    expires_at <= strftime('%Y-%m-%d %H:%M:%f000', 'now') AS expired
FROM idempotency_keys
WHERE key_hash = :key_hash AND channel = :channel AND subject = :subject AND response_status IS NOT NULL;

-- name: find_key
-- A key as it stands.
SELECT key_id, channel, subject, key_hash, is_client_key, request_path, response_format, fingerprint, payment_id,
    operation_id, kind, amount, currency, operation_status, gateway_key, parent_key, gateway_reference,
    failure_message, review_reason, purpose, terms, action, cancel_asked, resend, owner, fence, attempts,
    leased_until, response_status, response_data, created_at,
    leased_until > strftime('%Y-%m-%d %H:%M:%f000', 'now') AS leased,
    expires_at <= strftime('%Y-%m-%d %H:%M:%f000', 'now') AS expired,
    strftime('%Y-%m-%d %H:%M:%f000', 'now') AS looked_at
FROM idempotency_keys
WHERE key_hash = :key_hash AND channel = :channel AND subject = :subject;

-- name: lock_key
-- A key that exists, for a decision about it.
SELECT key_id, channel, subject, key_hash, is_client_key, request_path, response_format, fingerprint, payment_id,
    operation_id, kind, amount, currency, operation_status, gateway_key, parent_key, gateway_reference,
    failure_message, review_reason, purpose, terms, action, cancel_asked, resend, owner, fence, attempts,
    leased_until, response_status, response_data, created_at,
    leased_until > strftime('%Y-%m-%d %H:%M:%f000', 'now') AS leased,
    expires_at <= strftime('%Y-%m-%d %H:%M:%f000', 'now') AS expired,
    strftime('%Y-%m-%d %H:%M:%f000', 'now') AS looked_at
FROM idempotency_keys
WHERE key_hash = :key_hash AND channel = :channel AND subject = :subject;

-- name: lock_key_by_id
-- An abandoned key that nobody else is working on.
SELECT key_id, channel, subject, key_hash, is_client_key, request_path, response_format, fingerprint, payment_id,
    operation_id, kind, amount, currency, operation_status, gateway_key, parent_key, gateway_reference,
    failure_message, review_reason, purpose, terms, action, cancel_asked, resend, owner, fence, attempts,
    leased_until, response_status, response_data, created_at,
    leased_until > strftime('%Y-%m-%d %H:%M:%f000', 'now') AS leased,
    expires_at <= strftime('%Y-%m-%d %H:%M:%f000', 'now') AS expired,
    strftime('%Y-%m-%d %H:%M:%f000', 'now') AS looked_at
FROM idempotency_keys
WHERE key_id = :key_id AND key_hash = :key_hash;

-- name: lock_key_of_operation
-- The unfinished key of an operation.
SELECT key_id, channel, subject, key_hash, is_client_key, request_path, response_format, fingerprint, payment_id,
    operation_id, kind, amount, currency, operation_status, gateway_key, parent_key, gateway_reference,
    failure_message, review_reason, purpose, terms, action, cancel_asked, resend, owner, fence, attempts,
    leased_until, response_status, response_data, created_at,
    leased_until > strftime('%Y-%m-%d %H:%M:%f000', 'now') AS leased,
    expires_at <= strftime('%Y-%m-%d %H:%M:%f000', 'now') AS expired,
    strftime('%Y-%m-%d %H:%M:%f000', 'now') AS looked_at
FROM idempotency_keys
WHERE operation_id = :operation_id AND key_hash = :key_hash AND response_status IS NULL;

-- name: take_over_key
-- A new owner under a new fence; the caller holds the row's lock.
UPDATE idempotency_keys
SET owner = :owner, fence = fence + 1, attempts = attempts + 1,
    leased_until = strftime('%Y-%m-%d %H:%M:%f000', 'now', :lease || ' seconds')
WHERE key_id = :key_id AND key_hash = :key_hash
RETURNING fence;

-- name: release_key
-- End the lease now.
UPDATE idempotency_keys
SET leased_until = strftime('%Y-%m-%d %H:%M:%f000', 'now'),
    review_reason = nullif(coalesce(CAST(:review_reason AS text), review_reason), ''),
    updated_at = :updated_at
WHERE key_id = :key_id AND key_hash = :key_hash;

-- name: end_lease
-- The owner is gone, or gives up. Nobody else has its name.
UPDATE idempotency_keys SET leased_until = strftime('%Y-%m-%d %H:%M:%f000', 'now')
WHERE key_hash = :key_hash AND owner = :owner AND response_status IS NULL
RETURNING key_id;

-- name: lock_claim
-- What an owner must know before it completes.
SELECT fence, attempts, response_status, response_data, cancel_asked,
    is_client_key AND expires_at > strftime('%Y-%m-%d %H:%M:%f000', 'now') AS keeps_response,
    (SELECT version FROM payments WHERE payment_id = :payment_id) AS version,
    (SELECT journal_hash FROM payments WHERE payment_id = :payment_id) AS journal_hash
FROM idempotency_keys
WHERE key_id = :key_id AND key_hash = :key_hash;

-- name: lock_payment
-- A payment, locked against every other change; rows that refer to it can still be inserted.
SELECT payment_id, public_id, channel, subject, payable_id, customer_id, amount, currency, method, status, version,
    authorized_amount, captured_amount, refunded_amount, refund_pending_amount, reference, transaction_id,
    payment_intent_id, authorization_code, gateway_response, failure_code, metadata, caller_reference, charge_key,
    gateway, created_at, updated_at, completed_at, authorized_at, captured_at, refunded_at, hold_expires_at,
    charge_reference, disputed_amount, charged_back_amount, idempotency_hash, journal_hash
FROM payments
WHERE payment_id = :payment_id;

-- name: lock_payment_for_recovery
-- The same for recovery, which passes over a payment that somebody is working on.
SELECT payment_id, public_id, channel, subject, payable_id, customer_id, amount, currency, method, status, version,
    authorized_amount, captured_amount, refunded_amount, refund_pending_amount, reference, transaction_id,
    payment_intent_id, authorization_code, gateway_response, failure_code, metadata, caller_reference, charge_key,
    gateway, created_at, updated_at, completed_at, authorized_at, captured_at, refunded_at, hold_expires_at,
    charge_reference, disputed_amount, charged_back_amount, idempotency_hash, journal_hash
FROM payments
WHERE payment_id = :payment_id;

-- name: lock_payment_for_refund
-- The same, with the number of the refund about to be made.
SELECT payment_id, public_id, channel, subject, payable_id, customer_id, amount, currency, method, status, version,
    authorized_amount, captured_amount, refunded_amount, refund_pending_amount, reference, transaction_id,
    payment_intent_id, authorization_code, gateway_response, failure_code, metadata, caller_reference, charge_key,
    gateway, created_at, updated_at, completed_at, authorized_at, captured_at, refunded_at, hold_expires_at,
    charge_reference, disputed_amount, charged_back_amount, idempotency_hash, journal_hash,
    1 + coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'payment_refunds'), 0) AS refund_id
FROM payments
WHERE payment_id = :payment_id;

-- name: insert_delivery
-- An event on its way to one sink, due at once by the clock that judges it.
INSERT INTO outbox_deliveries (
    payment_id, event_id, event_type, version, sink, stream, message_key, method, path, body, request_id, traceparent,
    status, attempts, due_at, created_at
) VALUES (
    :payment_id, :event_id, :event_type, :version, :sink, :stream, :message_key, :method, :path, :body, :request_id,
    :traceparent, 'PENDING', 0, strftime('%Y-%m-%d %H:%M:%f000', 'now'), :created_at
);

-- name: insert_reversal_key
-- The operation that gives late money back: no request asks for it, and recovery is its first owner.
INSERT INTO idempotency_keys (
    channel, subject, key_hash, is_client_key, request_path, response_format, fingerprint, payment_id, operation_id,
    kind, amount, currency, operation_status, gateway_key, parent_key, purpose, row_hash, owner, fence, attempts,
    leased_until, expires_at, created_at, updated_at, review_reason
) VALUES (
    :channel, :subject, :key_hash, :is_client_key, :request_path, :response_format, '', :payment_id, :operation_id,
    :kind, :amount, :currency, :operation_status, :gateway_key, :parent_key, :purpose, :row_hash, '', 0, 0,
    strftime('%Y-%m-%d %H:%M:%f000', 'now'), strftime('%Y-%m-%d %H:%M:%f000', 'now'), :created_at, :created_at, :review_reason
)
RETURNING key_id;

-- name: set_timer
-- When the worker looks at something, in seconds from now by the database's clock: a host's may be wrong.
INSERT INTO timers (kind, what, attempts, due_at)
VALUES (:kind, :what, :attempts, strftime('%Y-%m-%d %H:%M:%f000', 'now', :delay || ' seconds'))
ON CONFLICT (kind, what) DO UPDATE SET attempts = excluded.attempts, due_at = excluded.due_at;

-- name: insert_notice
-- A gateway's notice, due at once; none where it is stored already.
INSERT INTO gateway_notices (gateway, event_id, type, gateway_key, reference, content, attempts, received_at, due_at)
VALUES (:gateway, :event_id, :type, :gateway_key, :reference, :content, 0,
    strftime('%Y-%m-%d %H:%M:%f000', 'now'), strftime('%Y-%m-%d %H:%M:%f000', 'now'))
ON CONFLICT DO NOTHING
RETURNING notice_id;

-- name: lock_watermark
-- A watermark, its row locked; none where somebody else has locked it.
SELECT value, look, open_transactions FROM watermarks WHERE name = :name;
