-- The roles of the service. A superuser runs this in the service's database, before the first migration or at any time
-- after it, as often as he likes:
--   psql --set=ON_ERROR_STOP=1 --file=deploy/postgresql/roles.sql <address of the database>
--   payments_owner  owns the tables and runs the migrations
--   payments_app    what the service and the worker connect as: no DDL, and no UPDATE or DELETE of journal rows
--   payments_read   reports: reads payments, refunds, the journal, figures, disputes and operators' actions
-- Give each a password afterwards: \password payments_owner
-- Each migration run (flask --app wsgi db upgrade, connected as payments_owner) grants what its release needs.
DO $$
DECLARE
    made record;
    own_schema text := current_schema();
BEGIN
    FOR made IN SELECT name FROM unnest(ARRAY['payments_owner', 'payments_app', 'payments_read']) AS name
                WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) LOOP
        EXECUTE format('CREATE ROLE %I LOGIN', made.name);
    END LOOP;

    -- The trips document's query for a key's hash calls digest(); not every server has it.
    BEGIN
        CREATE EXTENSION IF NOT EXISTS pgcrypto;
    EXCEPTION WHEN undefined_file OR feature_not_supported THEN
        RAISE NOTICE 'pgcrypto is not available';
    END;

    -- The worker adds up figures only while it sees every transaction that may write to the journal, the owner's too.
    GRANT pg_read_all_stats TO payments_app;

    -- Nobody but the owner makes anything in the service's schema.
    EXECUTE format('ALTER SCHEMA %I OWNER TO payments_owner', own_schema);
    EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC', own_schema);
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO payments_app, payments_read', own_schema);
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO payments_owner, payments_app, payments_read', current_database());

    -- What an earlier release made under another role. A sequence follows its table.
    FOR made IN
        SELECT 'TABLE' AS what, oid::regclass::text AS name FROM pg_class
        WHERE relnamespace = own_schema::regnamespace AND relkind IN ('r', 'p')
        UNION ALL
        SELECT 'FUNCTION', oid::regprocedure::text FROM pg_proc
        WHERE pronamespace = own_schema::regnamespace AND proname LIKE 'history\_%'
    LOOP
        EXECUTE format('ALTER %s %s OWNER TO payments_owner', made.what, made.name);
    END LOOP;
END $$;
