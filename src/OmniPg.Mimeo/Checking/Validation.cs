namespace OmniPg.Mimeo;

/// <summary>Compares the rows of both sides, but for those that the next refresh brings.</summary>
/// <remarks>
/// What is still to come is known by its key: of a queue its entries, of an updater the rows beyond its place. Those keys are left out on both sides, so that a table that
/// is written to meanwhile is equal when it is. An inserter is compared up to its place; a logical table is brought up to date and put back.
/// </remarks>
internal sealed class Validation(TableRun run)
{
    private const string Pending = "omnipg_pending";

    private readonly Dictionary<PgIdentifier, (string There, string Here)> _otherwise = [];

    /// <summary>The query of the source's rows.</summary>
    public string Source { get; private set; } = run.Query();

    /// <summary>The query of the destination's rows.</summary>
    public string Destination { get; private set; } = $"SELECT {run.ColumnList} FROM {run.Spec.Target.Quoted}";

    /// <summary>Counts, and with it sums a hash of each row.</summary>
    public async Task<ValidationResult> RunAsync(ValidationOptions options)
    {
        await AlignAsync(options.Start, options.End).ConfigureAwait(false);
        var there = await run.Source.AskAsync(run.Spec.Source, source => SumAsync(source, Source, options.Checksum, here: false)).ConfigureAwait(false);
        var here = await SumAsync(run.Destination, Destination, options.Checksum, here: true).ConfigureAwait(false);
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
        foreach (var column in run.Columns)
        {
            if (table.Columns.First(c => c.Name == column.Name).Type is var here && here != column.Type)
                _otherwise[column.Name] = (column.Type, here);
        }
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

    /// <summary>Hash of a row, the same on both sides where a column has another length or precision here and holds the same value.</summary>
    /// <param name="alias">The row.</param>
    /// <param name="here">Whether it is one of the destination.</param>
    // Its alias alone would be a column where one is called so.
    public string HashOfRow(string alias, bool here) =>
        Hash(_otherwise.Count == 0 ? $"ROW({alias}.*)::text" : Text(run.Columns.Select(c => c.Name), alias, here));

    /// <summary>Text of some columns of a row in the same way.</summary>
    public string Text(IEnumerable<PgIdentifier> columns, string alias, bool here) => $"ROW({string.Join(", ", columns.Select(c => Value($"{alias}.{c.Quoted}", _otherwise.GetValueOrDefault(c).There, here)))})::text";

    /// <summary>Names the columns that may hold another value here than the source's for ever.</summary>
    public void WarnOfOthers() => run.Warnings.AddRange(_otherwise.Where(o => ColumnInfo.IsNarrower(o.Value.Here, o.Value.There)).Select(
        o => $"'{o.Key.Value}' is {o.Value.There} at the source and {o.Value.Here} at the destination: values that do not fit stay different. Give it the source's type."));

    // Digits and blanks that stand there for the column's sake alone are left out. Values that do not fit here differ, and stay so.
    private static string Value(string value, string? type, bool here) => type switch
    {
        null => value,
        _ when type.EndsWith(']') => here ? $"{value}::{type}" : value,
        _ when type.StartsWith("numeric", StringComparison.Ordinal) => $"pg_catalog.trim_scale({value})",
        _ => $"{value}::text",
    };

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

    private async Task<(long Rows, string? Sum)> SumAsync(PgSession session, string rows, bool checksum, bool here) => await session.Unlimited.RowAsync(
        checksum
            ? $"SELECT count(*), {Sum("h")} FROM (SELECT {HashOfRow("r", here)} AS h FROM ({rows}) AS r) hashed"
            : $"SELECT count(*), NULL FROM ({rows}) AS r",
        row => (row.GetInt64(0), row.Text(1))).ConfigureAwait(false);

    private static string Names(IEnumerable<string> key) => string.Join(", ", key.Select(k => PgIdentifier.Create(k).Quoted));
}
