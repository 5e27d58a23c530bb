using System.Globalization;

namespace OmniPg.Mimeo;

/// <summary>All rows of a large table, by several streams that read one exported snapshot.</summary>
/// <remarks>
/// <para>Each stream is a transaction of its own, so the first rows fill a table beside the destination, which is renamed in the set-up's transaction: nobody sees a part of it. It is logged,
/// for an unlogged one is empty after a crash. One that a set-up left behind is known by its comment and dropped by the next. A snapshot has such a table already, the one that its view
/// does not show.</para>
/// <para>A chunk is a range of blocks, read by a TID range scan. In a partitioned table it is the same range in every leaf: with a leaf's own name in the query, the role would
/// need rights on the leaf.</para>
/// </remarks>
internal sealed class ChunkedLoad
{
    private const string Sizes =
        """
        SELECT sum(pg_catalog.pg_table_size(c.oid))::bigint, max(pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::int),
            bool_and(pg_catalog.has_table_privilege($1, 'SELECT') AND c.relkind = 'r' AND m.amname = 'heap' AND pg_catalog.pg_relation_filenode(c.oid) IS NOT NULL)
        FROM (SELECT $1 UNION SELECT relid FROM pg_catalog.pg_partition_tree($1) WHERE isleaf) t (oid) JOIN pg_catalog.pg_class c ON c.oid = t.oid LEFT JOIN pg_catalog.pg_am m ON m.oid = c.relam
        WHERE c.relkind <> 'p'
        """;

    private readonly TableRun _run;
    private readonly MimeoDatabase _database;
    private readonly IReadOnlyList<string> _chunks;
    private readonly string _ctid;
    private int _next;

    private ChunkedLoad(TableRun run, MimeoDatabase database, long pages)
    {
        (_run, _database, _ctid) = (run, database, KeyedRows.FlagBeside(run.Columns));
        var count = Math.Clamp(pages, 1, run.Options.MaxParallelChunks * 4L);
        _chunks = [.. Enumerable.Range(0, (int)count).Select(n => Range(pages * n / count, n + 1 < count ? pages * (n + 1) / count : null))];
    }

    /// <summary>How a table is read in chunks; null where one stream is right: it is small, no heap, or the server cannot find blocks by a range, or the role may
    /// read some columns only, among which the place of a row never is.</summary>
    public static async Task<ChunkedLoad?> PlanAsync(TableRun run, MimeoDatabase database)
    {
        if (run.Options.MaxParallelChunks == 1 || run.Relation.Kind is not ('r' or 'p') || PgServerVersion.Of(run.Source.Session.Connection).Major < 14)
            return null;
        var (bytes, pages, isHeap) = await run.Source.AskAsync(run.Spec.Source, source => source.RowAsync(Sizes, row => (row.BigInt(0), row.BigInt(1), row.IsTrue(2)),
            PgParameter.Of(run.Relation.Oid, NpgsqlTypes.NpgsqlDbType.Oid))).ConfigureAwait(false);
        return isHeap && bytes > run.Options.SplitLargerThanBytes && pages > 1 ? new ChunkedLoad(run, database, pages.Value) : null;
    }

    /// <summary>Streams that read at once.</summary>
    public int Streams => Math.Min(_run.Options.MaxParallelChunks, _chunks.Count);

    /// <summary>The query of each chunk.</summary>
    /// <param name="bounds">Predicate on the copied columns; null for none.</param>
    public IEnumerable<string> Queries(string? bounds) => _chunks.Select(chunk => Query(chunk, bounds));

    /// <summary>Statements that make the table beside the destination.</summary>
    /// <param name="owner">Comment by which it is known again.</param>
    public IReadOnlyList<string> Begin(string owner) => [_run.TableDefinition(Side(_run.Spec.Target)), $"COMMENT ON TABLE {Side(_run.Spec.Target).Quoted} IS {PgLiteral.Quote(owner)}"];

    /// <summary>Statements that give it its name.</summary>
    public static IReadOnlyList<string> End(QualifiedName target, QualifiedName table) =>
        [$"COMMENT ON TABLE {Side(target).Quoted} IS NULL", $"ALTER TABLE {Side(target).Quoted} RENAME TO {table.Name.Quoted}"];

