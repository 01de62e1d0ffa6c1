-- Spreads the tables of a migrated database over the workers of a Citus cluster. The owner of the tables runs it on the
-- coordinator while the service is stopped; see docs/how-to/citus.md:
--   psql --set=ON_ERROR_STOP=1 --file=deploy/citus/distribute.sql <address of the coordinator's database>
-- A payment lies with its refunds, journal and operators' actions by its number, a key by its hash, a reservation by its
-- value. All other tables are small and stay on the coordinator.
BEGIN;

-- A repeat finds such a key by the unique constraint of its gateway key, which a spread table cannot have.
DO $$ BEGIN
    IF EXISTS (SELECT FROM idempotency_keys WHERE key_hash LIKE 'purged:%') THEN
        RAISE EXCEPTION 'Release 1.0.0 purged keys here of which only the gateway key is known: leave this database whole';
    END IF;
END $$;

-- A foreign key can follow once both tables are spread.
ALTER TABLE payment_refunds DROP CONSTRAINT fk_payment_refunds_payment_id;
ALTER TABLE operator_actions DROP CONSTRAINT fk_operator_actions_payment_id;

-- A unique constraint must contain the column by which its table is spread. These ids are unique by construction.
ALTER TABLE payments DROP CONSTRAINT uq_payments_public_id;
CREATE INDEX ix_payments_public_id ON payments (public_id);
ALTER TABLE payment_refunds DROP CONSTRAINT pk_payment_refunds, DROP CONSTRAINT uq_payment_refunds_public_reference;
ALTER TABLE payment_refunds ADD CONSTRAINT pk_payment_refunds PRIMARY KEY (payment_id, refund_id);
CREATE INDEX ix_payment_refunds_public_reference ON payment_refunds (public_reference);
ALTER TABLE transactions DROP CONSTRAINT pk_transactions, DROP CONSTRAINT uq_transactions_event_id;
ALTER TABLE transactions ADD CONSTRAINT pk_transactions PRIMARY KEY (payment_id, transaction_log_id);
CREATE INDEX ix_transactions_transaction_log_id ON transactions (transaction_log_id);
CREATE INDEX ix_transactions_event_id ON transactions (event_id);
ALTER TABLE operator_actions DROP CONSTRAINT pk_operator_actions;
ALTER TABLE operator_actions ADD CONSTRAINT pk_operator_actions PRIMARY KEY (payment_id, action_id);
ALTER TABLE idempotency_keys DROP CONSTRAINT pk_idempotency_keys, DROP CONSTRAINT uq_idempotency_keys_gateway_key;
ALTER TABLE idempotency_keys ADD CONSTRAINT pk_idempotency_keys PRIMARY KEY (key_hash, key_id);
CREATE INDEX ix_idempotency_keys_key_id ON idempotency_keys (key_id);
CREATE INDEX ix_idempotency_keys_gateway_key ON idempotency_keys (gateway_key);

SELECT create_distributed_table('payments', 'payment_id');
SELECT create_distributed_table('payment_refunds', 'payment_id', colocate_with => 'payments');
SELECT create_distributed_table('transactions', 'payment_id', colocate_with => 'payments');
SELECT create_distributed_table('operator_actions', 'payment_id', colocate_with => 'payments');
SELECT create_distributed_table('idempotency_keys', 'key_hash', colocate_with => 'none');
SELECT create_distributed_table('reservations', 'value', colocate_with => 'none');
-- The claim of a key looks into it, on whichever worker the key lies.
SELECT create_reference_table('lost_movements');

ALTER TABLE payment_refunds ADD CONSTRAINT fk_payment_refunds_payment_id
    FOREIGN KEY (payment_id) REFERENCES payments (payment_id);
ALTER TABLE operator_actions ADD CONSTRAINT fk_operator_actions_payment_id
    FOREIGN KEY (payment_id) REFERENCES payments (payment_id);
COMMIT;
