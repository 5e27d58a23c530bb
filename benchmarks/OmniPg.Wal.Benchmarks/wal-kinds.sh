#!/usr/bin/env bash
# Makes WAL of several kinds to try a codec on: one stopped cluster per kind, whose finished segments are still in pg_wal.
# Usage: wal-kinds.sh DIRECTORY [MEGABYTES [KIND…]]     about MEGABYTES of WAL per kind (default 160); as root, DIRECTORY must be writable for 'postgres'
# The server's programs come from OMNIPG_PG_BIN, else from PATH; the servers listen on a socket inside DIRECTORY only.
set -euo pipefail
root=$(realpath "$1"); megabytes=${2:-160}; shift; [ $# = 0 ] || shift
[ -z "${OMNIPG_PG_BIN:-}" ] || PATH=$OMNIPG_PG_BIN:$PATH
as() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --clear-groups -- "$@"; else "$@"; fi; }
connection=(-h "$root" -p 54990 -U postgres)
sql() { as psql -X -q -At -v ON_ERROR_STOP=1 "${connection[@]}" -d postgres -c "$1"; }
data=''
trap '[ -z "$data" ] || as pg_ctl -D "$data" -m immediate stop > /dev/null 2>&1 || true' EXIT

# begin KIND PREPARATION [SETTING…]
begin() {
  data=$root/$1
  as initdb -D "$data" -A trust -U postgres --no-sync > /dev/null
  { printf '%s\n' port=54990 "unix_socket_directories='$root'" "listen_addresses=''" fsync=off wal_keep_size=4GB max_wal_size=16GB checkpoint_timeout=1h \
    autovacuum=off wal_level=logical "${@:3}"; } | as tee -a "$data/postgresql.conf" > /dev/null
  as pg_ctl -D "$data" -l "$data/log" -w start > /dev/null
  eval "$2"
  sql checkpoint > /dev/null
  sql 'select pg_switch_wal()' > /dev/null
  start=$(sql 'select pg_current_wal_insert_lsn()')
  first=$(sql "select pg_walfile_name('$start')")
}

# repeat COMMAND: until so much WAL was written since the preparation, whose segments are not kept.
repeat() {
  while [ "$(sql "select ((pg_current_wal_insert_lsn() - '$start') / 1048576)::int")" -lt "$megabytes" ]; do eval "$1"; done
  sql 'select pg_switch_wal()' > /dev/null
  sql checkpoint > /dev/null
  as pg_ctl -D "$data" -m fast stop > /dev/null
  for segment in "$data"/pg_wal/????????????????????????; do [[ ! $(basename "$segment") < $first ]] || rm "$segment"; done
  echo "$data"
  data=''
}

# written SEGMENTS COMMAND: again and again until so many segments were filled.
written() {
  local from; from=$(sql 'select pg_current_wal_insert_lsn()')
  while [ "$(sql "select ((pg_current_wal_insert_lsn() - '$from') / 16777216)::int")" -lt "$1" ]; do eval "$2"; done
}

# A day in small: whole pages after a checkpoint, then rows alone, a load of text, a table made and filled, a quiet minute.
mixed() {
  sql checkpoint
  written 7 'as pgbench -n -c 4 -t 200 "${connection[@]}" postgres > /dev/null 2>&1'
  sql 'alter system set full_page_writes = off'; sql 'select pg_reload_conf()' > /dev/null
  written 7 'as pgbench -n -c 4 -t 2000 "${connection[@]}" postgres > /dev/null 2>&1'
  sql 'alter system reset full_page_writes'; sql 'select pg_reload_conf()' > /dev/null
  written 3 'sql "insert into t $text from generate_series(1, 40000) i"'
  written 3 'as pgbench -i -q -s 1 "${connection[@]}" other > /dev/null 2>&1'
  sql 'select pg_switch_wal()' > /dev/null; sql "select pg_logical_emit_message(true, 'a', 'b'); select pg_switch_wal()" > /dev/null
}

pgbench_init() { as pgbench -i -q -s "$1" "${connection[@]}" postgres > /dev/null 2>&1; }
pgbench_run() { as pgbench -n -c 4 -t 20000 "${connection[@]}" postgres > /dev/null 2>&1; }
text='select i, md5(i::text), md5((i * 7)::text), repeat(chr(97 + i % 26), i % 200), now() + i * interval $$1 s$$'
json='select i, jsonb_build_object($$id$$, i, $$name$$, $$customer $$ || i % 977, $$tags$$, array[md5((i % 53)::text), $$red$$, $$green$$], $$at$$, now() + i * interval $$1 s$$, $$address$$, jsonb_build_object($$street$$, $$Main street $$ || i % 300, $$zip$$, 10000 + i % 999, $$note$$, md5(i::text)))'