    /// <summary>The table beside the destination.</summary>
    public static QualifiedName Side(QualifiedName target) => new(target.Schema, SourceIndexes.Cut(target.Name.Value, "_omnipg_load"));

    /// <summary>Drops a side table that this destination's set-up has left.</summary>
    /// <exception cref="DestinationExistsException">Something of that name belongs to somebody else.</exception>
    public static async Task DropAsync(PgSession session, QualifiedName target, string owner)
    {
        var side = Side(target);
        var found = await session.RowAsync(
            "SELECT pg_catalog.obj_description(c.oid, 'pg_class') FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2",
            row => row.Text(0) ?? "", PgParameter.Text(side.Schema!.Value.Value), PgParameter.Text(side.Name.Value)).ConfigureAwait(false);
        if (found is null)
            return;
        if (found != owner)
            throw new DestinationExistsException(side);
        await session.ExecuteAsync($"DROP TABLE {side.Quoted}").ConfigureAwait(false);
    }

    /// <summary>Makes and fills the side table, in transactions of their own.</summary>
    /// <param name="bounds">Predicate on the copied columns; null for none.</param>
    /// <param name="owner">Comment by which it is known again.</param>
    public async Task<QualifiedName> RunAsync(string? bounds, string owner)
    {
        var side = Side(_run.Spec.Target);
        await ElsewhereAsync(async session =>
        {
            await DropAsync(session, _run.Spec.Target, owner).ConfigureAwait(false);
            foreach (var statement in Begin(owner))
                await session.ExecuteAsync(statement).ConfigureAwait(false);
            return side;
        }, _run.Destination.CancellationToken).ConfigureAwait(false);
        await FillAsync(side, null, bounds).ConfigureAwait(false);
        return side;
    }

    /// <summary>Empties a table that nobody is shown and fills it anew, in transactions of their own: what an attempt that breaks has left there, the next one empties.</summary>
    /// <param name="table">The table.</param>
    /// <param name="isHidden">Whether it is one that nobody is shown, asked behind its lock.</param>
    /// <returns>What a snapshot has to know that sees its rows (<see cref="OlderSnapshots"/>).</returns>
    public async Task<string> RefillAsync(QualifiedName table, Func<PgSession, Task<bool>> isHidden)
    {
        var file = await ElsewhereAsync(async session =>
        {
            // The session that has the lock of the refresh may have died while this one waited, and another refresh shows the table by now.
            await session.Unlimited.ExecuteAsync($"LOCK TABLE {table.Quoted} IN ACCESS EXCLUSIVE MODE").ConfigureAwait(false);
            if (!await isHidden(session).ConfigureAwait(false))
                throw new MimeoLockException(table, "fill it, for another refresh shows it now", null);
            await session.Unlimited.ExecuteAsync($"TRUNCATE {table.Quoted}").ConfigureAwait(false);
            return await SnapshotMethod.FileAsync(session, table).ConfigureAwait(false);
        }, _run.Destination.CancellationToken).ConfigureAwait(false);
        await FillAsync(table, file, null).ConfigureAwait(false);
        return await OlderSnapshots.HorizonAsync(_run.Destination).ConfigureAwait(false);
    }

    private async Task FillAsync(QualifiedName table, uint? file, string? bounds)
    {
        var snapshot = (string)(await _run.Source.AskAsync(_run.Spec.Source, source => source.ScalarAsync("SELECT pg_catalog.pg_export_snapshot()")).ConfigureAwait(false))!;
        var streams = Streams;
        using var failed = CancellationTokenSource.CreateLinkedTokenSource(_run.Destination.CancellationToken);
        var progress = _run.Progress is null ? null : new Total(_run.Progress, streams, _chunks.Count);
        var running = new List<Task>();
        Exception? first = null;
        for (var stream = 0; stream < streams; stream++)
            running.Add(StreamAsync(stream));
        await Task.WhenAll(running).ConfigureAwait(false);
        _run.Destination.CancellationToken.ThrowIfCancellationRequested();
        if (first is not null)
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(first);

        // The first failure is the one that is told; those of the streams that it ended say nothing.
        async Task StreamAsync(int stream)
        {
            try
            {
                await PourAsync(table, file, bounds, snapshot, progress, failed.Token).ConfigureAwait(false);
            }
            catch (Exception error)
            {
                Interlocked.CompareExchange(ref first, error, null);
                await failed.CancelAsync().ConfigureAwait(false);
            }
        }
    }

