using System.Globalization;

namespace OmniPg.Mimeo;

/// <summary>Rows whose keys stand in the queue of the source, as they are now; with <see cref="ReplicationKind.Logdel"/> deleted ones as they were.</summary>
/// <remarks>
/// Entries and their rows are read by one statement, and entries are taken out by another one of the same snapshot, while the destination applies the rows. The source's
/// transaction commits behind the destination's: whatever breaks before that brings the entries back, and rows that were applied already are applied once more, to the same effect.
/// </remarks>
internal sealed class QueueMethod(TableRun run)
{
    // Key columns whose order the queue does not know: the extension makes its columns with the type alone.
    private const string Collations =
        """
        SELECT a.attname::text, format('%I.%I', n.nspname, l.collname)
        FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation JOIN pg_catalog.pg_namespace n ON n.oid = l.collnamespace JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
        WHERE a.attrelid = $1 AND a.attname = ANY ($2) AND a.attcollation <> t.typcollation
        """;

    private readonly bool _logdel = run.Spec.Kind == ReplicationKind.Logdel;
    private readonly string _queue = run.Spec.Queue!.Value.Quoted;
    private readonly string _key = string.Join(", ", run.Spec.Key.Select(k => PgIdentifier.Create(k).Quoted));

    /// <summary>One refresh.</summary>
    /// <param name="limit">Most entries of the queue; null for all.</param>
    /// <param name="all">Whether the whole table is read anew.</param>
    public async Task<RefreshStatus> RefreshAsync(int? limit, bool all)
    {
        var table = await RelationInfo.FindAsync(run.Destination, run.Spec.Target).ConfigureAwait(false) ?? throw new DestinationMissingException(run.Spec.Target);
        run.RequireFit(table);
        var queue = await FindQueueAsync().ConfigureAwait(false);
        RequireColumns(queue);
        if (await SourceQueue.RenewalAsync(run, queue).ConfigureAwait(false) is { } renewal)
            await AskAsync(source => PlainStatements.ExecuteAsync(source.Connection, [renewal], source.CommandTimeoutSeconds, source.CancellationToken)).ConfigureAwait(false);
        SourceQueue.WarnOfGone(run, queue);
        if (all)
        {
            await RepullAsync(table).ConfigureAwait(false);
            return RefreshStatus.Refreshed;
        }
        await RequireKeysAsync().ConfigureAwait(false);
        var isMore = await IsMoreAsync(limit).ConfigureAwait(false);
        var rows = await TakeAsync(table, isMore ? limit : null).ConfigureAwait(false);
        // The threshold of the original: so near to the limit, the queue may grow faster than it is read.
        if (limit is { } near && (isMore || rows > near * 0.75))
        {
            run.Warnings.Add(string.Create(CultureInfo.InvariantCulture, $"The limit of {near} entries was {(isMore ? "reached; the rest waits for the next refresh" : "nearly reached")}."));
            return RefreshStatus.LimitReached;
        }
        return rows == 0 ? RefreshStatus.NothingNew : RefreshStatus.Refreshed;
    }

