#!/usr/bin/env bash
# Restores the same real segments one after the other, as restore_command is called, with omnipg-wal and (when installed) pgbackrest.
# Usage: restore-comparison.sh DATA_DIRECTORY OMNIPG_WAL [COUNT [ROUNDS]]
# DATA_DIRECTORY is a stopped cluster whose pg_wal still holds COUNT finished segments (see README.md).
set -euo pipefail
data=$(realpath "$1"); omnipg=$(realpath "$2"); count=${3:-200}; rounds=${4:-2}
work=$(mktemp -d "${TMPDIR:-/var/tmp}/restore-comparison.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{omnipg,repo,spool,pgspool,log,lock}
mapfile -t segments < <(ls "$data/pg_wal" | grep -E '^[0-9A-F]{24}$' | head -n "$count")
now() { date +%s.%N; }

pgbackrest=$(command -v pgbackrest || true)
if [ -n "$pgbackrest" ]; then
  cat > "$work/pgbackrest.conf" <<C
[global]
repo1-path=$work/repo
spool-path=$work/pgspool
lock-path=$work/lock
log-path=$work/log
log-level-console=off
log-level-stderr=off
log-level-file=off
compress-type=zst
compress-level=3
process-max=2
archive-get-queue-max=128MiB
[b]
pg1-path=$data
C
  br() { "$pgbackrest" --config="$work/pgbackrest.conf" --stanza=b "$@"; }
  br --no-online stanza-create
fi
echo "filling the archives with ${#segments[@]} segments" >&2
for s in "${segments[@]}"; do
  "$omnipg" archive --begin --data-dir "$data" --dst-local "zstd:3=$work/omnipg" "pg_wal/$s"
  [ -z "$pgbackrest" ] || br archive-push "$data/pg_wal/$s"
done

# idle: background workers of the case before have ended; their command lines name the folder.
idle() { while pgrep -f -- "$work" > /dev/null; do sleep 0.2; done; rm -rf "$work"/spool/* "$work"/pgspool/*; }
fetch_omnipg() { "$omnipg" restore --data-dir "$data" --source "zstd=$work/omnipg" "$1" "$work/target"; }
fetch_omnipg_prefetch() { "$omnipg" restore --data-dir "$data" --source "zstd=$work/omnipg" --spool "$work/spool" --process-max 2 "$1" "$work/target"; }
fetch_pgbackrest() { br --no-archive-async archive-get "$1" "$work/target"; }
fetch_pgbackrest_async() { br --archive-async archive-get "$1" "$work/target"; }
cases=(omnipg omnipg_prefetch)
[ -z "$pgbackrest" ] || cases+=(pgbackrest pgbackrest_async)

declare -A times
for ((round = 0; round < rounds; round++)); do
  for c in "${cases[@]}"; do
    idle
    started=$(now)
    for s in "${segments[@]}"; do
      fetch_"$c" "$s"
      # PostgreSQL removes the file before it asks for the next one.
      rm "$work/target"
    done
    times[$c]+=" $(echo "$(now) - $started" | bc)"
  done
done
idle
# Equality, once: what arrives is what was written.
for s in "${segments[0]}" "${segments[$((${#segments[@]} / 2))]}" "${segments[-1]}"; do fetch_omnipg "$s"; cmp "$work/target" "$data/pg_wal/$s"; done

echo "| case | best s | ms/segment | MiB/s | all rounds (s) |"
echo "|---|---|---|---|---|"
for c in "${cases[@]}"; do
  best=$(tr ' ' '\n' <<< "${times[$c]}" | sed '/^$/d' | sort -n | head -1)
  echo "| $c | $(printf %.2f "$best") | $(echo "$best * 1000 / ${#segments[@]}" | bc) | $(echo "16 * ${#segments[@]} / $best" | bc) |$(for t in ${times[$c]}; do printf ' %.2f' "$t"; done) |"
done
