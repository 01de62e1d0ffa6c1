-- Divides the tables of history into months, while the service runs. The present table becomes the first part as it is:
-- nothing is copied. See docs/scaling.md. By the tables' owner, straight at PostgreSQL, days before the first month:
--   psql --set=ON_ERROR_STOP=1 --set=first=2027-01-01 --file=deploy/postgresql/by_month.sql <address of the database>
-- Afterwards a scheduler makes the months to come, each some time before it begins: SELECT history_month('2028-01-01');

-- 1. Nothing in the present tables is of the first month or later. Checked without holding anybody up, so that the second
--    step need not look. Rows made after that moment are refused until the second step has run: do not stop in between.
ALTER TABLE transactions ADD CONSTRAINT earlier CHECK (created_at < :'first'::timestamp AT TIME ZONE 'UTC') NOT VALID;
ALTER TABLE outbox_deliveries ADD CONSTRAINT earlier CHECK (created_at < :'first'::timestamp AT TIME ZONE 'UTC') NOT VALID;
ALTER TABLE transactions VALIDATE CONSTRAINT earlier;
ALTER TABLE outbox_deliveries VALIDATE CONSTRAINT earlier;

-- 2. The change itself: some milliseconds in which requests wait. Where it cannot have the locks it fails; run it again
--    from here.
BEGIN;
-- Everything that is needed later, at once and in the order in which a charge takes it: whoever came first can end, who
-- comes later waits without holding any. An automatic vacuum gives way after deadlock_timeout, a second by default;
-- who cannot be waited for in less than the service's patience is let past, and it is tried again.
DO $$
BEGIN
    FOR attempt IN 1..30 LOOP
        BEGIN
            SET LOCAL lock_timeout = '1500ms';
            LOCK TABLE payments, transactions, outbox_deliveries IN ACCESS EXCLUSIVE MODE;
            RETURN;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            PERFORM pg_sleep(1);
        END;
    END LOOP;
    RAISE lock_not_available USING MESSAGE = 'The tables are in use for long: run this again from step 2.';
END $$;

-- Each part has the keys and indexes that the whole table had; the whole has none, since a unique index over all parts
-- would have to contain the month. Numbers stay unique: they come from one sequence, or are random.
CREATE FUNCTION history_part(whole text, part text, bounds text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', part, whole || '_before');
    EXECUTE format('ALTER TABLE %I DROP CONSTRAINT IF EXISTS earlier', part);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I %s', whole, part, bounds);
END $$;

CREATE FUNCTION history_month(month date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    bounds text := format(
        'FOR VALUES FROM (%L) TO (%L)',
        date_trunc('month', month)::timestamp AT TIME ZONE 'UTC',
        (date_trunc('month', month) + interval '1 month')::timestamp AT TIME ZONE 'UTC'
    );
    whole text;
BEGIN
    FOREACH whole IN ARRAY ARRAY['transactions', 'outbox_deliveries'] LOOP
        PERFORM history_part(whole, whole || to_char(month, '_YYYY_MM'), bounds);
    END LOOP;
END $$;

CREATE FUNCTION history_divide(whole text, first timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    numbered text;
BEGIN
    EXECUTE format('ALTER TABLE %1$I RENAME TO %2$I', whole, whole || '_before');
    EXECUTE format(
        'CREATE TABLE %1$I (LIKE %2$I INCLUDING DEFAULTS) PARTITION BY RANGE (created_at)', whole, whole || '_before'
    );
    EXECUTE format(
        'ALTER TABLE %1$I ATTACH PARTITION %2$I FOR VALUES FROM (MINVALUE) TO (%3$L)', whole, whole || '_before', first
    );
    EXECUTE format('ALTER TABLE %I DROP CONSTRAINT earlier', whole || '_before');
    -- What belongs to a month that nobody has made yet: better there than refused.
    PERFORM history_part(whole, whole || '_later', 'DEFAULT');
    -- The sequence outlives the part that it came with.
    SELECT format('ALTER SEQUENCE %s OWNED BY %I.%I', pg_get_serial_sequence(whole || '_before', attname), whole, attname)
    INTO numbered FROM pg_attribute
    WHERE attrelid = (whole || '_before')::regclass AND attnum > 0
    AND pg_get_serial_sequence(whole || '_before', attname) IS NOT NULL;
    IF numbered IS NOT NULL THEN
        EXECUTE numbered;
    END IF;
END $$;

SELECT history_divide('transactions', :'first'::timestamp AT TIME ZONE 'UTC');
SELECT history_divide('outbox_deliveries', :'first'::timestamp AT TIME ZONE 'UTC');
ALTER TABLE transactions ADD FOREIGN KEY (payment_id) REFERENCES payments (payment_id);

-- The relay's bell hangs on the table that is written to.
DROP TRIGGER outbox_deliveries_inserted ON outbox_deliveries_before;
CREATE TRIGGER outbox_deliveries_inserted AFTER INSERT ON outbox_deliveries
FOR EACH STATEMENT EXECUTE FUNCTION ring_outbox_deliveries();

-- A year ahead.
SELECT history_month((:'first'::date + number * interval '1 month')::date) FROM generate_series(0, 11) AS number;
COMMIT;