    /// <summary>Steps of <see cref="RefreshAsync"/>, and of the columns that are added before it.</summary>
    public async Task PlanAsync(PlanSteps steps, RelationInfo found, int? limit, bool all)
    {
        var had = await FindQueueAsync().ConfigureAwait(false);
        var queue = SourceQueue.PlanColumns(run, steps, had);
        var table = MissingColumns.Plan(run, steps, found);
        run.RequireFit(table);
        var history = await DeletedHistory.PlanAsync(run, steps, table).ConfigureAwait(false);
        RequireColumns(queue);
        // With new columns it has been made anew.
        if (queue == had && await SourceQueue.RenewalAsync(run, queue).ConfigureAwait(false) is { } renewal)
            steps.There("queue", "The trigger's function is not the one that the columns need by now.", renewal);
        SourceQueue.WarnOfGone(run, queue);
        if (!all)
        {
            await RequireKeysAsync().ConfigureAwait(false);
            await PlanTakeAsync(steps, table, history, await IsMoreAsync(limit).ConfigureAwait(false) ? limit : null).ConfigureAwait(false);
            return;
        }
        if (!_logdel)
        {
            PlanForget(steps, ForgetStatement(""));
            await KeyedRows.PlanWholeAsync(run, steps, table).ConfigureAwait(false);
            return;
        }
        if (history is not null)
        {
            history.PlanCollect(steps, table, KeylessImages());
            history.PlanKeepCollected(steps, lacksKeys: true);
        }
        PlanForget(steps, ForgetStatement(Keyless()));
        await PlanTakeAsync(steps, table, history, null).ConfigureAwait(false);
        await Followers.RefuseAsync(run, table).ConfigureAwait(false);
        steps.Here("empty", "All live rows come again.", DeleteLive(table));
        await KeyedRows.PlanAsync(run, steps, table, run.Query(), null, history?.KeepDisplaced()).ConfigureAwait(false);
    }

    // Steps of TakeAsync.
    private async Task PlanTakeAsync(PlanSteps steps, RelationInfo table, DeletedHistory? history, int? limit)
    {
        var collations = await CollationsAsync(run).ConfigureAwait(false);
        var (bound, flag) = (Bound(limit), KeyedRows.FlagBeside(run.Columns));
        history?.PlanCollect(steps, table, OlderImages(bound, SameKey(collations)));
        await KeyedRows.PlanAsync(run, steps, table, TakeQuery(collations, bound, flag), flag, history?.KeepDisplaced()).ConfigureAwait(false);
        PlanForget(steps, ForgetStatement(bound));
        history?.PlanKeepCollected(steps, lacksKeys: false);
    }

    private static void PlanForget(PlanSteps steps, string sql) =>
        steps.TellThere("forget", "These entries are done: in the snapshot of the copy, and the source's transaction commits behind the destination's.", sql);

    // Not those alone that may be null: the key's column may have been away for a while (QueueFunction).
    private Task<bool> RequireKeysAsync() => AskAsync(async source =>
    {
        await KeyedRows.RequireKeysAsync(run, source, _queue, run.Spec.Key).ConfigureAwait(false);
        return true;
    });

    private async Task<bool> IsMoreAsync(int? limit) => limit is { } most && await AskAsync(source => source.ScalarAsync(
        string.Create(CultureInfo.InvariantCulture, $"SELECT count(*) > {most} FROM (SELECT FROM {_queue} LIMIT {most + 1L}) q"))).ConfigureAwait(false) is true;

    private string ForgetStatement(string bound) => $"DELETE FROM {_queue}{bound}";

    private string Keyless() => $" WHERE num_nulls({_key}) > 0";

    private string KeylessImages() => $"SELECT {Image()} FROM {_queue} e WHERE e.{TableRun.Deleted.Quoted} IS NOT NULL AND num_nulls({_key}) > 0";

    private static string DeleteLive(RelationInfo table) => $"DELETE FROM {table.Name.Quoted} WHERE {TableRun.Deleted.Quoted} IS NULL";

    /// <summary>What has to stand behind key columns of the queue where they are compared with the source's.</summary>
    public static async Task<IReadOnlyDictionary<string, string>> CollationsAsync(TableRun run) =>
        (await run.Source.AskAsync(run.Spec.Source, source => source.RowsAsync(Collations, row => (Name: row.GetString(0), Collation: row.GetString(1)),
            PgParameter.Of(run.Relation.Oid, NpgsqlTypes.NpgsqlDbType.Oid), PgParameter.Texts(run.Spec.Key))).ConfigureAwait(false)).ToDictionary(c => c.Name, c => $" COLLATE {c.Collation}");

