using System.Text;
using Npgsql;

namespace OmniPg.Mimeo;

/// <summary>Images of deleted rows that have to make room in a logdel, for the live row of their key or for a newer image: they move to a table beside it.</summary>
/// <remarks>
/// An image is known by its key and the time of its delete, so that what a queue tells once more is found there already. Nothing is ever changed or deleted in that table: what it holds
/// stands nowhere else.
/// </remarks>
internal sealed class DeletedHistory
{
    private const string Suffix = "_deleted";

    /// <summary>Longest name of a destination that has one.</summary>
    public const int MaxNameBytes = PgIdentifier.MaxBytes - 8;

    private static readonly QualifiedName Images = QualifiedName.Create("pg_temp", "omnipg_image");

    private static readonly string DropStatement = $"DROP TABLE {Images.Quoted}";

    private readonly TableRun _run;
    private readonly QualifiedName _history;
    private readonly PgIdentifier[] _kept;
    private long _collected;

    private DeletedHistory(TableRun run, QualifiedName history, PgIdentifier[] kept) => (_run, _history, _kept) = (run, history, kept);

    /// <summary>Name of the table.</summary>
    public static QualifiedName Table(QualifiedName destination) => QualifiedName.Create(destination.Schema!.Value.Value, destination.Name.Value + Suffix);

    /// <summary>Makes it with the columns of the destination and for its owner, or takes the one that the same destination had before.</summary>
    /// <param name="session">The destination's transaction.</param>
    /// <param name="store">Where the configuration is.</param>
    /// <param name="server">The destination, for messages.</param>
    /// <param name="spec">The table.</param>
    /// <param name="key">Columns that tell rows apart.</param>
    /// <param name="written">Names of the columns that a refresh writes; asked where it is there.</param>
    /// <returns>False where it was there.</returns>
    /// <exception cref="DestinationExistsException">What is there is not the history of this destination.</exception>
    /// <exception cref="ColumnDriftException">What is there cannot hold the rows that a refresh writes.</exception>
    /// <exception cref="MimeoPermissionException">It cannot be given to the owner of the destination.</exception>
    public static async Task<bool> MakeAsync(PgSession session, MimeoStore store, string server, ReplicationSpec spec, IEnumerable<string> key, Func<Task<IEnumerable<PgIdentifier>>> written)
    {
        await LockAsync(session, spec.Target).ConfigureAwait(false);
        var there = await FindFreeAsync(session, store, spec.Target).ConfigureAwait(false);
        var table = await RelationInfo.FindAsync(session, spec.Target).ConfigureAwait(false) ?? throw new DestinationMissingException(spec.Target);
        if (there is not null)
        {
            var names = (await written().ConfigureAwait(false)).ToHashSet();
            RequireFit(spec.Target, table.Columns.Where(c => names.Contains(c.Name)), there);
            return false;
        }
        var owner = await OwnerAsync(session, spec.Target).ConfigureAwait(false);
        if (owner is not null)
            await TableOwner.RequireAsync(session, server, Table(spec.Target), owner).ConfigureAwait(false);
        var grants = await GrantsAsync(session, spec.Target).ConfigureAwait(false);
        foreach (var statement in Statements(spec.Target, key, await MarkAsync(session, store, spec.Target).ConfigureAwait(false), grants, owner))
            await session.ExecuteAsync(statement).ConfigureAwait(false);
        return true;
    }

    /// <summary>Statements that make it.</summary>
    /// <param name="destination">The destination.</param>
    /// <param name="key">Columns that tell rows apart.</param>
    /// <param name="mark">Comment by which it is known again (<see cref="MarkAsync"/>).</param>
    /// <param name="grants">What gives it to those who read the destination, and to those who refresh it (<see cref="GrantsAsync"/>).</param>
    /// <param name="owner">Role that it is given to; null for none.</param>
    public static IReadOnlyList<string> Statements(QualifiedName destination, IEnumerable<string> key, string mark, IReadOnlyList<string> grants, string? owner) =>
    [
        $"CREATE TABLE {Table(destination).Quoted} AS SELECT * FROM {destination.Quoted} WITH NO DATA",
        $"CREATE INDEX ON {Table(destination).Quoted} ({string.Join(", ", key.Select(k => PgIdentifier.Create(k).Quoted))}, {TableRun.Deleted.Quoted})",
        MarkStatement(destination, mark),
        .. grants,
        .. owner is null ? (string[])[] : [$"ALTER TABLE {Table(destination).Quoted} OWNER TO {PgIdentifier.Create(owner).Quoted}"],
    ];

