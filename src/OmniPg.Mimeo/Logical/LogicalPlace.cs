using System.Globalization;
using NpgsqlTypes;

namespace OmniPg.Mimeo;

/// <summary>Which transactions of the source a logical table has: those that ended before a position, and those that a snapshot sees.</summary>
/// <remarks>
/// A copy of rows sees a snapshot, a slot knows the order of commits, and the two differ: a transaction is in the log before others see it. So both are kept. The snapshot counts
/// for commits before the end of the log at its time; a later one it cannot have seen.
/// </remarks>
/// <param name="Publication">Number of the table's entry in the publication: another one means that changes were missed meanwhile.</param>
/// <param name="Applied">End of the last commit before which nothing is missing.</param>
/// <param name="Snapshot">As <c>pg_snapshot</c> is written; null when it has no more to say.</param>
/// <param name="SnapshotEnd">End of the log when the snapshot was taken.</param>
internal sealed record LogicalPlace(uint Publication, NpgsqlLogSequenceNumber Applied, string? Snapshot, NpgsqlLogSequenceNumber SnapshotEnd)
{
    /// <summary>Whether the table has the changes of a transaction.</summary>
    /// <param name="xid">Its number, as the log has it.</param>
    /// <param name="commit">Begin of its commit record.</param>
    /// <param name="seen">What <see cref="Snapshot"/> sees; null where there is none.</param>
    public bool Has(uint xid, NpgsqlLogSequenceNumber commit, Horizon? seen) => commit < Applied || (seen is not null && commit < SnapshotEnd && seen.Sees(xid));

    public static async Task<LogicalPlace> ReadAsync(PgSession session, MimeoStore store, QualifiedName destination) => (await session.RowAsync(
        $"SELECT publication_rel, applied_lsn, snapshot, snapshot_lsn FROM {store.Config("logical")} WHERE dest_table = $1",
        row => new LogicalPlace(row.GetFieldValue<uint>(0), row.GetFieldValue<NpgsqlLogSequenceNumber>(1), row.Text(2), row.IsDBNull(3) ? default : row.GetFieldValue<NpgsqlLogSequenceNumber>(3)),
        PgParameter.Text(SpecTable.Text(destination))).ConfigureAwait(false))!;

    public Task<int> StoreAsync(PgSession session, MimeoStore store, QualifiedName destination) => session.ExecuteAsync(
        $"UPDATE {store.Config("logical")} SET publication_rel = $2, applied_lsn = $3, snapshot = $4, snapshot_lsn = $5 WHERE dest_table = $1",
        PgParameter.Text(SpecTable.Text(destination)), PgParameter.Of(Publication, NpgsqlDbType.Oid), PgParameter.Of(Applied, NpgsqlDbType.PgLsn), PgParameter.Text(Snapshot),
        PgParameter.Of(Snapshot is null ? null : SnapshotEnd, NpgsqlDbType.PgLsn));

    /// <summary>What <c>pg_visible_in_snapshot()</c> says, for numbers without their epoch.</summary>
    public sealed class Horizon
    {
        private readonly ulong _least;
        private readonly ulong _end;
        private readonly HashSet<ulong> _running;

        public Horizon(string snapshot)
        {
            var parts = snapshot.Split(':');
            (_least, _end) = (Number(parts[0]), Number(parts[1]));
            _running = [.. parts[2].Split(',', StringSplitOptions.RemoveEmptyEntries).Select(Number)];
        }

        public bool Sees(uint xid)
        {
            // The epoch is that which brings it nearest to the snapshot's end: numbers in use are less than 2^31 apart.
            var whole = (_end & ~(ulong)uint.MaxValue) | xid;
            if (whole > _end && whole - _end > int.MaxValue && whole > uint.MaxValue)
                whole -= 1UL << 32;
            else if (whole < _end && _end - whole > int.MaxValue)
                whole += 1UL << 32;
            return whole < _least || (whole < _end && !_running.Contains(whole));
        }

        private static ulong Number(string text) => ulong.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture);
    }
}
