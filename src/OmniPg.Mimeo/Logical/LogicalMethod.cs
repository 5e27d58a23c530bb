using System.Buffers.Binary;
using System.Globalization;
using Npgsql;
using NpgsqlTypes;

namespace OmniPg.Mimeo;

/// <summary>The transactions of the source since the last refresh, read from a slot and applied as sets.</summary>
/// <remarks>
/// The slot is only looked into; it moves on behind the commit of the destination, whose transaction holds rows and place together. Whatever breaks in between, the same
/// transactions come again, and those that the table has are passed over. What is applied is what the snapshot of the refresh sees, so that a group is one state of the source.
/// </remarks>
internal sealed class LogicalMethod(TableRun run)
{
    private const long MaxBytes = 64 * 1024 * 1024;

    /// <summary>Position up to which the slot may forget, once the destination has committed.</summary>
    public NpgsqlLogSequenceNumber Confirm { get; private set; }

    /// <summary>Stores the place of rows that were copied from the run's snapshot.</summary>
    public async Task StoreFirstAsync()
    {
        var (snapshot, end) = await PointAsync().ConfigureAwait(false);
        var (confirmed, publication) = await SourceSlot.CheckAsync(run).ConfigureAwait(false);
        await new Place(publication, confirmed, snapshot, end).StoreAsync(run.Destination, run.Store, run.Spec.Target).ConfigureAwait(false);
    }

    /// <summary>One refresh.</summary>
    /// <param name="limit">Changes after which it ends, with the transaction that they belong to; null for all.</param>
    /// <param name="all">Whether all rows are copied instead.</param>
    public async Task<RefreshStatus> RefreshAsync(int? limit, bool all)
    {
        var table = await RelationInfo.FindAsync(run.Destination, run.Spec.Target).ConfigureAwait(false) ?? throw new DestinationMissingException(run.Spec.Target);
        run.RequireFit(table);
        if (all)
        {
            if (run.Spec.IgnoreDeletes)
            {
                await KeyedRows.ReplaceAsync(run, run.Query(), table).ConfigureAwait(false);
            }
            else
            {
                await run.Destination.Unlimited.ExecuteAsync($"TRUNCATE {table.Name.Quoted}").ConfigureAwait(false);
                await run.CopyAsync(run.Query(), table.Name, freeze: table.Kind == 'r').ConfigureAwait(false);
            }
            await StoreFirstAsync().ConfigureAwait(false);
            return RefreshStatus.Refreshed;
        }
        var place = await WholePlaceAsync().ConfigureAwait(false);
        var (snapshot, end) = await PointAsync().ConfigureAwait(false);
        // While the snapshot of the copy counts, all of its time is read at once: two snapshots are not kept.
        var most = place.Snapshot is null ? limit : null;
        var read = await ReadAsync(table, place, new Place.Horizon(snapshot), end, most).ConfigureAwait(false);
        var reached = most is not null && read.Messages >= most && read.Last < end;
        var upTo = reached ? read.Last : end;
        Confirm = read.Gap ?? upTo;
        await (place with { Applied = Confirm, Snapshot = read.Gap is null ? null : snapshot, SnapshotEnd = upTo }).StoreAsync(run.Destination, run.Store, run.Spec.Target).ConfigureAwait(false);
        if (!reached)
            return read.Changes == 0 ? RefreshStatus.NothingNew : RefreshStatus.Refreshed;
        run.Warnings.Add(string.Create(CultureInfo.InvariantCulture, $"The limit of {most} changes was reached; the rest waits for the next refresh."));
        return RefreshStatus.LimitReached;
    }

    /// <summary>Steps of <see cref="RefreshAsync"/>; how many changes there are, and which values they leave out, is known when the log is read.</summary>
    public async Task PlanAsync(PlanSteps steps, RelationInfo table, bool all)
    {
        run.RequireFit(table);
        if (all)
        {
            if (await IsLostAsync().ConfigureAwait(false))
                steps.TellThere("slot", "Changes are missing.", $"Publication and slot '{run.Spec.Slot}' are made anew");
            await KeyedRows.PlanWholeAsync(run, steps, table).ConfigureAwait(false);
        }
        else
        {
            await WholePlaceAsync().ConfigureAwait(false);
            steps.TellThere("log", "The transactions since the last refresh leave the source; the slot stays where it is.", $"pg_logical_slot_peek_binary_changes of slot '{run.Spec.Slot}'");
            await KeyedRows.PlanAsync(run, steps, table, null, KeyedRows.FlagBeside(run.Columns), tell: $"COPY {KeyedRows.Stage.Quoted} FROM STDIN: the last state of each key").ConfigureAwait(false);
        }
        steps.TellHere("place", "The next refresh begins behind these transactions.", $"applied_lsn in {run.Store.Config("logical")}");
        if (!all)
            steps.TellThere("slot", "The rows have arrived: behind the commit of the destination.", $"pg_replication_slot_advance of slot '{run.Spec.Slot}'");
    }