    /// <summary>Comment of the history of a destination, which no other object has.</summary>
    public static async Task<string> MarkAsync(PgSession session, MimeoStore store, QualifiedName destination) => "History of " + await store.OwnerTextAsync(session, SpecTable.Text(destination)).ConfigureAwait(false);

    private static string MarkStatement(QualifiedName destination, string mark) => $"COMMENT ON TABLE {Table(destination).Quoted} IS {PgLiteral.Quote(mark)}";

    /// <summary>Lets whoever sets up a table of its name wait until the end of the transaction, and see then whose it is.</summary>
    public static Task<object?> LockAsync(PgSession session, QualifiedName destination) => session.ScalarAsync(SpecTable.Lock, PgParameter.Text(SpecTable.Text(Table(destination))));

    /// <summary>Statements that give the history of a destination to those who may read it and add to it; none where that is not there yet, or has row security, which the history would not have.</summary>
    public static Task<IReadOnlyList<string>> GrantsAsync(PgSession session, QualifiedName destination) => session.RowsAsync(
        """
        SELECT format('GRANT %s ON %s TO %s', string_agg(x.privilege_type, ', ' ORDER BY x.privilege_type), $3, CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) END)
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) x
        WHERE n.nspname = $1 AND c.relname = $2 AND x.privilege_type IN ('SELECT', 'INSERT') AND x.grantee <> c.relowner AND NOT c.relrowsecurity GROUP BY x.grantee ORDER BY 1
        """,
        row => row.GetString(0), PgParameter.Text(destination.Schema!.Value.Value), PgParameter.Text(destination.Name.Value), PgParameter.Text(Table(destination).Quoted));

    /// <summary>Owner of a table; null where it belongs to the role itself, or is not there yet.</summary>
    public static async Task<string?> OwnerAsync(PgSession session, QualifiedName table) => await session.ScalarAsync(
        """
        SELECT pg_catalog.pg_get_userbyid(c.relowner)::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = $1 AND c.relname = $2 AND pg_catalog.pg_get_userbyid(c.relowner) <> current_user
        """,
        PgParameter.Text(table.Schema!.Value.Value), PgParameter.Text(table.Name.Value)).ConfigureAwait(false) as string;

    /// <summary>The history that a destination had before; null where the place is free.</summary>
    /// <exception cref="ReplicationConflictException">What is there is managed.</exception>
    /// <exception cref="DestinationExistsException">What is there is not the history of this destination.</exception>
    public static async Task<RelationInfo?> FindFreeAsync(PgSession session, MimeoStore store, QualifiedName destination)
    {
        var history = Table(destination);
        if (await SpecTable.IsManagedAsync(session, store, history).ConfigureAwait(false))
            throw new ReplicationConflictException($"'{history}' is managed, and older images of deleted rows of '{destination}' would have to stand there.", "Choose another destination, or leave KeepHistory out.");
        if (await RelationInfo.FindAsync(session, history).ConfigureAwait(false) is not { } there)
            return null;
        var mark = await MarkAsync(session, store, destination).ConfigureAwait(false);
        return await IsMarkedAsync(session, there, mark).ConfigureAwait(false) ? there : throw new DestinationExistsException(
            history, destination, there.Kind is 'r' or 'p' ? MarkStatement(destination, mark) : null);
    }

    /// <summary>The history that has to go with a destination: one that was made as that, whatever the option says by now; null for none.</summary>
    public static async Task<QualifiedName?> FindOwnAsync(PgSession session, MimeoStore store, QualifiedName destination)
    {
        if (Encoding.UTF8.GetByteCount(destination.Name.Value) > MaxNameBytes || await RelationInfo.FindAsync(session, Table(destination)).ConfigureAwait(false) is not { } there)
            return null;
        return await IsMarkedAsync(session, there, await MarkAsync(session, store, destination).ConfigureAwait(false)).ConfigureAwait(false)
            && !await SpecTable.IsManagedAsync(session, store, there.Name).ConfigureAwait(false) ? there.Name : null;
    }

