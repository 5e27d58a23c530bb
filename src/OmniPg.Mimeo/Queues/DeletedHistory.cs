namespace OmniPg.Mimeo;

/// <summary>Images of deleted rows that have to make room in a logdel, for the live row of their key or for a newer image: they move to a table beside it.</summary>
/// <remarks>
/// An image is known by its key and the time of its delete, so that what a queue tells once more is found there already. Nothing is ever changed or deleted in that table: what it holds
/// stands nowhere else.
/// </remarks>
internal sealed class DeletedHistory
{
    /// <summary>Longest name of a destination that has one.</summary>
    public const int MaxNameBytes = PgIdentifier.MaxBytes - 8;

    private static readonly QualifiedName Images = QualifiedName.Create("pg_temp", "omnipg_image");

    private readonly TableRun _run;
    private readonly QualifiedName _history;
    private readonly PgIdentifier[] _kept;
    private long _collected;

    private DeletedHistory(TableRun run, QualifiedName history, PgIdentifier[] kept) => (_run, _history, _kept) = (run, history, kept);

    /// <summary>Name of the table.</summary>
    public static QualifiedName Table(QualifiedName destination) => QualifiedName.Create(destination.Schema!.Value.Value, destination.Name.Value + "_deleted");

    /// <summary>Makes it with the columns of the destination, or takes one that is there.</summary>
    /// <returns>False where it was there.</returns>
    /// <exception cref="ColumnDriftException">What is there cannot hold its rows.</exception>
    public static async Task<bool> MakeAsync(PgSession session, QualifiedName destination, IEnumerable<string> key)
    {
        var history = Table(destination);
        var table = await RelationInfo.FindAsync(session, destination).ConfigureAwait(false) ?? throw new DestinationMissingException(destination);
        if (await RelationInfo.FindAsync(session, history).ConfigureAwait(false) is { } there)
        {
            RequireFit(destination, table.Columns, there);
            return false;
        }
        foreach (var statement in Statements(destination, key))
            await session.ExecuteAsync(statement).ConfigureAwait(false);
        return true;
    }

    /// <summary>Statements that make it.</summary>
    public static IReadOnlyList<string> Statements(QualifiedName destination, IEnumerable<string> key) =>
    [
        $"CREATE TABLE {Table(destination).Quoted} AS SELECT * FROM {destination.Quoted} WITH NO DATA",
        $"CREATE INDEX ON {Table(destination).Quoted} ({string.Join(", ", key.Select(k => PgIdentifier.Create(k).Quoted))}, {TableRun.Deleted.Quoted})",
    ];

    /// <summary>That of a table which keeps it; null for one that does not.</summary>
    /// <param name="run">The table.</param>
    /// <param name="table">The destination.</param>
    /// <exception cref="DestinationMissingException">It is gone.</exception>
    /// <exception cref="ColumnDriftException">It cannot hold the rows of the destination.</exception>
    public static async Task<DeletedHistory?> OfAsync(TableRun run, RelationInfo table)
    {
        if (!run.Spec.KeepHistory)
            return null;
        var history = await RelationInfo.FindAsync(run.Destination, Table(run.Spec.Target)).ConfigureAwait(false) ?? throw new DestinationMissingException(Table(run.Spec.Target));
        RequireFit(run.Spec.Target, table.Columns.Where(c => run.Written.Contains(c.Name)), history);
        // Of an image that stands here, columns that the source does not have any more are a part, too, and those that the destination alone has.
        return new DeletedHistory(run, history.Name, [.. table.Columns.Select(c => c.Name).Where(name => history.Columns.Any(h => h.Name == name))]);
    }

    /// <summary>Gives it columns that the source has by now, in the destination's transaction.</summary>
    public static async Task AddColumnsAsync(TableRun run)
    {
        var history = await RelationInfo.FindAsync(run.Destination, Table(run.Spec.Target)).ConfigureAwait(false) ?? throw new DestinationMissingException(Table(run.Spec.Target));
        var missing = run.Columns.Where(c => history.Columns.All(h => h.Name != c.Name)).ToArray();
        if (missing.Length > 0)
            await run.Destination.ExecuteAsync($"ALTER TABLE {history.Name.Quoted} {string.Join(", ", missing.Select(c => $"ADD COLUMN {c.Name.Quoted} {c.Type}"))}").ConfigureAwait(false);
    }

    /// <summary>Statement that keeps what staged rows are about to push out of the destination.</summary>
    public string KeepDisplaced() =>
        $"INSERT INTO {_history.Quoted} ({Columns(_kept, "")}) SELECT {Columns(_kept, "d.")} FROM {_run.Spec.Target.Quoted} d WHERE d.{TableRun.Deleted.Quoted} IS NOT NULL"
            + $" AND EXISTS (SELECT FROM {KeyedRows.Stage.Quoted} s WHERE {Same("s", "d")} AND s.{TableRun.Deleted.Quoted} IS DISTINCT FROM d.{TableRun.Deleted.Quoted}) AND {IsNew("d")}";

    /// <summary>Brings images from the source that never come to the destination, for something newer stands in the queue or the table there.</summary>
    /// <param name="images">Query of their rows.</param>
    public async Task CollectAsync(string images)
    {
        var written = Columns(_run.Written, "");
        await _run.Destination.Unlimited.ExecuteAsync($"CREATE TEMP TABLE {Images.Name.Quoted} ON COMMIT DROP AS SELECT {written} FROM {_run.Spec.Target.Quoted} WITH NO DATA").ConfigureAwait(false);
        _collected = await _run.CopyAsync(images, Images, freeze: false, written).ConfigureAwait(false);
    }

    /// <summary>Keeps them.</summary>
    public async Task KeepCollectedAsync()
    {
        var written = Columns(_run.Written, "");
        if (_collected > 0)
            await _run.Destination.Unlimited.ExecuteAsync($"INSERT INTO {_history.Quoted} ({written}) SELECT {written} FROM {Images.Quoted} i WHERE {IsNew("i")}").ConfigureAwait(false);
        await _run.Destination.ExecuteAsync($"DROP TABLE {Images.Quoted}").ConfigureAwait(false);
    }

    private static void RequireFit(QualifiedName destination, IEnumerable<ColumnInfo> columns, RelationInfo history)
    {
        var differences = (from column in columns
                           let there = history.Columns.FirstOrDefault(c => c.Name == column.Name)
                           where there is null || there.BaseType != column.BaseType || there.IsGenerated
                           select there is null ? $"'{column.Name.Value}' ({column.Type}) is missing in '{history.Name}'"
                               : there.IsGenerated ? $"'{column.Name.Value}' is generated in '{history.Name}'"
                               : $"'{column.Name.Value}' is {column.Type} at the destination and {there.Type} in '{history.Name}'").ToArray();
        if (differences.Length > 0)
            throw new ColumnDriftException(destination, differences, $"Change the columns of '{history.Name}', or rename it.");
    }

    private string IsNew(string image) => $"NOT EXISTS (SELECT FROM {_history.Quoted} h WHERE {Same("h", image)} AND h.{TableRun.Deleted.Quoted} = {image}.{TableRun.Deleted.Quoted})";

    private string Same(string one, string other) => string.Join(" AND ", _run.Spec.Key.Select(k => PgIdentifier.Create(k).Quoted).Select(k => $"{one}.{k} = {other}.{k}"));

    private static string Columns(IEnumerable<PgIdentifier> columns, string prefix) => string.Join(", ", columns.Select(c => prefix + c.Quoted));
}
