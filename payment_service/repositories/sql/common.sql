-- Statements that PostgreSQL and SQLite run alike, of a charge and of what follows it. Those that differ are in the
-- files named after the two. `:name` is a parameter.

-- name: adopt_key
-- Give its own hash to a key of which a migration knew the gateway key only: until then its hash is a placeholder.
UPDATE idempotency_keys
SET key_hash = :key_hash, channel = :channel, subject = :subject, is_client_key = :is_client_key
WHERE gateway_key = :gateway_key;

-- name: find_hash_by_id
-- By the number of a key, its hash, by which it is locked.
SELECT key_hash FROM idempotency_keys WHERE key_id = :key_id;

-- name: find_hash_of_operation
-- The same for the unfinished key of an operation.
SELECT key_hash FROM idempotency_keys WHERE operation_id = :operation_id AND response_status IS NULL;

-- name: set_key_hash
-- The hash of a key that has changed.
UPDATE idempotency_keys SET row_hash = :row_hash WHERE key_id = :key_id AND key_hash = :key_hash;

-- name: set_operation
-- What an operation on an existing payment moves, known once the payment is locked.
UPDATE idempotency_keys
SET amount = :amount, currency = :currency, parent_key = :parent_key, row_hash = :row_hash
WHERE key_id = :key_id AND key_hash = :key_hash;

-- name: release_key_as_of
-- End the lease at a moment in the past: an owner that sent nothing leaves the end of the lease before its own.
UPDATE idempotency_keys
SET leased_until = :ended_at, review_reason = nullif(coalesce(CAST(:review_reason AS text), review_reason), ''),
    updated_at = :updated_at
WHERE key_id = :key_id AND key_hash = :key_hash;

-- name: complete_operation
-- The gateway decided: the operation's outcome, and the response as sent where it is kept.
UPDATE idempotency_keys
SET operation_status = :operation_status, gateway_reference = :gateway_reference,
    failure_message = :failure_message, review_reason = :review_reason, purpose = :purpose, terms = NULL, action = NULL,
    response_status = :response_status, response_data = :response_data, row_hash = :row_hash,
    response_hash = :response_hash, updated_at = :updated_at
WHERE key_id = :key_id AND key_hash = :key_hash;

-- name: store_response
-- The response to a request that asked nothing of the gateway.
UPDATE idempotency_keys
SET response_status = :response_status, response_data = :response_data, row_hash = :row_hash,
    response_hash = :response_hash, updated_at = :updated_at
WHERE key_id = :key_id AND key_hash = :key_hash;

-- name: store_refusal
-- The response to a request that the payment's state refused: the key made nothing.
UPDATE idempotency_keys
SET payment_id = NULL, operation_id = NULL, kind = NULL, amount = NULL, currency = NULL, operation_status = NULL,
    gateway_key = NULL, purpose = NULL, terms = NULL, response_status = :response_status,
    response_data = :response_data, row_hash = :row_hash, response_hash = :response_hash, updated_at = :updated_at
WHERE key_id = :key_id AND key_hash = :key_hash;

-- name: note_reference
-- The id of the object that the gateway has made: from now on an owner may confirm it. Only under the fence.
UPDATE idempotency_keys SET gateway_reference = :gateway_reference, row_hash = :row_hash
WHERE key_id = :key_id AND key_hash = :key_hash AND fence = :fence AND response_status IS NULL
RETURNING key_id;

-- name: note_cancel
-- Why the gateway is to cancel the operation: before any cancel is sent. Only under the fence; the first reason stays.
UPDATE idempotency_keys SET cancel_asked = coalesce(cancel_asked, :cancel_asked)
WHERE key_id = :key_id AND key_hash = :key_hash AND fence = :fence AND response_status IS NULL
RETURNING key_id;

-- name: note_resend
-- How many send keys the gateway has spent: before the next one is used. Only under the fence.
UPDATE idempotency_keys SET resend = :resend
WHERE key_id = :key_id AND key_hash = :key_hash AND fence = :fence AND response_status IS NULL
RETURNING key_id;

-- name: ask_to_cancel
-- Why the owner of a key is to cancel its operation at the gateway. The caller holds the row's lock.
UPDATE idempotency_keys SET cancel_asked = coalesce(cancel_asked, :cancel_asked)
WHERE key_id = :key_id AND key_hash = :key_hash;

