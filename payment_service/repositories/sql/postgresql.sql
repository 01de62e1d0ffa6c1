-- The statements of a charge and of what follows it, as PostgreSQL runs them. `:name` is a parameter; each statement is
-- prepared once per connection. To see a plan: replace the parameters and put EXPLAIN (ANALYZE, BUFFERS) before it.
-- Every statement names the column by which its table would be spread: key_hash, payment_id, or a reservation's value.
-- Times are the database's own, so that the leases of several hosts are judged by one clock.

-- name: claim_key
-- Insert the key with its operation, or find the response of a finished one without a lock. Neither: it is running.
-- A new payment has no number yet: the next one is drawn. `lost`: what the gateway calls a movement that a restore lost.
WITH found AS (
    SELECT key_id, fingerprint, payment_id, owner, response_status, response_data,
        expires_at <= clock_timestamp() AS expired
    FROM idempotency_keys
    WHERE key_hash = :key_hash AND channel = :channel AND subject = :subject AND response_status IS NOT NULL
), made AS (
    INSERT INTO idempotency_keys (
        channel, subject, key_hash, is_client_key, request_path, response_format, fingerprint, payment_id,
        operation_id, kind, amount, currency, operation_status, gateway_key, purpose, terms, row_hash, owner, fence,
        attempts, leased_until, expires_at, created_at, updated_at
    )
    SELECT
        :channel, :subject, :key_hash, :is_client_key, :request_path, :response_format, :fingerprint,
        coalesce(CAST(:payment_id AS bigint), nextval('payments_payment_id_seq')),
        :operation_id, :kind, :amount, :currency, :operation_status, :gateway_key, :purpose, :terms, :row_hash, :owner,
        1, 1,
        statement_timestamp() + make_interval(secs => :lease),
        statement_timestamp() + make_interval(secs => :ttl), :created_at, :created_at
    WHERE NOT EXISTS (SELECT FROM found)
    ON CONFLICT DO NOTHING
    RETURNING key_id, payment_id
)
SELECT made.key_id, made.payment_id, lost.reference AS lost, found.*
FROM (SELECT 1) AS one LEFT JOIN made ON true LEFT JOIN found ON true LEFT JOIN (
    SELECT coalesce(reference, '') AS reference FROM lost_movements WHERE gateway_key = :gateway_key
) AS lost ON true;

-- name: find_key
-- A key as it stands.
SELECT key_id, channel, subject, key_hash, is_client_key, request_path, response_format, fingerprint, payment_id,
    operation_id, kind, amount, currency, operation_status, gateway_key, parent_key, gateway_reference,
    failure_message, review_reason, purpose, terms, action, cancel_asked, resend, owner, fence, attempts,
    leased_until, response_status, response_data, created_at,
    leased_until > clock_timestamp() AS leased,
    expires_at <= clock_timestamp() AS expired,
    clock_timestamp() AS looked_at
FROM idempotency_keys
WHERE key_hash = :key_hash AND channel = :channel AND subject = :subject;

-- name: lock_key
-- A key that exists, for a decision about it.
SELECT key_id, channel, subject, key_hash, is_client_key, request_path, response_format, fingerprint, payment_id,
    operation_id, kind, amount, currency, operation_status, gateway_key, parent_key, gateway_reference,
    failure_message, review_reason, purpose, terms, action, cancel_asked, resend, owner, fence, attempts,
    leased_until, response_status, response_data, created_at,
    leased_until > clock_timestamp() AS leased,
    expires_at <= clock_timestamp() AS expired,
    clock_timestamp() AS looked_at
FROM idempotency_keys
WHERE key_hash = :key_hash AND channel = :channel AND subject = :subject
FOR UPDATE;

-- name: lock_key_by_id
-- An abandoned key that nobody else is working on.
SELECT key_id, channel, subject, key_hash, is_client_key, request_path, response_format, fingerprint, payment_id,
    operation_id, kind, amount, currency, operation_status, gateway_key, parent_key, gateway_reference,
    failure_message, review_reason, purpose, terms, action, cancel_asked, resend, owner, fence, attempts,
    leased_until, response_status, response_data, created_at,
    leased_until > clock_timestamp() AS leased,
    expires_at <= clock_timestamp() AS expired,
    clock_timestamp() AS looked_at
FROM idempotency_keys
WHERE key_id = :key_id AND key_hash = :key_hash
FOR UPDATE SKIP LOCKED;

-- name: lock_key_of_operation
-- The unfinished key of an operation.
SELECT key_id, channel, subject, key_hash, is_client_key, request_path, response_format, fingerprint, payment_id,
    operation_id, kind, amount, currency, operation_status, gateway_key, parent_key, gateway_reference,
    failure_message, review_reason, purpose, terms, action, cancel_asked, resend, owner, fence, attempts,
    leased_until, response_status, response_data, created_at,
    leased_until > clock_timestamp() AS leased,
    expires_at <= clock_timestamp() AS expired,
    clock_timestamp() AS looked_at
FROM idempotency_keys
WHERE operation_id = :operation_id AND key_hash = :key_hash AND response_status IS NULL
FOR UPDATE;

-- name: take_over_key
-- A new owner under a new fence; the caller holds the row's lock.
UPDATE idempotency_keys
SET owner = :owner, fence = fence + 1, attempts = attempts + 1,
    leased_until = statement_timestamp() + make_interval(secs => :lease)
