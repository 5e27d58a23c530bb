using System.Transactions;
using Npgsql;

namespace OmniPg.Mimeo;

/// <summary>One table during one call: the open transactions of both sides, the columns, and what has come so far.</summary>
internal sealed class TableRun
{
    private const string Rights =
        """
        SELECT pg_catalog.has_schema_privilege(n.oid, 'USAGE'), pg_catalog.has_table_privilege(c.oid, 'SELECT') OR pg_catalog.has_any_column_privilege(c.oid, 'SELECT'), quote_ident(current_user)
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1
        """;

    /// <summary>Column of a logdel's destination and queue: when the row was deleted at the source.</summary>
    public static readonly PgIdentifier Deleted = PgIdentifier.Create("mimeo_source_deleted");

    /// <summary>Column of every queue, as the original has it.</summary>
    public static readonly PgIdentifier Processed = PgIdentifier.Create("processed");

    private const long WholeBytes = 64 * 1024 * 1024;

    // What the sockets of both sides hold is of this size: the source goes on while a slice is taken on.
    private const long SliceBytes = 4 * 1024 * 1024;

    private readonly NpgsqlDataSource _destinationServer;
    private readonly Lock _counting = new();

    private TableRun(NpgsqlDataSource destinationServer, IProgress<CopyProgress>? progress) => (_destinationServer, Progress) = (destinationServer, progress);

    public IProgress<CopyProgress>? Progress { get; }

    public required ReplicationSpec Spec { get; init; }

    public required MimeoStore Store { get; init; }

    public required PgSession Destination { get; init; }

    public required SourceSession Source { get; init; }

    public required MimeoOptions Options { get; init; }

    /// <summary>The relation at the source.</summary>
    public required RelationInfo Relation { get; init; }

    /// <summary>Columns that are copied, in the source's order.</summary>
    public required IReadOnlyList<ColumnInfo> Columns { get; init; }

    /// <summary>Columns that are written at the destination.</summary>
    public IEnumerable<PgIdentifier> Written => Spec.Kind == ReplicationKind.Logdel ? Columns.Select(c => c.Name).Append(Deleted) : Columns.Select(c => c.Name);

    public required List<string> Warnings { get; init; }

    public long Rows { get; private set; }

    public long Bytes { get; private set; }

    /// <summary>Counts what came by another way than a copy.</summary>
    public void Count(long rows, long bytes) => (Rows, Bytes) = (Rows + rows, Bytes + bytes);

    public CopyFormat Format => ColumnInfo.AreBinary(Columns, Into) ? CopyFormat.Binary : CopyFormat.Text;

    /// <summary>Major of the destination.</summary>
    public int Into => PgServerVersion.Of(Destination.Connection).Major;

    /// <summary>Reads the source's catalog in the snapshot that was taken.</summary>
    public static Task<TableRun> BeginAsync(
        ReplicationSpec spec, MimeoStore store, PgSession destination, SourceSession source, MimeoOptions options, NpgsqlDataSource destinationServer, IProgress<CopyProgress>? progress,
        List<string>? warnings = null) =>
        source.AskAsync(spec.Source, _ => ReadAsync(spec, store, destination, source, options, destinationServer, progress, warnings ?? []));

