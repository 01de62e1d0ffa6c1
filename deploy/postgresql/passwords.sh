#!/bin/sh
# Gives the roles of roles.sql their passwords, from DB_OWNER_PASS and DB_PASS. Compose's database runs it once, when it
# is made; run it again after a password has changed.
set -eu
psql --set=ON_ERROR_STOP=1 --username="${POSTGRES_USER:-postgres}" --dbname="${POSTGRES_DB:-postgres}" \
    --set=owner="$DB_OWNER_PASS" --set=application="$DB_PASS" <<'SQL'
ALTER ROLE payments_owner PASSWORD :'owner';
ALTER ROLE payments_app PASSWORD :'application';
SQL
