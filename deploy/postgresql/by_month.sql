-- Divides the journal and the deliveries into months while the service runs. The present table becomes the first part as
-- it is, so nothing is copied. See docs/how-to/partition-history.md. The owner of the tables runs it on PostgreSQL
-- itself, not through a pooler, days before the first month begins:
--   psql --set=ON_ERROR_STOP=1 --set=first=2027-01-01 --file=deploy/postgresql/by_month.sql <address of the database>
-- Afterwards a scheduler makes each later month some time before it begins: SELECT history_month('2028-01-01');

-- 1. Check that no present row belongs to the first month or a later one. The check blocks no request, and step 2 need
--    not look again. Until step 2 has run PostgreSQL refuses rows of those months, so do not stop in between.
ALTER TABLE transactions ADD CONSTRAINT earlier CHECK (created_at < :'first'::timestamp AT TIME ZONE 'UTC') NOT VALID;
ALTER TABLE outbox_deliveries ADD CONSTRAINT earlier CHECK (created_at < :'first'::timestamp AT TIME ZONE 'UTC') NOT VALID;
ALTER TABLE transactions VALIDATE CONSTRAINT earlier;
ALTER TABLE outbox_deliveries VALIDATE CONSTRAINT earlier;

-- 2. Change the tables. Requests wait for some milliseconds. Where the locks are not free this step fails; run the
--    script again from here.
BEGIN;
-- Take every lock at once, in the order in which a charge takes them: a charge that came first can end, and a charge
-- that comes later waits without holding a lock. An automatic vacuum gives way after deadlock_timeout, which is one
-- second by default. After 1.5 seconds requests may run again, before they lose patience, and the next attempt follows.
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

-- Each part has the keys and indexes that the whole table had. The whole table has none, because a unique index over all
-- parts must contain the month. Numbers stay unique: they come from one sequence, or are random.
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
    granted record;
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
    -- Who could use the table can use the whole one, and nobody but the owner its parts.
    FOR granted IN
        SELECT grantee::regrole AS role, privilege_type AS privilege
        FROM pg_class, aclexplode(relacl) WHERE oid = (whole || '_before')::regclass AND grantee NOT IN (0, relowner)
    LOOP
        EXECUTE format('GRANT %s ON %I TO %s', granted.privilege, whole, granted.role);
        EXECUTE format('REVOKE %s ON %I FROM %s', granted.privilege, whole || '_before', granted.role);
    END LOOP;
    -- This part takes the rows of a month that has no part yet, which PostgreSQL would refuse otherwise.
    PERFORM history_part(whole, whole || '_later', 'DEFAULT');
    -- The sequence belongs to the whole table from now on, and outlives the part that it came with.
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

-- The trigger that wakes the relay belongs to the table that the service writes to.
DROP TRIGGER outbox_deliveries_inserted ON outbox_deliveries_before;
CREATE TRIGGER outbox_deliveries_inserted AFTER INSERT ON outbox_deliveries
FOR EACH STATEMENT EXECUTE FUNCTION ring_outbox_deliveries();

-- Make the months of one year.
SELECT history_month((:'first'::date + number * interval '1 month')::date) FROM generate_series(0, 11) AS number;
COMMIT;