    private async Task RepullAsync(RelationInfo table)
    {
        var session = run.Destination.Unlimited;
        if (_logdel)
        {
            // Of what was written while a column of the key was away nobody knows the rows (QueueFunction); their images alone can be kept.
            if (await DeletedHistory.OfAsync(run, table).ConfigureAwait(false) is { } history)
            {
                await history.CollectAsync(KeylessImages()).ConfigureAwait(false);
                await history.KeepCollectedAsync(lacksKeys: true).ConfigureAwait(false);
            }
            await AskAsync(source => source.ExecuteAsync(ForgetStatement(Keyless()))).ConfigureAwait(false);
            // Deleted rows stand nowhere else any more.
            await TakeAsync(table, null).ConfigureAwait(false);
            await session.ExecuteAsync(DeleteLive(table)).ConfigureAwait(false);
            await Followers.RefuseAsync(run, table).ConfigureAwait(false);
            await KeyedRows.ReplaceAsync(run, run.Query(), table).ConfigureAwait(false);
            return;
        }
        await AskAsync(source => source.ExecuteAsync(ForgetStatement(""))).ConfigureAwait(false);
        if (run.Spec.IgnoreDeletes)
        {
            await KeyedRows.ReplaceAsync(run, run.Query(), table).ConfigureAwait(false);
            return;
        }
        await session.ExecuteAsync($"TRUNCATE {table.Name.Quoted}").ConfigureAwait(false);
        await run.CopyAsync(run.Query(), table.Name, freeze: table.Kind == 'r').ConfigureAwait(false);
    }

