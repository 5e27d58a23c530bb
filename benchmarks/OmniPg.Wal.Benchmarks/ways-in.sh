#!/usr/bin/env bash
# Archives a server under pgbench in each of the ways that WAL comes to omnipg-wal: a process per segment, the resident mode asked by omnipg-wal, and by omnipg-wal-push.
# Then asks the server how many tries failed, compares every stored segment with the server's own after 'zstd -d', and verifies the archive. Ends with 1 when anything is wrong.
# Usage: ways-in.sh DIRECTORY OMNIPG_WAL [SECONDS]      omnipg-wal-push lies beside OMNIPG_WAL; SECONDS of pgbench each way (default 300); as root, DIRECTORY must be writable for 'postgres'
# The server's programs come from OMNIPG_PG_BIN, else from PATH; the servers listen on a socket inside DIRECTORY only.
set -euo pipefail
root=$(realpath "$1"); program=$(realpath "$2"); seconds=${3:-300}
[ -z "${OMNIPG_PG_BIN:-}" ] || PATH=$OMNIPG_PG_BIN:$PATH
as=(env)
[ "$(id -u)" != 0 ] || as=(setpriv --reuid=postgres --regid=postgres --clear-groups --)
connection=(-h "$root" -p 54991 -U postgres)
sql() { "${as[@]}" psql -X -q -At -v ON_ERROR_STOP=1 "${connection[@]}" -d postgres -c "$1"; }
data='' resident=''
stop() {
  [ -z "$data" ] || "${as[@]}" pg_ctl -D "$data" -m fast -w stop > /dev/null 2>&1 || true
  [ -z "$resident" ] || { kill "$resident" 2> /dev/null || true; wait "$resident" || true; }
  data='' resident=''
}
trap stop EXIT

# archived NAME: until the server has archived that segment.
archived() { for _ in $(seq 3000); do [ ! -e "$data/pg_wal/archive_status/$1.done" ] || return 0; sleep 0.1; done; echo "$1 was not archived" >&2; return 1; }

failed=0
echo '| way | segments | failed tries | unequal | verify |'
echo '|---|---|---|---|---|'
for way in process resident push; do
  place=$root/$way; data=$place/data
  "${as[@]}" mkdir -p "$place/archive" "$place/state"
  "${as[@]}" initdb -D "$data" -A trust -U postgres --no-sync > /dev/null
  # Its own copies stay, to be compared with.
  archive="'$program' archive --state-dir '$place/state' --dst-local 'zstd=$place/archive'"
  case $way in
    process) command="$archive %p" ;;
    resident) command="$archive --socket '$place/socket' %p" ;;
    push) command="'$(dirname "$program")/omnipg-wal-push' '$place/socket' %p" ;;
  esac
  printf '%s\n' port=54991 "unix_socket_directories='$root'" "listen_addresses=''" archive_mode=on wal_keep_size=64GB max_wal_size=2GB \
    "archive_command = '${command//\'/\'\'}'" | "${as[@]}" tee -a "$data/postgresql.conf" > /dev/null
  if [ "$way" != process ]; then
    "${as[@]}" "$program" resident --data-dir "$data" --socket "$place/socket" --spool "$place/spool" --state-dir "$place/state" --dst-local "zstd=$place/archive" &
    resident=$!
    # Without a fallback behind the client, a process that is not there is a failed try.
    for _ in $(seq 300); do [ ! -S "$place/socket" ] || break; sleep 0.1; done
  fi
  "${as[@]}" pg_ctl -D "$data" -l "$place/log" -w start > /dev/null
  "${as[@]}" pgbench -i -q -s 10 "${connection[@]}" postgres > /dev/null 2>&1
  "${as[@]}" pgbench -n -c 4 -T "$seconds" "${connection[@]}" postgres > /dev/null 2>&1
  last=$(sql 'select pg_walfile_name(pg_switch_wal())')
  archived "$last"
  tries=$(sql 'select failed_count from pg_stat_archiver')
  count=0 unequal=0
  for segment in "$data"/pg_wal/????????????????????????; do
    name=$(basename "$segment")
    [ -e "$data/pg_wal/archive_status/$name.done" ] || continue
    count=$((count + 1))
    zstd -q -d -c "$place/archive/$name.zst" | cmp -s - "$segment" || unequal=$((unequal + 1))
  done
  [ -z "$resident" ] || kill -0 "$resident"
  stop
  verify=0; "$program" verify --archive "$place/archive" > "$place/verify" 2>&1 || verify=$?
  echo "| $way | $count | $tries | $unequal | $verify |"
  [ "$tries $unequal $verify" = '0 0 0' ] && [ "$count" -gt 0 ] || failed=1
done
exit $failed