WHERE key_id = :key_id AND key_hash = :key_hash
RETURNING fence;

-- name: release_key
-- End the lease now.
UPDATE idempotency_keys
SET leased_until = statement_timestamp(),
    review_reason = nullif(coalesce(CAST(:review_reason AS text), review_reason), ''),
    updated_at = :updated_at
WHERE key_id = :key_id AND key_hash = :key_hash;

-- name: end_lease
-- The owner is gone, or gives up. Nobody else has its name.
UPDATE idempotency_keys SET leased_until = statement_timestamp()
WHERE key_hash = :key_hash AND owner = :owner AND response_status IS NULL
RETURNING key_id;

-- name: lock_claim
-- What an owner must know before it completes: key first, then payment, one row of each.
WITH key AS MATERIALIZED (
    SELECT fence, attempts, response_status, response_data, cancel_asked,
        is_client_key AND expires_at > clock_timestamp() AS keeps_response
    FROM idempotency_keys
    WHERE key_id = :key_id AND key_hash = :key_hash
    FOR UPDATE
), payment AS MATERIALIZED (
    SELECT version, journal_hash FROM payments WHERE payment_id = :payment_id FOR NO KEY UPDATE
)
SELECT key.*, payment.version, payment.journal_hash FROM key LEFT JOIN payment ON true;

-- name: lock_payment
-- A payment, locked against every other change; rows that refer to it can still be inserted.
SELECT payment_id, public_id, channel, subject, payable_id, customer_id, amount, currency, method, status, version,
    authorized_amount, captured_amount, refunded_amount, refund_pending_amount, reference, transaction_id,
    payment_intent_id, authorization_code, gateway_response, failure_code, metadata, caller_reference, charge_key,
    gateway, created_at, updated_at, completed_at, authorized_at, captured_at, refunded_at, hold_expires_at,
    charge_reference, disputed_amount, charged_back_amount, idempotency_hash, journal_hash
FROM payments
WHERE payment_id = :payment_id
FOR NO KEY UPDATE;

-- name: lock_payment_for_recovery
-- The same for recovery, which passes over a payment that somebody is working on.
SELECT payment_id, public_id, channel, subject, payable_id, customer_id, amount, currency, method, status, version,
    authorized_amount, captured_amount, refunded_amount, refund_pending_amount, reference, transaction_id,
    payment_intent_id, authorization_code, gateway_response, failure_code, metadata, caller_reference, charge_key,
    gateway, created_at, updated_at, completed_at, authorized_at, captured_at, refunded_at, hold_expires_at,
    charge_reference, disputed_amount, charged_back_amount, idempotency_hash, journal_hash
FROM payments
WHERE payment_id = :payment_id
FOR NO KEY UPDATE SKIP LOCKED;

-- name: lock_payment_for_refund
-- The same, with the number of the refund about to be made.
WITH payment AS MATERIALIZED (
    SELECT payment_id, public_id, channel, subject, payable_id, customer_id, amount, currency, method, status, version,
        authorized_amount, captured_amount, refunded_amount, refund_pending_amount, reference, transaction_id,
        payment_intent_id, authorization_code, gateway_response, failure_code, metadata, caller_reference, charge_key,
        gateway, created_at, updated_at, completed_at, authorized_at, captured_at, refunded_at, hold_expires_at,
        charge_reference, disputed_amount, charged_back_amount, idempotency_hash, journal_hash
    FROM payments
    WHERE payment_id = :payment_id
    FOR NO KEY UPDATE
)
SELECT payment.*, nextval('payment_refunds_refund_id_seq') AS refund_id FROM payment;

-- name: insert_delivery
-- An event on its way to one sink, due at once by the clock that judges it.
INSERT INTO outbox_deliveries (
    payment_id, event_id, event_type, version, sink, stream, message_key, method, path, body, request_id, traceparent,
    status, attempts, due_at, created_at
) VALUES (
    :payment_id, :event_id, :event_type, :version, :sink, :stream, :message_key, :method, :path, :body, :request_id,
    :traceparent, 'PENDING', 0, statement_timestamp(), :created_at
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
    statement_timestamp(), statement_timestamp(), :created_at, :created_at, :review_reason
)
RETURNING key_id;

-- name: set_timer
-- When the worker looks at something, in seconds from now by the database's clock: a host's may be wrong.
INSERT INTO timers (kind, what, attempts, due_at)
VALUES (:kind, :what, :attempts, statement_timestamp() + make_interval(secs => :delay))
ON CONFLICT (kind, what) DO UPDATE SET attempts = excluded.attempts, due_at = excluded.due_at;

-- name: insert_notice
-- A gateway's notice, due at once; none where it is stored already.
INSERT INTO gateway_notices (gateway, event_id, type, gateway_key, reference, content, attempts, received_at, due_at)
VALUES (:gateway, :event_id, :type, :gateway_key, :reference, :content, 0, statement_timestamp(), statement_timestamp())
ON CONFLICT DO NOTHING
RETURNING notice_id;

-- name: lock_watermark
-- A watermark, its row locked; none where somebody else has locked it.
SELECT value, look, open_transactions FROM watermarks WHERE name = :name
FOR UPDATE SKIP LOCKED;