-- name: ask_to_cancel_charge
-- The same for a payment's charge that is not decided, whoever works on it.
UPDATE idempotency_keys SET cancel_asked = coalesce(cancel_asked, :cancel_asked)
WHERE payment_id = :payment_id AND kind IN ('charge', 'authorize') AND response_status IS NULL
RETURNING key_id;

-- name: set_action
-- What the customer must do before the gateway decides.
UPDATE idempotency_keys SET action = :action
WHERE key_id = :key_id AND key_hash = :key_hash;

-- name: find_payment
-- A payment as it stands.
SELECT payment_id, public_id, channel, subject, payable_id, customer_id, amount, currency, method, status, version,
    authorized_amount, captured_amount, refunded_amount, refund_pending_amount, reference, transaction_id,
    payment_intent_id, authorization_code, gateway_response, failure_code, metadata, caller_reference, charge_key,
    gateway, created_at, updated_at, completed_at, authorized_at, captured_at, refunded_at, hold_expires_at,
    charge_reference, disputed_amount, charged_back_amount, idempotency_hash, journal_hash
FROM payments
WHERE payment_id = :payment_id;

-- name: insert_payment
-- A new payment. What is known only later is NULL.
INSERT INTO payments (
    payment_id, public_id, channel, subject, payable_id, customer_id, amount, currency, method, status, version,
    authorized_amount, captured_amount, refunded_amount, refund_pending_amount, reference, transaction_id, metadata,
    idempotency_hash, charge_key, gateway, journal_hash, state_hash, created_at, updated_at
) VALUES (
    :payment_id, :public_id, :channel, :subject, :payable_id, :customer_id, :amount, :currency, :method, :status, 1,
    0, 0, 0, 0, :reference, :transaction_id, :metadata,
    :idempotency_hash, :charge_key, :gateway, :journal_hash, :state_hash, :created_at, :created_at
);

-- name: update_payment
-- Everything about a payment that a change may change.
UPDATE payments
SET status = :status, version = :version, authorized_amount = :authorized_amount, captured_amount = :captured_amount,
    refunded_amount = :refunded_amount, refund_pending_amount = :refund_pending_amount,
    transaction_id = :transaction_id, payment_intent_id = :payment_intent_id,
    authorization_code = :authorization_code, gateway_response = :gateway_response, failure_code = :failure_code,
    caller_reference = :caller_reference, charge_key = :charge_key, gateway = :gateway,
    charge_reference = :charge_reference, disputed_amount = :disputed_amount,
    charged_back_amount = :charged_back_amount, updated_at = :updated_at, completed_at = :completed_at,
    authorized_at = :authorized_at, captured_at = :captured_at, refunded_at = :refunded_at,
    hold_expires_at = :hold_expires_at, journal_hash = :journal_hash, state_hash = :state_hash
WHERE payment_id = :payment_id;

-- name: extend_journal
-- The same payment, after a journal row that changed nothing of it.
UPDATE payments SET journal_hash = :journal_hash, state_hash = :state_hash WHERE payment_id = :payment_id;

-- name: find_refund
-- The refund that a key asked for.
SELECT refund_id, payment_id, key_hash, amount, status, reason, public_reference, created_at, updated_at
FROM payment_refunds
WHERE payment_id = :payment_id AND key_hash = :key_hash AND subject = :subject;

-- name: find_equal_refund
-- A refund of the same amount for the same reason, asked for by the same subject a moment ago.
SELECT refund_id
FROM payment_refunds
WHERE payment_id = :payment_id AND amount = :amount AND subject = :subject AND created_at > :since
    AND status <> 'FAILED' AND coalesce(reason, '') = :reason
LIMIT 1;

-- name: insert_refund
-- A new refund, not decided yet.
INSERT INTO payment_refunds (
    refund_id, payment_id, channel, subject, key_hash, amount, status, reason, public_reference, row_hash, created_at,
    updated_at
) VALUES (
    :refund_id, :payment_id, :channel, :subject, :key_hash, :amount, :status, :reason, :public_reference, :row_hash,
    :created_at, :created_at
);