    /// <summary>Whether changes are missing, so that a copy of all rows needs another slot.</summary>
    public async Task<bool> IsLostAsync()
    {
        try
        {
            await WholePlaceAsync().ConfigureAwait(false);
            return false;
        }
        catch (SlotLostException)
        {
            return true;
        }
    }

    /// <summary>Moves a slot on behind what the destination has committed.</summary>
    public static Task<object?> ConfirmAsync(SourceSession source, ReplicationSpec spec, NpgsqlLogSequenceNumber position) => source.AskAsync(spec.Source, at => at.Unlimited.ScalarAsync(
        "SELECT pg_catalog.pg_replication_slot_advance(slot_name, $2) FROM pg_catalog.pg_replication_slots WHERE slot_name = $1 AND confirmed_flush_lsn < $2",
        PgParameter.Text(spec.Slot), PgParameter.Of(position, NpgsqlDbType.PgLsn)));

    private async Task<Place> WholePlaceAsync()
    {
        var (confirmed, publication) = await SourceSlot.CheckAsync(run).ConfigureAwait(false);
        var place = await Place.ReadAsync(run.Destination, run.Store, run.Spec.Target).ConfigureAwait(false);
        if (publication != place.Publication)
            throw new SlotLostException(run.Spec.Target, $"publication '{run.Spec.Slot}' of source '{run.Source.Name}' was changed or made anew");
        return confirmed <= place.Applied ? place
            : throw new SlotLostException(run.Spec.Target, $"slot '{run.Spec.Slot}' of source '{run.Source.Name}' stands at {confirmed}, the table at {place.Applied}");
    }

    // What the run's snapshot sees is in the log before this position. Only what is written to the file is decoded, and commits may be seen before that.
    private async Task<(string Snapshot, NpgsqlLogSequenceNumber End)> PointAsync()
    {
        var (snapshot, end, isWritten) = await run.Source.AskAsync(run.Spec.Source, at => at.RowAsync(
            "SELECT pg_catalog.pg_current_snapshot()::text, pg_catalog.pg_current_wal_insert_lsn(), pg_catalog.pg_current_wal_insert_lsn() <= pg_catalog.pg_current_wal_flush_lsn()",
            row => (row.GetString(0), row.GetFieldValue<NpgsqlLogSequenceNumber>(1), row.GetBoolean(2)))).ConfigureAwait(false);
        if (!isWritten)
        {
            var other = await run.Source.AnotherAsync(run.Destination.CancellationToken).ConfigureAwait(false);
            await using var closing = other.ConfigureAwait(false);
            await other.ChangeAsync(run.Spec.Source, run.Options.LockTimeout, async at =>
            {
                await at.ExecuteAsync("SET LOCAL synchronous_commit = local").ConfigureAwait(false);
                return await at.ScalarAsync("SELECT pg_catalog.pg_logical_emit_message(true, 'omnipg', '')").ConfigureAwait(false);
            }).ConfigureAwait(false);
        }
        return (snapshot, end);
    }

    private async Task<Read> ReadAsync(RelationInfo table, Place place, Place.Horizon seen, NpgsqlLogSequenceNumber end, int? limit)
    {
        var set = await SetAsync().ConfigureAwait(false);
        var before = place.Snapshot is { } held ? new Place.Horizon(held) : null;
        var apply = new ChangeApply(run, table, set);
        // Before 14 the log has no binary form.
        var command = new NpgsqlCommand($"SELECT data FROM pg_catalog.pg_logical_slot_peek_binary_changes($1, $2, $3, 'proto_version', '1', 'publication_names', $4{(set.IsBinary ? ", 'binary', 'true'" : "")})", run.Source.Session.Connection)
        {
            CommandTimeout = 0,
        };
        await using var closing = command.ConfigureAwait(false);
        command.Parameters.AddRange(new NpgsqlParameter[] { PgParameter.Text(run.Spec.Slot), PgParameter.Of(end, NpgsqlDbType.PgLsn), PgParameter.Integer(limit), PgParameter.Text(run.Spec.Slot) });
        var rows = await run.Source.AskAsync(run.Spec.Source, at => command.ExecuteReaderAsync(at.CancellationToken)).ConfigureAwait(false);
        await using var closingRows = rows.ConfigureAwait(false);
        var (read, wanted, last) = (new Read(0, 0, default, null), false, place.Applied);
        while (await run.Source.AskAsync(run.Spec.Source, FillAsync).ConfigureAwait(false))
            await apply.RunAsync().ConfigureAwait(false);
        await apply.RunAsync().ConfigureAwait(false);
        run.Count(0, set.ReadBytes);
        return read with { Changes = set.Count };

        // False at the end; true where memory is full in the middle of it, which the destination's transaction takes.
        async Task<bool> FillAsync(PgSession at)
        {
            while (await rows.ReadAsync(at.CancellationToken).ConfigureAwait(false))
            {
                Take(rows.GetFieldValue<byte[]>(0));
                if (set.Bytes > MaxBytes)
                    return true;
            }
            return false;
        }

        void Take(byte[] message)
        {
            read = read with { Messages = read.Messages + 1 };
            switch ((char)message[0])
            {
                case 'B':
                    var commit = new NpgsqlLogSequenceNumber(BinaryPrimitives.ReadUInt64BigEndian(message.AsSpan(1)));
                    var xid = BinaryPrimitives.ReadUInt32BigEndian(message.AsSpan(17));
                    var has = place.Has(xid, commit, before);
                    wanted = !has && seen.Sees(xid);
                    // Others see it later than the log has it: it comes with the next refresh, and until then the place stays before it.
                    if (!has && !wanted)
                        read = read with { Gap = read.Gap ?? last };
                    break;
                case 'C':
                    last = new NpgsqlLogSequenceNumber(BinaryPrimitives.ReadUInt64BigEndian(message.AsSpan(10)));
                    read = read with { Last = last };
                    break;
                default:
                    TakeChange(set, message, wanted);
                    break;
            }
        }
    }