    private async Task<long> TakeAsync(RelationInfo table, int? limit)
    {
        var collations = await CollationsAsync(run).ConfigureAwait(false);
        var history = await DeletedHistory.OfAsync(run, table).ConfigureAwait(false);
        var (bound, flag) = (Bound(limit), KeyedRows.FlagBeside(run.Columns));
        var query = TakeQuery(collations, bound, flag);
        if (history is not null)
            await history.CollectAsync(OlderImages(bound, SameKey(collations))).ConfigureAwait(false);
        var taking = Task.FromResult(0);
        long applied;
        try
        {
            applied = await KeyedRows.ReplaceAsync(run, table, flag, "", async (written, slices) =>
            {
                var rows = await run.CopyAsync(query, KeyedRows.Stage, freeze: false, $"{flag}, {written}", slices).ConfigureAwait(false);
                // A row stands for each entry, if only to say that it is gone.
                if (rows > 0)
                    taking = AskAsync(source => source.ExecuteAsync(ForgetStatement(bound)));
                return rows;
            }).ConfigureAwait(false);
        }
        finally
        {
            // The source's session is free for others then, whatever became of the destination.
            await ((Task)taking).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        await taking.ConfigureAwait(false);
        if (history is not null)
            await history.KeepCollectedAsync(lacksKeys: false).ConfigureAwait(false);
        return applied;
    }

    // Up to the key of the last entry that fits; others of the same key come along.
    private string Bound(int? limit) => limit is { } most ? string.Create(CultureInfo.InvariantCulture, $" WHERE ({_key}) <= (SELECT {_key} FROM {_queue} ORDER BY {_key} OFFSET {most - 1L} LIMIT 1)") : "";

    private string SameKey(IReadOnlyDictionary<string, string> collations) =>
        string.Join(" AND ", run.Spec.Key.Select(k => (Quoted: PgIdentifier.Create(k).Quoted, Collate: collations.GetValueOrDefault(k, ""))).Select(k => $"s.{k.Quoted} = e.{k.Quoted}{k.Collate}"));

    // The entries of the queue, each with its row as it is now.
    private string TakeQuery(IReadOnlyDictionary<string, string> collations, string bound, string flag)
    {
        var deleted = TableRun.Deleted.Quoted;
        var columns = run.Columns.Select(c => _logdel ? $"CASE WHEN s.{flag} THEN s.{c.Name.Quoted} ELSE e.{c.Name.Quoted} END"
            : run.Spec.Key.Contains(c.Name.Value) ? $"coalesce(s.{c.Name.Quoted}, e.{c.Name.Quoted})" : $"s.{c.Name.Quoted}");
        // The first entry of each key, by its neighbour: of a DISTINCT over a table without statistics the planner expects 200 rows (src/backend/utils/adt/selfuncs.c,
        // DEFAULT_NUM_DISTINCT) and looks into the source's index for each of them.
        (string Key, string Former)[] key = [.. run.Spec.Key.Select((k, n) => (PgIdentifier.Create(k).Quoted, KeyedRows.Beside(run.Columns, string.Create(CultureInfo.InvariantCulture, $"omnipg_former_{n}"))))];
        var entries = $"SELECT * FROM (SELECT *, {string.Join(", ", key.Select(k => $"lag({k.Key}) OVER w AS {k.Former}"))} FROM {_queue}{bound} WINDOW w AS (ORDER BY {_key}{(_logdel ? $", {deleted} DESC NULLS LAST" : "")})) q"
            + $" WHERE {string.Join(" OR ", key.Select(k => $"{k.Former} IS DISTINCT FROM {k.Key}"))}";
        return
            $"""
            SELECT s.{flag} IS NOT NULL{(_logdel ? $" OR e.{deleted} IS NOT NULL" : "")}, {string.Join(", ", columns)}{(_logdel ? $", CASE WHEN s.{flag} IS NULL THEN e.{deleted} END" : "")}
            FROM ({entries}) e LEFT JOIN (SELECT true AS {flag}, * FROM ({run.Query()}) r) s
                ON {SameKey(collations)}
            """;
    }

    // Of each key all images but the newest one, and that one, too, where the key is a live row's again: apart, for below an OR the source would be looked into for each image.
    private string OlderImages(string bound, string same)
    {
        var (place, deleted) = (KeyedRows.Beside(run.Columns, "omnipg_place"), TableRun.Deleted.Quoted);
        return $"WITH omnipg_entry AS MATERIALIZED (SELECT *, row_number() OVER (PARTITION BY {_key} ORDER BY {deleted} DESC NULLS LAST) AS {place} FROM {_queue}{bound})"
            + $" SELECT {Image()} FROM omnipg_entry e WHERE e.{deleted} IS NOT NULL AND e.{place} > 1"
            + $" UNION ALL SELECT {Image()} FROM omnipg_entry e WHERE e.{deleted} IS NOT NULL AND e.{place} = 1 AND EXISTS (SELECT FROM ({run.Query()}) s WHERE {same})";
    }

    // In the types of the source, which the destination has, too: the queue may have others still, of another binary form. Without lengths, which a cast would cut values to.
    private string Image() => string.Join(", ", run.Columns.Select(c => $"e.{c.Name.Quoted}::{c.OpenType}").Append($"e.{TableRun.Deleted.Quoted}"));

    private async Task<RelationInfo> FindQueueAsync() =>
        await AskAsync(source => RelationInfo.FindAsync(source, run.Spec.Queue!.Value)).ConfigureAwait(false) ?? throw new QueueMissingException(run.Spec.Target, run.Spec.Queue!.Value, null);

    private void RequireColumns(RelationInfo queue)
    {
        var missing = (_logdel ? run.Columns.Select(c => c.Name.Value) : run.Spec.Key).Where(name => !queue.Columns.Any(c => c.Name.Value == name)).ToArray();
        if (missing.Length > 0)
            throw new ColumnDriftException(run.Spec.Target, [.. missing.Select(name => $"queue '{run.Spec.Queue}' of the source has no column '{name}'")], "Add it at the destination, then to the queue.");
    }

    private Task<T> AskAsync<T>(Func<PgSession, Task<T>> ask) => run.Source.AskAsync(run.Spec.Source, source => ask(source.Unlimited));
}
