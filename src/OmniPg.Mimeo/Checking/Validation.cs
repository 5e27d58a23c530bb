namespace OmniPg.Mimeo;

/// <summary>Compares the rows of both sides, but for those that the next refresh brings.</summary>
/// <remarks>
/// What is still to come is known by its key: of a queue its entries, of an updater the rows beyond its place. Those keys are left out on both sides, so that a table that
/// is written to meanwhile is equal when it is. An inserter is compared up to its place; a logical table is brought up to date and put back.
/// </remarks>
internal sealed class Validation(TableRun run)
{
    private const string Pending = "omnipg_pending";

    /// <summary>The query of the source's rows.</summary>
    public string Source { get; private set; } = run.Query();

    /// <summary>The query of the destination's rows.</summary>
    public string Destination { get; private set; } = $"SELECT {run.ColumnList} FROM {run.Spec.Target.Quoted}";

    /// <summary>Counts, and with it sums a hash of each row.</summary>
    public async Task<ValidationResult> RunAsync(ValidationOptions options)
    {
        await AlignAsync(options.Start, options.End).ConfigureAwait(false);
        var there = await run.Source.AskAsync(run.Spec.Source, source => SumAsync(source, Source, options.Checksum)).ConfigureAwait(false);
        var here = await SumAsync(run.Destination, Destination, options.Checksum).ConfigureAwait(false);
        await PutBackAsync().ConfigureAwait(false);
        return new ValidationResult(run.Spec.Target, there.Rows, here.Rows, there.Sum, here.Sum, run.Warnings);
    }

    /// <summary>Brings both queries to what has to be equal; a logical table is up to date then.</summary>
    /// <param name="start">Value of the cursor column below the rows; null for no bound.</param>
    /// <param name="end">Value above them.</param>
    public async Task AlignAsync(string? start, string? end)
    {
        var spec = run.Spec;
        var table = await RelationInfo.FindAsync(run.Destination, spec.Target).ConfigureAwait(false) ?? throw new DestinationMissingException(spec.Target);
        run.RequireFit(table);
        if (spec.Kind == ReplicationKind.Logdel)
            Destination += $" WHERE {TableRun.Deleted.Quoted} IS NULL";
        // What is still to come is in the log: applied for the length of the comparison, whose snapshot it goes by.
        if (spec.Kind == ReplicationKind.Logical)
        {
            await run.Destination.ExecuteAsync("SAVEPOINT omnipg_compare").ConfigureAwait(false);
            await new LogicalMethod(run).RefreshAsync(null, all: false).ConfigureAwait(false);
        }
        if (spec.HasQueue)
            await LeaveOutAsync($"SELECT DISTINCT {Names(spec.Key)} FROM {spec.Queue!.Value.Quoted}", await QueueMethod.CollationsAsync(run).ConfigureAwait(false)).ConfigureAwait(false);
        else if (spec.HasCursor)
            await UpToPlaceAsync(start, end).ConfigureAwait(false);

        // A time is written in the zone of the session: that of the source, for its condition may mean that zone.
        var zone = (string)(await run.Source.AskAsync(spec.Source, source => source.ScalarAsync("SELECT pg_catalog.current_setting('TimeZone')")).ConfigureAwait(false))!;
        await run.Destination.ScalarAsync("SELECT pg_catalog.set_config('TimeZone', $1, true)", PgParameter.Text(zone)).ConfigureAwait(false);
    }

    /// <summary>Undoes what a logical table was brought up to date by.</summary>
    public async Task PutBackAsync()
    {
        if (run.Spec.Kind == ReplicationKind.Logical)
            await run.Destination.ExecuteAsync("ROLLBACK TO SAVEPOINT omnipg_compare").ConfigureAwait(false);
    }

    /// <summary>Hash of a text, the same in databases of any encoding.</summary>
    public static string Hash(string text) => $"pg_catalog.md5(pg_catalog.convert_to({text}, 'UTF8'))";

    /// <summary>Hash of a row. Its alias alone would be a column where one is called so.</summary>
    public static string HashOfRow(string alias) => Hash($"ROW({alias}.*)::text");

    /// <summary>Both halves of a hash as sums, so that no order is needed and two equal differences do not cancel out.</summary>
    public static string Sum(string hash) => $"coalesce(sum(('x' || substr({hash}, 1, 16))::bit(64)::bigint), 0) || ':' || coalesce(sum(('x' || substr({hash}, 17))::bit(64)::bigint), 0)";

    private async Task UpToPlaceAsync(string? start, string? end)
    {
        var cursor = new CursorMethod(run);
        var beyond = await cursor.BeyondPlaceAsync().ConfigureAwait(false);
        if (run.Spec.Kind == ReplicationKind.Updater)
            await LeaveOutAsync(run.Query(beyond, Names(run.Spec.Key)), new Dictionary<string, string>()).ConfigureAwait(false);
        var window = cursor.Within(start, end);
        Source = $"SELECT * FROM ({Source}) p WHERE NOT ({beyond}) AND {window}";
        Destination = $"SELECT * FROM ({Destination}) p WHERE {window}";
    }

    // The keys go to the destination, too: the rows that stand there for them are older ones.
    private async Task LeaveOutAsync(string keys, IReadOnlyDictionary<string, string> collations)
    {
        var names = Names(run.Spec.Key);
        await run.Destination.ExecuteAsync($"CREATE TEMP TABLE {Pending} ON COMMIT DROP AS SELECT {names} FROM {run.Spec.Target.Quoted} WITH NO DATA").ConfigureAwait(false);
        await run.CopyAsync(keys, QualifiedName.Create("pg_temp", Pending), freeze: false, names).ConfigureAwait(false);
        await run.Destination.ExecuteAsync($"ANALYZE pg_temp.{Pending}").ConfigureAwait(false);
        Source = Without(Source, keys, collations);
        Destination = Without(Destination, $"SELECT * FROM pg_temp.{Pending}", new Dictionary<string, string>());
    }

    private string Without(string rows, string keys, IReadOnlyDictionary<string, string> collations) => $"SELECT * FROM ({rows}) p WHERE NOT EXISTS (SELECT FROM ({keys}) k WHERE "
        + string.Join(" AND ", run.Spec.Key.Select(k => $"k.{PgIdentifier.Create(k).Quoted}{collations.GetValueOrDefault(k, "")} = p.{PgIdentifier.Create(k).Quoted}")) + ")";

    private static async Task<(long Rows, string? Sum)> SumAsync(PgSession session, string rows, bool checksum) => await session.Unlimited.RowAsync(
        checksum
            ? $"SELECT count(*), {Sum("h")} FROM (SELECT {HashOfRow("r")} AS h FROM ({rows}) AS r) hashed"
            : $"SELECT count(*), NULL FROM ({rows}) AS r",
        row => (row.GetInt64(0), row.Text(1))).ConfigureAwait(false);

    private static string Names(IEnumerable<string> key) => string.Join(", ", key.Select(k => PgIdentifier.Create(k).Quoted));
}