    /// <summary>Refuses a destination in which images of another one stand, or will.</summary>
    /// <exception cref="ReplicationConflictException">It is the history of another one.</exception>
    public static async Task RequireNoneAsync(PgSession session, MimeoStore store, QualifiedName destination)
    {
        if (!destination.Name.Value.EndsWith(Suffix, StringComparison.Ordinal) || destination.Name.Value.Length == Suffix.Length)
            return;
        var of = QualifiedName.Create(destination.Schema!.Value.Value, destination.Name.Value[..^Suffix.Length]);
        if (await SpecTable.FindAsync(session, store, of).ConfigureAwait(false) is { KeepHistory: true }
            || (await RelationInfo.FindAsync(session, destination).ConfigureAwait(false) is { } there && await IsMarkedAsync(session, there, await MarkAsync(session, store, of).ConfigureAwait(false)).ConfigureAwait(false)))
            throw new ReplicationConflictException($"'{destination}' holds the older images of deleted rows of '{of}', which stand nowhere else.", "Choose another destination.");
    }

    // A view or a foreign table keeps nothing by itself.
    private static async Task<bool> IsMarkedAsync(PgSession session, RelationInfo there, string mark) => there.Kind is 'r' or 'p'
        && await session.ScalarAsync("SELECT pg_catalog.obj_description($1, 'pg_class')", PgParameter.Of(there.Oid, NpgsqlTypes.NpgsqlDbType.Oid)).ConfigureAwait(false) as string == mark;

    /// <summary>That of a table which keeps it; null for one that does not.</summary>
    /// <param name="run">The table.</param>
    /// <param name="table">The destination.</param>
    /// <exception cref="DestinationMissingException">It is gone.</exception>
    /// <exception cref="ColumnDriftException">It cannot hold the rows of the destination.</exception>
    public static async Task<DeletedHistory?> OfAsync(TableRun run, RelationInfo table)
    {
        if (!run.Spec.KeepHistory)
            return null;
        var (history, own) = Of(run, table, await RequireAsync(run.Destination, run.Spec.Target).ConfigureAwait(false));
        if (own.Length > 0)
            await AddOwnAsync(run, own, history._history).ConfigureAwait(false);
        return history;
    }

    /// <summary>The same, with the columns that it gets as steps.</summary>
    public static async Task<DeletedHistory?> PlanAsync(TableRun run, PlanSteps steps, RelationInfo table)
    {
        if (!run.Spec.KeepHistory)
            return null;
        var (history, own) = Of(run, table, MissingColumns.Plan(run, steps, await RequireAsync(run.Destination, run.Spec.Target).ConfigureAwait(false)));
        if (own.Length > 0)
            steps.Alone("column", "The destination has columns that its images have, too.", AddStatement(own, history._history), history._history);
        return history;
    }

    // Of an image that stands here, columns that the source does not have any more are a part, too, and those that the destination alone has.
    // What the server computes from these tells nothing more.
    private static (DeletedHistory History, ColumnInfo[] Own) Of(TableRun run, RelationInfo table, RelationInfo history)
    {
        RequireFit(run.Spec.Target, table.Columns.Where(c => run.Written.Contains(c.Name)), history);
        var lacking = table.Columns.Where(c => history.Columns.All(h => h.Name != c.Name)).ToArray();
        return (new DeletedHistory(run, history.Name, [.. table.Columns.Except(lacking.Where(c => c.IsGenerated)).Select(c => c.Name)]), [.. lacking.Where(c => !c.IsGenerated)]);
    }

    /// <summary>The table, which has to be there.</summary>
    /// <exception cref="DestinationMissingException">It is gone.</exception>
    public static async Task<RelationInfo> RequireAsync(PgSession session, QualifiedName destination) =>
        await RelationInfo.FindAsync(session, Table(destination)).ConfigureAwait(false) ?? throw new DestinationMissingException(Table(destination), destination);

    // Rows that stand in the history already had no such column.
    private static string AddStatement(ColumnInfo[] columns, QualifiedName history) =>
        $"ALTER TABLE {history.Quoted} {string.Join(", ", columns.Select(c => $"ADD COLUMN {c.Name.Quoted} {c.Under ?? c.Type}{c.Collate}"))}";