# one NAME: writes that kind.
one() {
  case $1 in
    pgbench-fpi) begin "$1" 'pgbench_init 20' 'synchronous_commit=off'; repeat 'sql checkpoint > /dev/null; as pgbench -n -c 4 -t 3000 "${connection[@]}" postgres > /dev/null 2>&1' ;;
    pgbench-nofpi) begin "$1" 'pgbench_init 20' synchronous_commit=off full_page_writes=off; repeat pgbench_run ;;
    pgbench-lz4) begin "$1" 'pgbench_init 20' synchronous_commit=off wal_compression=lz4; repeat 'sql checkpoint > /dev/null; as pgbench -n -c 4 -t 10000 "${connection[@]}" postgres > /dev/null 2>&1' ;;
    pgbench-pglz) begin "$1" 'pgbench_init 20' synchronous_commit=off wal_compression=pglz; repeat 'sql checkpoint > /dev/null; as pgbench -n -c 4 -t 10000 "${connection[@]}" postgres > /dev/null 2>&1' ;;
    copy-init) begin "$1" :; repeat 'as pgbench -i -q -s 10 "${connection[@]}" postgres > /dev/null 2>&1' ;;
    copy-text) begin "$1" 'sql "create table t (i int, a text, b text, c text, d timestamptz)"'; repeat 'sql "insert into t $text from generate_series(1, 200000) i"' ;;
    json) begin "$1" 'sql "create table j (i int primary key, d jsonb)"'; repeat 'sql "truncate j; insert into j $json from generate_series(1, 100000) i; update j set d = d || \$\${\"seen\": true}\$\$ where i % 5 = 0"' ;;
    gin) begin "$1" 'sql "create table g (i int, d jsonb); create index on g using gin (d)"'; repeat 'sql "insert into g $json from generate_series(1, 5000) i"' ;;
    brin) begin "$1" 'sql "create table b (i int, a text, b text, c text, d timestamptz); create index on b using brin (d); create index on b using brin (i)"'; repeat 'sql "insert into b $text from generate_series(1, 50000) i; select brin_summarize_new_values(\$\$b_d_idx\$\$)" > /dev/null; sql "vacuum b"' ;;
    wide) begin "$1" 'sql "create table w (id uuid primary key, $(printf "c%s int, n%s numeric, " $(seq 80)) t timestamptz)"'; repeat 'sql "insert into w select gen_random_uuid(), $(for i in $(seq 20); do printf "(random() * 1000)::int, (random() * 99)::numeric(8,2), (random() * 9)::int, (random())::numeric(8,4), "; done) now() from generate_series(1, 8000)"' ;;
    message) begin "$1" :; repeat 'sql "select count(pg_logical_emit_message(true, \$\$outbox\$\$, (jsonb_build_object(\$\$event\$\$, \$\$order placed\$\$, \$\$id\$\$, i, \$\$body\$\$, md5(i::text) || repeat(\$\$lorem ipsum \$\$, i % 30)))::text)) from generate_series(1, 50000) i" > /dev/null' ;;
    updates) begin "$1" 'sql "create table u (id int primary key, a text, n numeric, k uuid default gen_random_uuid(), at timestamptz default now()); create index on u (k); create index on u (n); insert into u select i, md5(i::text), random() * 1000 from generate_series(1, 200000) i"'; repeat 'sql "update u set n = n + random(), at = now() where id % 7 = (random() * 6)::int; delete from u where id % 997 = (random() * 990)::int"; sql "vacuum u"' ;;
    # All of them in one cluster, for the commands that archive: 7 segments of whole pages, 7 of rows, 3 of text, 3 of a COPY, 1 nearly empty in turn.
    mixed) begin "$1" 'pgbench_init 20; sql "create table t (i int, a text, b text, c text, d timestamptz)"; sql "create database other"' synchronous_commit=off; repeat mixed ;;
    # Nearly empty segments, for the other commands: as a kind of WAL they say nothing.
    empty) begin "$1" :; repeat 'sql "select pg_logical_emit_message(true, \$\$a\$\$, \$\$b\$\$); select pg_switch_wal()" > /dev/null' ;;
    *) echo "no kind '$1'" >&2; exit 64 ;;
  esac
}

[ $# -gt 0 ] || set -- pgbench-fpi pgbench-nofpi pgbench-lz4 pgbench-pglz copy-init copy-text json gin brin wide message updates
for name in "$@"; do one "$name"; done