    private static async Task<TableRun> ReadAsync(
        ReplicationSpec spec, MimeoStore store, PgSession destination, SourceSession source, MimeoOptions options, NpgsqlDataSource destinationServer, IProgress<CopyProgress>? progress,
        List<string> warnings)
    {
        // Types are named with their schema then, as the destination needs them; the condition is the operator's text for the role's own path.
        await source.Session.ExecuteAsync("SET LOCAL search_path = pg_catalog").ConfigureAwait(false);
        var relation = await RelationInfo.FindAsync(source.Session, spec.Source).ConfigureAwait(false) ?? throw new SourceTableNotFoundException(spec.Source, source.Name);
        await source.Session.ExecuteAsync("SET LOCAL search_path TO DEFAULT").ConfigureAwait(false);
        var (usage, select, role) = await source.Session.RowAsync(Rights, row => (row.GetBoolean(0), row.GetBoolean(1), row.GetString(2)),
            PgParameter.Of(relation.Oid, NpgsqlTypes.NpgsqlDbType.Oid)).ConfigureAwait(false);
        if (!usage || !select)
        {
            throw new MimeoPermissionException(source.Name, $"read '{spec.Source}'",
                $"GRANT {(usage ? $"SELECT ON {spec.Source.Quoted}" : $"USAGE ON SCHEMA {spec.Source.Schema!.Value.Quoted}")} TO {role};", null);
        }
        var run = new TableRun(destinationServer, progress)
        {
            Spec = spec, Store = store, Destination = destination, Source = source, Options = options, Relation = relation, Warnings = warnings,
            Columns = await MissingColumns.LeaveOutAsync(destination, spec, relation.Pick(spec.Columns, spec.Target)).ConfigureAwait(false),
        };
        if (spec.HasQueue)
            RequireFree(spec, spec.Kind == ReplicationKind.Logdel ? run.Columns.Select(c => c.Name) : spec.Key.Select(PgIdentifier.Create));
        var unknown = spec.Expressions.Keys.Where(name => run.Columns.All(c => c.Name.Value != name)).ToArray();
        if (unknown.Length > 0)
            throw new ColumnDriftException(spec.Target, [.. unknown.Select(name => $"'{name}', for which an expression stands, is not copied")], "Correct the names of the expressions.");
        await run.CheckTextsAsync().ConfigureAwait(false);
        return run;
    }

    /// <summary>The query of the source's rows.</summary>
    /// <param name="bounds">Predicate on the copied columns; null for none. The condition stands apart from it, so that an OR inside cannot widen it.</param>
    /// <param name="select">What is selected; null for the copied columns.</param>
    /// <param name="ctid">Name under which the bounds know where a row stands; null for none.</param>
    public string Query(string? bounds = null, string? select = null, string? ctid = null)
    {
        var own = string.Join(", ", Columns.Select(Value).Concat(ctid is null ? [] : [$"{Spec.Source.Quoted}.ctid AS {ctid}"]));
        // The line break ends a comment at the end of the condition.
        return $"SELECT {select ?? ColumnList} FROM (SELECT {own} FROM {Spec.Source.Quoted} {Spec.Condition}\n) AS s{(bounds is null ? "" : " WHERE " + bounds)}";
    }

    /// <summary>Names of the copied columns, quoted.</summary>
    public string ColumnList => string.Join(", ", Columns.Select(c => c.Name.Quoted));

    /// <summary>Copies rows into a relation of the destination.</summary>
    /// <param name="query">The rows.</param>
    /// <param name="into">The relation, which has all copied columns.</param>
    /// <param name="freeze">Whether this transaction created or truncated it.</param>
    /// <param name="columns">Columns of the relation that the query fills, quoted; null for those that are copied.</param>
    /// <param name="slices">Statements that take the rows on which are there, now and then while more come; null for none.</param>
    /// <returns>Number of rows.</returns>
    public Task<long> CopyAsync(string query, QualifiedName into, bool freeze, string? columns = null, IReadOnlyList<string>? slices = null) =>
        CopyAsync(Source.Session, Destination, query, into, freeze, columns, Progress, slices);