-- name: update_refund
-- The gateway decided about a refund.
UPDATE payment_refunds SET status = :status, row_hash = :row_hash, updated_at = :updated_at
WHERE refund_id = :refund_id AND payment_id = :payment_id;

-- name: find_reservation
-- The payment that holds a value which no two payments of a channel share.
SELECT payment_id FROM reservations WHERE value = :value AND channel = :channel AND kind = :kind;

-- name: insert_reservation
-- Take such a value; fails where another payment holds it.
INSERT INTO reservations (channel, kind, value, payment_id) VALUES (:channel, :kind, :value, :payment_id);

-- name: delete_reservation
-- Give a value back.
DELETE FROM reservations
WHERE value = :value AND channel = :channel AND kind = :kind AND payment_id = :payment_id;

-- name: insert_journal_row
-- A change of a payment: audit row and event at once. An undecided attempt has neither version nor event.
INSERT INTO transactions (
    payment_id, version, transaction_type, move, from_status, status, amount, captured_amount, refunded_amount,
    operation_id, description, caller_note, actor, request_id, event_id, event_type, traceparent, previous_hash,
    row_hash, texts_hash, created_at
) VALUES (
    :payment_id, :version, :transaction_type, :move, :from_status, :status, :amount, :captured_amount,
    :refunded_amount, :operation_id, :description, :caller_note, :actor, :request_id, :event_id, :event_type,
    :traceparent, :previous_hash, :row_hash, :texts_hash, :created_at
);

-- name: revise_operation
-- What the gateway says of an operation that it had decided. The stored response stays as it was told.
UPDATE idempotency_keys
SET operation_status = :operation_status, gateway_reference = :gateway_reference, failure_message = :failure_message,
    review_reason = :review_reason, purpose = :purpose, row_hash = :row_hash
WHERE key_id = :key_id AND key_hash = :key_hash;

-- name: set_payment_timer
-- When the worker looks at a payment, at a moment that its gateway gave.
INSERT INTO timers (kind, what, attempts, due_at) VALUES (:kind, :payment_id, 0, :due_at)
ON CONFLICT (kind, what) DO UPDATE SET attempts = 0, due_at = excluded.due_at;

-- name: delete_timer
-- The operation is decided.
DELETE FROM timers WHERE kind = 'recover' AND what = :key_id;

-- name: find_user
-- What the last token said of a subject.
SELECT email, is_verified FROM users WHERE auth_user_id = :auth_user_id;

-- name: remember_user
-- What a token says of its subject. NULL leaves what is known.
INSERT INTO users (auth_user_id, email, is_verified, created_at, updated_at)
VALUES (:auth_user_id, :email, coalesce(CAST(:is_verified AS boolean), false), :at, :at)
ON CONFLICT (auth_user_id) DO UPDATE
SET email = coalesce(excluded.email, users.email),
    is_verified = coalesce(CAST(:is_verified AS boolean), users.is_verified),
    updated_at = excluded.updated_at;

-- name: find_watermark
-- How far something has walked.
SELECT value FROM watermarks WHERE name = :name;

-- name: begin_watermark
-- Its row, where there is none.
INSERT INTO watermarks (name, value) VALUES (:name, 0) ON CONFLICT DO NOTHING;

-- name: advance_watermark
-- Move it up, never down.
INSERT INTO watermarks (name, value) VALUES (:name, :value)
ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE watermarks.value < excluded.value;

-- name: set_look
-- Remember a number, and the transactions that were open when it was the last one drawn.
UPDATE watermarks SET look = :look, open_transactions = :open_transactions WHERE name = :name;

-- name: add_tally
-- Count changes of one kind.
INSERT INTO tallies (channel, method, currency, move, from_status, status, times, amount)
VALUES (:channel, :method, :currency, :move, :from_status, :status, :times, :amount)
ON CONFLICT (channel, method, currency, move, from_status, status) DO UPDATE
SET times = tallies.times + excluded.times, amount = tallies.amount + excluded.amount;

-- name: add_hourly_tally
-- Count changes of one kind in one hour.
INSERT INTO hourly_tallies (hour, move, from_status, status, times)
VALUES (:hour, :move, :from_status, :status, :times)
ON CONFLICT (hour, move, from_status, status) DO UPDATE SET times = hourly_tallies.times + excluded.times;
