#!/bin/sh
# What the official image does for a user who is not root: fill an empty PGDATA, then serve.
set -eu
chmod 0700 "$PGDATA"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  secret=$(mktemp)
  printf '%s' "$POSTGRES_PASSWORD" >"$secret"
  initdb --username="$POSTGRES_USER" --pwfile="$secret" --encoding=UTF8 --auth=scram-sha-256 \
    --auth-local=trust
  rm "$secret"
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  pg_ctl --wait start --options="-c listen_addresses='' -k /var/run/postgresql"
  psql -h /var/run/postgresql -U "$POSTGRES_USER" -d postgres -c "CREATE DATABASE \"$POSTGRES_DB\""
  pg_ctl --wait stop
fi
exec "$@" -c "listen_addresses=*" -k /var/run/postgresql
