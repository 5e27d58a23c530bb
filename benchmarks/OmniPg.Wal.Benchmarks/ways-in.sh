#!/usr/bin/env bash
# Archives a server under pgbench by 'cp && sync && mv', to compare with, and in each of the ways that WAL comes to omnipg-wal: a process per segment, the resident mode asked by
# omnipg-wal, by omnipg-wal-push, and by the server itself through omnipg_archive.so. Then asks the server how many tries failed, compares every stored segment with the server's own after 'zstd -d', and verifies the archive.
# Ends with 1 when anything is wrong. CPU is that of the archiver, what it started, and the resident process, in ms per segment.
# Usage: ways-in.sh DIRECTORY OMNIPG_WAL [SECONDS]      omnipg-wal-push and omnipg_archive.so lie beside OMNIPG_WAL; SECONDS of pgbench each way (default 300); as root, DIRECTORY must be writable for 'postgres'
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

# ticks PID: processor time of a process and of what it started and waited for, in ms; what stands before the last bracket of its line is its name.
ticks() { if [ -z "$1" ]; then echo 0; else sed 's/.*) //' "/proc/$1/stat" | awk -v hz="$(getconf CLK_TCK)" '{ print int(($12 + $13 + $14 + $15) * 1000 / hz) }'; fi; }

failed=0
echo '| way | segments | failed tries | unequal | verify | CPU |'
echo '|---|---|---|---|---|---|'
for way in cp process resident push module; do
  decode=(zstd -q -d -c) suffix=.zst
  place=$root/$way; data=$place/data
  "${as[@]}" mkdir -p "$place/archive" "$place/state"
  "${as[@]}" initdb -D "$data" -A trust -U postgres --no-sync > /dev/null
  # Its own copies stay, to be compared with.
  archive="'$program' archive --state-dir '$place/state' --dst-local 'zstd=$place/archive'"
  case $way in
    cp) command="cp %p '$place/archive/%f.tmp' && sync '$place/archive/%f.tmp' && mv '$place/archive/%f.tmp' '$place/archive/%f'" decode=(cat) suffix='' ;;
    process) command="$archive %p" ;;
    resident) command="$archive --socket '$place/socket' %p" ;;
    push) command="'$(dirname "$program")/omnipg-wal-push' '$place/socket' %p" ;;
    module) ;;
  esac
  if [ "$way" = module ]; then
    lines=("archive_library = '$(dirname "$program")/omnipg_archive.so'" "omnipg_archive.socket = '$place/socket'")
  else
    lines=("archive_command = '${command//\'/\'\'}'")
  fi
  printf '%s\n' port=54991 "unix_socket_directories='$root'" "listen_addresses=''" archive_mode=on wal_keep_size=64GB max_wal_size=2GB "${lines[@]}" |
    "${as[@]}" tee -a "$data/postgresql.conf" > /dev/null
  if [ "$way" != cp ] && [ "$way" != process ]; then
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
  archiver=$(sql "select pid from pg_stat_activity where backend_type = 'archiver'")
  cpu=$(($(ticks "$archiver") + $(ticks "$resident")))
  count=0 unequal=0
  for segment in "$data"/pg_wal/????????????????????????; do
    name=$(basename "$segment")
    [ -e "$data/pg_wal/archive_status/$name.done" ] || continue
    count=$((count + 1))
    "${decode[@]}" "$place/archive/$name$suffix" | cmp -s - "$segment" || unequal=$((unequal + 1))
  done
  [ -z "$resident" ] || kill -0 "$resident"
  stop
  verify=0; "$program" verify --archive "$place/archive" > "$place/verify" 2>&1 || verify=$?
  echo "| $way | $count | $tries | $unequal | $verify | $((count > 0 ? cpu / count : 0)) |"
  [ "$tries $unequal $verify" = '0 0 0' ] && [ "$count" -gt 0 ] || failed=1
done
exit $failed