    private void TakeChange(ChangeSet set, byte[] message, bool wanted)
    {
        try
        {
            set.Take(message, wanted);
        }
        catch (InvalidDataException error)
        {
            throw new ColumnDriftException(run.Spec.Target, [error.Message.TrimEnd('.')], "Change the destination in the same way, then refresh it with Repull.All.");
        }
    }

    private async Task<ChangeSet> SetAsync()
    {
        var types = (await run.Source.AskAsync(run.Spec.Source, at => at.RowsAsync(
            "SELECT attname::text, atttypid FROM pg_catalog.pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped", row => (Name: row.GetString(0), Type: row.GetFieldValue<uint>(1)),
            PgParameter.Of(run.Relation.Oid, NpgsqlDbType.Oid))).ConfigureAwait(false)).ToDictionary(t => t.Name, t => t.Type, StringComparer.Ordinal);
        int[] key = [.. run.Spec.Key.Select(name => run.Columns.Index().First(c => c.Item.Name.Value == name).Index)];
        return new ChangeSet([.. run.Columns.Select(c => (c.Name.Value, types[c.Name.Value]))], key, types.Keys.ToHashSet(StringComparer.Ordinal), run.Relation.Kind == 'p',
            // The log holds columns, too, that are not copied.
            isBinary: ColumnInfo.AreBinary(run.Relation.Columns, run.Into) && PgServerVersion.Of(run.Source.Session.Connection).Major >= 14);
    }

    /// <summary>What was read.</summary>
    /// <param name="Messages">Messages of the server, which a limit counts.</param>
    /// <param name="Changes">Changes that the table did not have.</param>
    /// <param name="Last">End of the last transaction.</param>
    /// <param name="Gap">End of the transaction before the first one that the snapshot does not see; null where it sees all.</param>
    private sealed record Read(long Messages, long Changes, NpgsqlLogSequenceNumber Last, NpgsqlLogSequenceNumber? Gap);

    /// <summary>Which transactions of the source a logical table has: those that ended before a position, and those that a snapshot sees.</summary>
    /// <remarks>
    /// A copy of rows sees a snapshot, a slot knows the order of commits, and the two differ: a transaction is in the log before others see it. So both are kept. The snapshot counts
    /// for commits before the end of the log at its time; a later one it cannot have seen.
    /// </remarks>
    /// <param name="Publication">Number of the table's entry in the publication: another one means that changes were missed meanwhile.</param>
    /// <param name="Applied">End of the last commit before which nothing is missing.</param>
    /// <param name="Snapshot">As <c>pg_snapshot</c> is written; null when it has no more to say.</param>
    /// <param name="SnapshotEnd">End of the log when the snapshot was taken.</param>
    private sealed record Place(uint Publication, NpgsqlLogSequenceNumber Applied, string? Snapshot, NpgsqlLogSequenceNumber SnapshotEnd)
    {
        /// <summary>Whether the table has the changes of a transaction.</summary>
        /// <param name="xid">Its number, as the log has it.</param>
        /// <param name="commit">Begin of its commit record.</param>
        /// <param name="seen">What <see cref="Snapshot"/> sees; null where there is none.</param>
        public bool Has(uint xid, NpgsqlLogSequenceNumber commit, Horizon? seen) => commit < Applied || (seen is not null && commit < SnapshotEnd && seen.Sees(xid));

        public static async Task<Place> ReadAsync(PgSession session, MimeoStore store, QualifiedName destination) => (await session.RowAsync(
            $"SELECT publication_rel, applied_lsn, snapshot, snapshot_lsn FROM {store.Config("logical")} WHERE dest_table = $1",
            row => new Place(row.GetFieldValue<uint>(0), row.GetFieldValue<NpgsqlLogSequenceNumber>(1), row.Text(2), row.IsDBNull(3) ? default : row.GetFieldValue<NpgsqlLogSequenceNumber>(3)),
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
}