    /// <summary>The same between other sessions of both sides.</summary>
    public async Task<long> CopyAsync(PgSession source, PgSession destination, string query, QualifiedName into, bool freeze, string? columns, IProgress<CopyProgress>? progress, IReadOnlyList<string>? slices = null)
    {
        columns ??= ColumnList;
        var (pid, since) = await destination.RowAsync("SELECT pg_catalog.pg_backend_pid(), pg_catalog.pg_postmaster_start_time()", row => (row.GetInt32(0), row.Instant(1))).ConfigureAwait(false);
        var pipe = new CopyPipe
        {
            Source = source.Connection, Query = query, Destination = destination.Connection, Name = Spec.Target, Format = Format, Freeze = freeze,
            Into = Target(into, columns), BufferBytes = Options.PipeBufferBytes, Progress = progress, Throttle = Source.Throttle, EstimatedRows = Relation.EstimatedRows,
            BetweenParts = slices ?? [], PartBytes = slices is null ? WholeBytes : SliceBytes,
            // Another session of the same role may end the statement; the driver has no way to do it for a COPY that writes.
            CancelDestination = async cancellation =>
            {
                using var outside = new TransactionScope(TransactionScopeOption.Suppress, TransactionScopeAsyncFlowOption.Enabled);
                var another = await BesideAsync(destination.Connection, cancellation).ConfigureAwait(false);
                await using var closing = another.ConfigureAwait(false);
                // On another server the number is that of somebody else's session.
                await new PgSession(another, destination.CommandTimeoutSeconds, CancellationToken.None).ScalarAsync(
                    "SELECT pg_catalog.pg_cancel_backend($1) WHERE pg_catalog.pg_postmaster_start_time() = $2", PgParameter.Integer(pid), PgParameter.Instant(since)).ConfigureAwait(false);
                outside.Complete();
            },
        };
        await pipe.RunAsync(destination.CancellationToken).ConfigureAwait(false);
        lock (_counting)
        {
            Rows += pipe.Rows;
            Bytes += pipe.Bytes;
        }
        return pipe.Rows;
    }

    /// <summary>The statements of a copy, at the source and at the destination.</summary>
    public (string Out, string In) CopyStatements(string query, QualifiedName into, bool freeze, string? columns = null) =>
        (CopyPipe.Out(query, Format), CopyPipe.In(Target(into, columns ?? ColumnList), Format, freeze));

    private static string Target(QualifiedName into, string columns) => columns.Length == 0 ? into.Quoted : $"{into.Quoted} ({columns})";