    /// <summary>Works at the destination in a transaction of its own.</summary>
    public async Task<T> ElsewhereAsync<T>(Func<PgSession, Task<T>> work, CancellationToken cancellationToken)
    {
        var connection = await _database.OpenAsync(cancellationToken).ConfigureAwait(false);
        await using var closing = connection.ConfigureAwait(false);
        var session = _database.On(connection, cancellationToken);
        return await session.InTransactionAsync(async () =>
        {
            await CopySettings.AgreeAsync(session, _run.Options.LockTimeout).ConfigureAwait(false);
            return await work(session).ConfigureAwait(false);
        }).ConfigureAwait(false);
    }

    private async Task<long> PourAsync(QualifiedName table, uint? file, string? bounds, string snapshot, Total? progress, CancellationToken cancellationToken)
    {
        var source = await _run.Source.AnotherAsync(cancellationToken).ConfigureAwait(false);
        await using var closing = source.ConfigureAwait(false);
        await source.ImportSnapshotAsync(_run.Spec.Source, _run.Options.LockTimeout, snapshot).ConfigureAwait(false);
        return await ElsewhereAsync(async session =>
        {
            if (file is not null)
                await RequireFileAsync(session, table, file).ConfigureAwait(false);
            for (int chunk; (chunk = Interlocked.Increment(ref _next) - 1) < _chunks.Count;)
                await _run.CopyAsync(source.Session, session, Query(_chunks[chunk], bounds), table, freeze: false, columns: null, progress?.Of(chunk)).ConfigureAwait(false);
            return 0L;
        }, cancellationToken).ConfigureAwait(false);
    }

    // As above: another refresh may have emptied it for its own rows. From here on none can.
    private static async Task RequireFileAsync(PgSession session, QualifiedName table, uint? file)
    {
        await session.Unlimited.ExecuteAsync($"LOCK TABLE {table.Quoted} IN ROW EXCLUSIVE MODE").ConfigureAwait(false);
        if (await SnapshotMethod.FileAsync(session, table).ConfigureAwait(false) != file)
            throw new MimeoLockException(table, "fill it, for another refresh fills it now", null);
    }

    private string Query(string chunk, string? bounds) => _run.Query(bounds is null ? chunk : $"{chunk} AND {bounds}", ctid: _ctid);

    private string Range(long from, long? to) => string.Create(CultureInfo.InvariantCulture, $"{_ctid} >= '({from},0)'::tid")
        + (to is { } end ? string.Create(CultureInfo.InvariantCulture, $" AND {_ctid} < '({end},0)'::tid") : "");

    /// <summary>The chunks of one table as one progress.</summary>
    private sealed class Total(IProgress<CopyProgress> progress, int streams, int chunks)
    {
        private readonly CopyProgress[] _chunks = new CopyProgress[chunks];
        private readonly System.Diagnostics.Stopwatch _clock = System.Diagnostics.Stopwatch.StartNew();
        private readonly Lock _lock = new();

        public IProgress<CopyProgress> Of(int chunk) => new One(this, chunk);

        // Under the lock, so that nobody is told of fewer rows than before.
        private void Report(int chunk, CopyProgress value)
        {
            lock (_lock)
            {
                _chunks[chunk] = value;
                progress.Report(value with { Rows = _chunks.Sum(c => c.Rows), Bytes = _chunks.Sum(c => c.Bytes), Elapsed = _clock.Elapsed, Streams = streams });
            }
        }

        private sealed class One(Total total, int chunk) : IProgress<CopyProgress>
        {
            public void Report(CopyProgress value) => total.Report(chunk, value);
        }
    }
}
