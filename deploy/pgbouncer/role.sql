-- Limits of every connection of the service's role, for when a pooler stands between and drops what the service says
-- itself. Once for each database, by its owner or a superuser:
--   psql --set=role=payments_app --set=database=payments --file=deploy/pgbouncer/role.sql <address of PostgreSQL itself>
-- They hold for new connections: afterwards RECONNECT in PgBouncer's console, or restart it.
ALTER ROLE :"role" IN DATABASE :"database" SET lock_timeout = '1000ms';
ALTER ROLE :"role" IN DATABASE :"database" SET statement_timeout = '3000ms';
ALTER ROLE :"role" IN DATABASE :"database" SET idle_in_transaction_session_timeout = '5000ms';
ALTER ROLE :"role" IN DATABASE :"database" SET default_transaction_isolation = 'read committed';
ALTER ROLE :"role" IN DATABASE :"database" SET timezone = 'UTC';