    // Of several hosts that which was down before may answer now, and a data source would lead there.
    private async Task<NpgsqlConnection> BesideAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        var settings = new NpgsqlConnectionStringBuilder(_destinationServer.ConnectionString);
        if (settings.Host?.Contains(',', StringComparison.Ordinal) != true)
            return await _destinationServer.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        foreach (var key in (string[])["Target Session Attributes", "Load Balance Hosts", "Host Recheck Seconds"])
            settings.Remove(key);
        (settings.Host, settings.Port, settings.Pooling) = (connection.Host, connection.Port, false);
        var another = connection.CloneWith(settings.ConnectionString);
        try
        {
            await another.OpenAsync(cancellationToken).ConfigureAwait(false);
            return another;
        }
        catch
        {
            await another.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>The destination with names and types of the source, as the original makes it: no defaults, no NOT NULL.</summary>
    public string TableDefinition(QualifiedName table) =>
        $"CREATE TABLE {table.Quoted} ({string.Join(", ", Columns.Select(c => $"{c.Name.Quoted} {c.Type}"))}{(Spec.Kind == ReplicationKind.Logdel ? $", {Deleted.Quoted} timestamptz" : "")})";

    /// <summary>Executes it in the destination's transaction.</summary>
    public Task CreateTableAsync(QualifiedName table) => Destination.ExecuteAsync(TableDefinition(table));

    /// <summary>Refuses a destination that lacks a copied column or has it with another type.</summary>
    public void RequireFit(RelationInfo destination)
    {
        var differences = (from column in Columns
                           let there = destination.Columns.FirstOrDefault(c => c.Name == column.Name)
                           where there is null || there.BaseType != column.BaseType || there.IsGenerated
                           select there is null ? $"'{column.Name.Value}' ({column.Type}) is missing at the destination"
                               : there.IsGenerated ? $"'{column.Name.Value}' is generated at the destination"
                               : $"'{column.Name.Value}' is {column.Type} at the source and {there.Type} at the destination").ToArray();
        if (Spec.Kind == ReplicationKind.Logdel && destination.Columns.All(c => c.Name != Deleted || c.Type != "timestamp with time zone"))
            differences = [.. differences, $"'{Deleted}' (timestamp with time zone) is missing at the destination"];
        differences = [.. differences, .. Spec.Key.Where(name => Columns.All(c => c.Name.Value != name)).Select(name => $"the source has no column '{name}' any more, which is of the key")];
        if (differences.Length > 0)
            throw new ColumnDriftException(Spec.Target, differences, "Change the destination's columns, or leave them out.");
    }

    /// <summary>Refuses a source whose changes nothing can follow.</summary>
    /// <exception cref="SourceKindException">It is no table.</exception>
    public void RequireTable()
    {
        if (Relation.Kind is not ('r' or 'p'))
            throw new SourceKindException(Spec.Source, Relation.Kind switch { 'v' => "view", 'm' => "materialized view", _ => "foreign table" });
    }

    /// <summary>Refuses columns to be queued under a name that the queue needs for itself.</summary>
    /// <exception cref="ColumnDriftException">There are some; all of them.</exception>
    public static void RequireFree(ReplicationSpec spec, IEnumerable<PgIdentifier> queued)
    {
        var taken = queued.Where(name => IsOfQueue(spec, name)).ToArray();
        if (taken.Length == 0)
            return;
        throw new ColumnDriftException(spec.Target, [.. taken.Select(name => $"the source has a column '{name}', {(name == Deleted ? "in which the time of a delete has to stand" : "by which the queue of the source says what is done")}")],
            spec.Kind == ReplicationKind.Logdel ? "Leave it out of the columns." : "Choose another key, or another method.");
    }

    /// <summary>Whether a column of the queue is its own, and none of the source.</summary>
    public static bool IsOfQueue(ReplicationSpec spec, PgIdentifier column) => column == Processed || (spec.Kind == ReplicationKind.Logdel && column == Deleted);

    // Alone in the extended protocol, which takes one statement: in the COPY, which knows the simple one only, the text could end the query and go on.
    private async Task CheckTextsAsync()
    {
        if (Spec.Condition is null && Spec.Expressions.Count == 0)
            return;
        var from = $"FROM {Spec.Source.Quoted} {Spec.Condition}\nLIMIT 0";
        // Each for itself first, to name the one that is wrong.
        var texts = Spec.Expressions.Select(e => (Text: e.Value, Query: $"SELECT {Value(Columns.First(c => c.Name.Value == e.Key))} {from}")).ToList();
        if (Spec.Condition is { } condition)
            texts.Insert(0, (condition, "SELECT 1 " + from));
        foreach (var (text, query) in texts.Append((string.Join("', '", texts.Select(t => t.Text)), Query() + " LIMIT 0")))
        {
            try
            {
                await PlainStatements.ExecuteAsync(Source.Session.Connection, [query], Source.Session.CommandTimeoutSeconds, Source.Session.CancellationToken).ConfigureAwait(false);
            }
            catch (PostgresException error) when (IsOfCondition(error))
            {
                throw new InvalidConditionException(text, error.MessageText, error, isExpression: text != Spec.Condition);
            }
        }
    }

    // The line break ends a comment at the end of an expression.
    private string Value(ColumnInfo column) => Spec.Expressions.TryGetValue(column.Name.Value, out var sql) ? $"({sql}\n)::{column.Type} AS {column.Name.Quoted}" : $"{Spec.Source.Quoted}.{column.Name.Quoted}";

    /// <summary>Whether the server refuses the text itself: syntax or names, values, features (classes 42, 22, 0A). A lock or a shutdown says nothing of it.</summary>
    public static bool IsOfCondition(PostgresException error) => error.SqlState != PostgresErrorCodes.InsufficientPrivilege && error.SqlState[..2] is "42" or "22" or "0A";
}
