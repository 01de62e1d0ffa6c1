#!/bin/sh
# Makes and starts a Citus cluster for trials and tests on this machine: a coordinator and two workers, which listen on
# 127.0.0.1 and trust every user there. Not for real money: the servers do not sync to disk.
#   deploy/citus/cluster.sh <new directory> [<port of the coordinator; the workers take the next two>]
# PostgreSQL refuses to run as root: another user runs this. PG_BINDIR names the folder of PostgreSQL's programs.
set -eu
home=$1 port=${2:-21470}
bin=${PG_BINDIR:-$(pg_config --bindir)}
mkdir -p "$home"
home=$(cd "$home" && pwd)

for node in 0 1 2; do
    data=$home/node$node
    "$bin/initdb" --pgdata="$data" --username=postgres --auth=trust --encoding=UTF8 --locale=C --no-sync >"$data.log"
    cat >>"$data/postgresql.conf" <<CONF
shared_preload_libraries = 'citus'
listen_addresses = '127.0.0.1'
port = $((port + node))
unix_socket_directories = '$home'
max_connections = 300
max_prepared_transactions = 300
citus.local_hostname = '127.0.0.1'
# Few parts, so that making and emptying the tests' tables takes milliseconds.
citus.shard_count = 4
# A transaction that a dead worker had prepared holds its locks until the coordinator looks again.
citus.recover_2pc_interval = '2s'
citus.node_connection_timeout = '2s'
citus.node_conninfo = 'sslmode=disable'
fsync = off
full_page_writes = off
CONF
    "$bin/pg_ctl" --pgdata="$data" --log="$data.log" --wait start >/dev/null
done

sql() { "$bin/psql" --no-psqlrc --quiet --host=127.0.0.1 --port="$1" --username=postgres --set=ON_ERROR_STOP=1 --command="$2" postgres; }
for node in 0 1 2; do
    sql "$((port + node))" "CREATE EXTENSION citus"
done
# The extension has switched TLS on, which costs each connection of a test some milliseconds.
for node in 0 1 2; do
    sql "$((port + node))" "ALTER SYSTEM SET ssl = off"
    sql "$((port + node))" "SELECT pg_reload_conf()" >/dev/null
done
# The database `postgres` knows the nodes, which every other database learns from it.
sql "$port" "SELECT citus_set_coordinator_host('127.0.0.1', $port)" >/dev/null
for node in 1 2; do
    sql "$port" "SELECT citus_add_node('127.0.0.1', $((port + node)))" >/dev/null
done
echo "TEST_DATABASE_URL=postgresql://postgres@127.0.0.1:$port/postgres"