    private static async Task AddOwnAsync(TableRun run, ColumnInfo[] columns, QualifiedName history)
    {
        var statement = AddStatement(columns, history);
        try
        {
            await run.Destination.ExecuteAsync(statement).ConfigureAwait(false);
        }
        catch (PostgresException error) when (error.SqlState == PostgresErrorCodes.InsufficientPrivilege)
        {
            throw new ColumnDriftException(run.Spec.Target, [.. columns.Select(c => $"'{c.Name.Value}' ({c.Type}) is missing in '{history}'")], $"Let its owner run: {statement};");
        }
    }

    /// <summary>Statement that keeps what staged rows are about to push out of the destination.</summary>
    public string KeepDisplaced() =>
        $"INSERT INTO {_history.Quoted} ({Columns(_kept, "")}) SELECT {Columns(_kept, "d.")} FROM {_run.Spec.Target.Quoted} d WHERE d.{TableRun.Deleted.Quoted} IS NOT NULL"
            + $" AND EXISTS (SELECT FROM {KeyedRows.Stage.Quoted} s WHERE {Same("s", "d")} AND s.{TableRun.Deleted.Quoted} IS DISTINCT FROM d.{TableRun.Deleted.Quoted}) AND {IsNew("d")}";

    /// <summary>Brings images from the source that never come to the destination, for something newer stands in the queue or the table there.</summary>
    /// <param name="images">Query of their rows.</param>
    public async Task CollectAsync(string images)
    {
        await _run.Destination.Unlimited.ExecuteAsync(ImagesStatement).ConfigureAwait(false);
        await RelationInfo.RelaxAsync(_run.Destination, Images).ConfigureAwait(false);
        _collected = await _run.CopyAsync(images, Images, freeze: false, Columns(_run.Written, "")).ConfigureAwait(false);
    }

    /// <summary>Steps of <see cref="CollectAsync"/>.</summary>
    public void PlanCollect(PlanSteps steps, RelationInfo table, string images)
    {
        steps.Here("history", "Images that something newer stands before come apart, and stay.", ImagesStatement);
        if (RelationInfo.RelaxStatement(Images, table.Columns.Where(c => _run.Written.Contains(c.Name))) is { } relax)
            steps.Here("history", "They may lack a value that a domain asks for.", relax);
        steps.Copy(_run, images, Images, freeze: false, Columns(_run.Written, ""));
    }

    /// <summary>Keeps them.</summary>
    /// <param name="lacksKeys">Whether columns of their key are null.</param>
    public async Task KeepCollectedAsync(bool lacksKeys)
    {
        if (_collected > 0)
            await _run.Destination.Unlimited.ExecuteAsync(KeepStatement(lacksKeys)).ConfigureAwait(false);
        await _run.Destination.ExecuteAsync(DropStatement).ConfigureAwait(false);
    }

    /// <summary>Steps of <see cref="KeepCollectedAsync"/>.</summary>
    public void PlanKeepCollected(PlanSteps steps, bool lacksKeys)
    {
        steps.Here("history", "They stay, where any have come.", KeepStatement(lacksKeys));
        steps.Here("history", "Their table is not needed any more.", DropStatement);
    }

    private string ImagesStatement => $"CREATE TEMP TABLE {Images.Name.Quoted} ON COMMIT DROP AS SELECT {Columns(_run.Written, "")} FROM {_run.Spec.Target.Quoted} WITH NO DATA";

    private string KeepStatement(bool lacksKeys) =>
        $"INSERT INTO {_history.Quoted} ({Columns(_run.Written, "")}) SELECT {Columns(_run.Written, "")} FROM {Images.Quoted} i WHERE {IsNew("i", lacksKeys)}";

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

    // No index finds IS NOT DISTINCT FROM, so that it stands where a key may be null alone.
    private string IsNew(string image, bool lacksKeys = false) =>
        $"NOT EXISTS (SELECT FROM {_history.Quoted} h WHERE {Same("h", image, lacksKeys ? "IS NOT DISTINCT FROM" : "=")} AND h.{TableRun.Deleted.Quoted} = {image}.{TableRun.Deleted.Quoted})";

    private string Same(string one, string other, string equals = "=") => string.Join(" AND ", _run.Spec.Key.Select(k => PgIdentifier.Create(k).Quoted).Select(k => $"{one}.{k} {equals} {other}.{k}"));

    private static string Columns(IEnumerable<PgIdentifier> columns, string prefix) => string.Join(", ", columns.Select(c => prefix + c.Quoted));
}
