namespace OmniPg.Mimeo;

/// <summary>How far a table is.</summary>
/// <param name="Spec">The table as it is stored.</param>
/// <param name="SinceLastRun">Time since its last refresh ended; null before the first.</param>
/// <param name="IsDue">Whether <see cref="ReplicationSpec.Period"/> is over.</param>
/// <param name="Waiting">Entries in the queue of a dml or logdel; null for the other kinds.</param>
/// <param name="Behind">
/// Time between the largest cursor value and the source's clock; of a dml or logdel the age of the oldest entry that waits, where the source has <c>track_commit_timestamp</c>, zero when
/// nothing waits; null where neither is known.
/// </param>
/// <param name="RetainedBytes">Log that the source keeps for a logical table; null for the other kinds.</param>
/// <param name="UnreadBytes">Log between the slot's confirmed position and the end, that of other tables included; null for the other kinds.</param>
/// <param name="SlotState"><c>wal_status</c> of a logical table's slot: reserved, extended, unreserved or lost; missing where there is none; null for the other kinds.</param>
public sealed record TableStatusResult(ReplicationSpec Spec, TimeSpan? SinceLastRun, bool IsDue, long? Waiting, TimeSpan? Behind, long? RetainedBytes, long? UnreadBytes, string? SlotState)
{
    /// <summary>Asks both sides.</summary>
    internal static async Task<TableStatusResult> ReadAsync(PgSession session, MimeoStore store, SourcePools pools, ReplicationSpec spec)
    {
        var (since, isDue) = await session.RowAsync(
            $"SELECT CASE WHEN last_run IS NOT NULL THEN greatest(pg_catalog.clock_timestamp() - last_run, '0') END, coalesce(period IS NOT NULL AND (last_run IS NULL OR pg_catalog.clock_timestamp() - last_run > period), false) FROM {store.Config(SpecTable.TypeOf(spec))} WHERE dest_table = $1",
            row => (Span(row, 0), row.GetBoolean(1)), PgParameter.Text(SpecTable.Text(spec.Target))).ConfigureAwait(false);
        var status = new TableStatusResult(spec, since, isDue, null, null, null, null, null);
        if (!spec.HasChanges && spec.Cursor?.TimeBoundary is null)
            return status;
        var (_, source) = await SourceRegistry.OpenAsync(session, store, pools, spec.From).ConfigureAwait(false);
        await using var closing = source.ConfigureAwait(false);
        return await source.AskAsync(spec.Source, at => spec.Kind switch
        {
            ReplicationKind.Dml or ReplicationKind.Logdel => WaitingAsync(at, status),
            ReplicationKind.Logical => RetainedAsync(at, status),
            _ => BehindAsync(session, store, at, status),
        }).ConfigureAwait(false);
    }

    // An entry has no time of its own, so that the extension can read it; its transaction may have one, unless it is older than the setting.
    private static async Task<TableStatusResult> WaitingAsync(PgSession at, TableStatusResult status)
    {
        var hasTimes = await at.ScalarAsync("SELECT pg_catalog.current_setting('track_commit_timestamp')::boolean").ConfigureAwait(false) is true;
        var age = hasTimes ? "CASE WHEN count(*) = 0 THEN interval '0' WHEN count(pg_catalog.pg_xact_commit_timestamp(xmin)) = count(*) THEN greatest(pg_catalog.clock_timestamp() - min(pg_catalog.pg_xact_commit_timestamp(xmin)), '0') END" : "NULL::interval";
        return await at.RowAsync($"SELECT count(*), {age} FROM {status.Spec.Queue!.Value.Quoted}", row => status with { Waiting = row.GetInt64(0), Behind = Span(row, 1) }).ConfigureAwait(false) ?? status;
    }

    private static async Task<TableStatusResult> RetainedAsync(PgSession at, TableStatusResult status) => await at.RowAsync(
        """
        SELECT greatest(pg_catalog.pg_wal_lsn_diff(e.lsn, restart_lsn), 0)::bigint, greatest(pg_catalog.pg_wal_lsn_diff(e.lsn, confirmed_flush_lsn), 0)::bigint, wal_status
        FROM pg_catalog.pg_replication_slots CROSS JOIN pg_catalog.pg_current_wal_lsn() e (lsn) WHERE slot_name = $1
        """,
        row => status with { RetainedBytes = row.BigInt(0), UnreadBytes = row.BigInt(1), SlotState = row.Text(2) }, PgParameter.Text(status.Spec.Slot)).ConfigureAwait(false) ?? status with { SlotState = "missing" };

    private static async Task<TableStatusResult> BehindAsync(PgSession session, MimeoStore store, PgSession at, TableStatusResult status)
    {
        var now = (DateTime)(await at.ScalarAsync("SELECT pg_catalog.clock_timestamp()").ConfigureAwait(false))!;
        var behind = await session.RowAsync(
            $"SELECT CASE WHEN pg_catalog.isfinite(last_value) THEN greatest($2 - last_value, '0') END FROM {store.Config(SpecTable.TypeOf(status.Spec))} WHERE dest_table = $1", row => Span(row, 0),
            PgParameter.Text(SpecTable.Text(status.Spec.Target)), PgParameter.Instant(now)).ConfigureAwait(false);
        return status with { Behind = behind };
    }

    private static TimeSpan? Span(Npgsql.NpgsqlDataReader row, int column) => row.IsDBNull(column) ? null : row.GetTimeSpan(column);
}
