using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using Npgsql;

namespace OmniPg.Mimeo;

/// <summary>Indexes of the source: which of them tell rows apart, and how they are built at the destination.</summary>
internal sealed class SourceIndexes
{
    // The part of a definition behind the table's name is cut off by the length of what stands before it, which is known word for word
    // (src/backend/utils/adt/ruleutils.c, pg_get_indexdef_worker); flag "known" says that it really stood there.
    private const string Sql =
        """
        WITH one AS (
            SELECT i.*, ic.relname, pg_catalog.pg_get_indexdef(i.indexrelid) AS definition,
                format('CREATE %sINDEX %I ON %s%I.%I ', CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END, ic.relname, CASE tc.relkind WHEN 'p' THEN 'ONLY ' ELSE '' END,
                    n.nspname, tc.relname) AS head
            FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid JOIN pg_catalog.pg_class tc ON tc.oid = i.indrelid
            JOIN pg_catalog.pg_namespace n ON n.oid = tc.relnamespace
            WHERE i.indrelid = $1 AND i.indisvalid)
        SELECT relname::text, indisprimary, indisunique, substr(definition, length(head) + 1), starts_with(definition, head),
            ARRAY(SELECT a.attname::text FROM unnest(indkey[0:indnkeyatts - 1]) WITH ORDINALITY k (num, place) JOIN pg_catalog.pg_attribute a ON a.attrelid = indrelid AND a.attnum = k.num ORDER BY place),
            ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a WHERE a.attrelid = indrelid AND a.attnum > 0 AND (a.attnum = ANY (indkey::int2[]) OR EXISTS (
                SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = indexrelid AND d.refclassid = 'pg_catalog.pg_class'::regclass
                AND d.refobjid = indrelid AND d.refobjsubid = a.attnum))),
            indisunique AND indimmediate AND indpred IS NULL AND indexprs IS NULL AND NOT EXISTS (
                SELECT FROM unnest(indkey[0:indnkeyatts - 1]) k (num) JOIN pg_catalog.pg_attribute a ON a.attrelid = indrelid AND a.attnum = k.num WHERE NOT a.attnotnull)
        FROM one ORDER BY indisprimary DESC, indexrelid
        """;

    private readonly TableRun _run;
    private readonly IReadOnlyList<Index> _all;

    private SourceIndexes(TableRun run, IReadOnlyList<Index> all) => (_run, _all) = (run, all);

    /// <summary>Reads them in the source's snapshot.</summary>
    public static Task<SourceIndexes> ReadAsync(TableRun run) => run.Source.AskAsync(run.Spec.Source, async source =>
    {
        await source.ExecuteAsync("SET LOCAL search_path = pg_catalog").ConfigureAwait(false);
        var all = await source.RowsAsync(Sql, row => new Index(row.GetString(0), row.GetBoolean(1), row.GetBoolean(2), row.GetString(3), row.GetBoolean(4),
            row.GetFieldValue<string[]>(5), row.GetFieldValue<string[]>(6), row.GetBoolean(7)), PgParameter.Of(run.Relation.Oid, NpgsqlTypes.NpgsqlDbType.Oid)).ConfigureAwait(false);
        // What the role has by default: the condition is the operator's text.
        await source.ExecuteAsync("SET LOCAL search_path TO DEFAULT").ConfigureAwait(false);
        return new SourceIndexes(run, all);
    });

    /// <summary>The columns that tell rows apart: those given, else the primary key's, else those of the oldest fit unique index.</summary>
    /// <exception cref="NoReplicationKeyException">There are none, they are not among the copied columns, or an expression stands for one.</exception>
    public IReadOnlyList<ColumnInfo> Key()
    {
        var spec = _run.Spec;
        var names = spec.Key.Count > 0 ? spec.Key : _all.FirstOrDefault(i => i.IsKey)?.Columns
            ?? throw new NoReplicationKeyException(spec.Source, "has no valid primary key or unique index on columns that are never null");
        if (names.FirstOrDefault(spec.Expressions.ContainsKey) is { } replaced)
            throw new NoReplicationKeyException(spec.Source, $"has the key column '{replaced}', for which an expression stands");
        return [.. names.Select(name => _run.Columns.FirstOrDefault(c => c.Name.Value == name)
            ?? throw new NoReplicationKeyException(spec.Source, $"has the key column '{name}', which is not among the copied columns"))];
    }

    /// <summary>Builds indexes on a filled table.</summary>
    /// <param name="table">The table.</param>
    /// <param name="which">Which ones.</param>
    /// <param name="prefix">Before each name; the two tables of a snapshot have the same indexes.</param>
    /// <param name="key">Columns that need a unique index whatever the choice; empty for none.</param>
    /// <param name="load">What has filled the table in transactions of its own, and builds several of them at once; null builds one after another in the destination's transaction.</param>
    public async Task BuildAsync(QualifiedName table, IndexCopy which, string prefix, IReadOnlyList<ColumnInfo> key, ChunkedLoad? load = null)
    {
        var session = _run.Destination.Unlimited;
        var plans = await PlanAsync(table, which, prefix, key).ConfigureAwait(false);
        if (load is null)
        {
            foreach (var plan in plans)
                await BuildOneAsync(session, plan).ConfigureAwait(false);
            return;
        }
        var built = new ConcurrentQueue<Plan>();
        var options = new ParallelOptions { MaxDegreeOfParallelism = _run.Options.MaxParallelChunks, CancellationToken = session.CancellationToken };
        await Parallel.ForEachAsync(plans, options, async (plan, cancellation) =>
        {
            if (await TryAsync(plan, () => load.ElsewhereAsync(at => ExecuteAsync(at, plan.Sql), cancellation)).ConfigureAwait(false))
                built.Enqueue(plan);
        }).ConfigureAwait(false);
        foreach (var plan in built.Where(p => p.IsPrimary))
            await session.ExecuteAsync(plan.Constraint).ConfigureAwait(false);
    }

    /// <summary>Statements that build them, on a table that need not be there yet.</summary>
    public async Task<IReadOnlyList<string>> StatementsAsync(QualifiedName table, IndexCopy which, string prefix, IReadOnlyList<ColumnInfo> key) =>
        [.. (await PlanAsync(table, which, prefix, key).ConfigureAwait(false)).SelectMany(plan => plan.IsPrimary ? (string[])[plan.Sql, plan.Constraint] : [plan.Sql])];

    private async Task<IReadOnlyList<Plan>> PlanAsync(QualifiedName table, IndexCopy which, string prefix, IReadOnlyList<ColumnInfo> key)
    {
        var spec = _run.Spec;
        var names = key.Select(k => k.Name.Value).ToArray();
        var first = _all.FirstOrDefault(i => i.IsKey);
        var chosen = which == IndexCopy.All ? _all.Where(IsCopied) : which == IndexCopy.KeyOnly && first is not null && IsCopied(first) ? [first] : [];
        var hasKey = names.Length == 0;
        var plans = new List<Plan>();
        foreach (var index in chosen)
        {
            hasKey |= index.IsKey && index.Columns.SequenceEqual(names);
            // Rows that were deleted there stay here, with values that come again: then what the key alone makes unique is unique.
            var isUnique = index.IsUnique && (!spec.KeepsDeleted || names.All(index.Columns.Contains));
            var isPrimary = index.IsPrimary && isUnique;
            if (!index.IsKnown)
                _run.Warnings.Add($"Index '{index.Name}' was left out: its definition is not understood.");
            else
                await AddAsync(index.Name, isPrimary ? $"{spec.Target.Name.Value}_{string.Join('_', index.Columns)}_pk" : index.Name.Replace(spec.Source.Name.Value, spec.Target.Name.Value, StringComparison.Ordinal), isUnique, index.Tail, isPrimary).ConfigureAwait(false);
        }
        if (!hasKey)
            await AddAsync("key", $"{spec.Target.Name.Value}_{string.Join('_', names)}_idx", true, $"({string.Join(", ", key.Select(k => k.Name.Quoted))})").ConfigureAwait(false);
        if (spec.Kind == ReplicationKind.Logdel && which == IndexCopy.All)
            await AddAsync(TableRun.Deleted.Value, $"{spec.Target.Name.Value}_{TableRun.Deleted.Value}", false, $"({TableRun.Deleted.Quoted})").ConfigureAwait(false);
        return plans;

        // Values that an expression made may be equal where those of the source are not.
        bool IsCopied(Index index) => index.Used.All(name => _run.Columns.Any(c => c.Name.Value == name) && !spec.Expressions.ContainsKey(name));

        async Task AddAsync(string of, string wanted, bool isUnique, string tail, bool isPrimary = false)
        {
            var name = await FreeNameAsync(table, prefix + wanted, [.. plans.Select(p => p.Name)]).ConfigureAwait(false);
            plans.Add(new Plan(of, name, isPrimary, $"CREATE {(isUnique ? "UNIQUE " : "")}INDEX {name.Quoted} ON {table.Quoted} {tail}",
                $"ALTER TABLE {table.Quoted} ADD CONSTRAINT {name.Quoted} PRIMARY KEY USING INDEX {name.Quoted}"));
        }
    }

    private async Task BuildOneAsync(PgSession session, Plan plan)
    {
        await session.ExecuteAsync("SAVEPOINT omnipg_index").ConfigureAwait(false);
        var done = await TryAsync(plan, async () =>
        {
            await ExecuteAsync(session, plan.Sql).ConfigureAwait(false);
            return plan.IsPrimary ? await session.ExecuteAsync(plan.Constraint).ConfigureAwait(false) : 0;
        }).ConfigureAwait(false);
        await session.ExecuteAsync(done ? "RELEASE SAVEPOINT omnipg_index" : "ROLLBACK TO SAVEPOINT omnipg_index").ConfigureAwait(false);
    }

    // What this server does not have an index for, it may do without.
    private async Task<bool> TryAsync<T>(Plan plan, Func<Task<T>> build)
    {
        try
        {
            await build().ConfigureAwait(false);
            return true;
        }
        catch (PostgresException error) when (error.SqlState is PostgresErrorCodes.UndefinedObject or PostgresErrorCodes.UndefinedFunction or PostgresErrorCodes.InvalidSchemaName)
        {
            lock (_run.Warnings)
                _run.Warnings.Add($"Index '{plan.Of}' was left out: {error.MessageText}.");
            return false;
        }
    }

    private static async Task<int> ExecuteAsync(PgSession session, string sql)
    {
        await PlainStatements.ExecuteAsync(session.Connection, [sql], 0, session.CancellationToken).ConfigureAwait(false);
        return 0;
    }

    private async Task<PgIdentifier> FreeNameAsync(QualifiedName table, string wanted, IReadOnlyList<PgIdentifier> taken)
    {
        for (var number = 0; ; number++)
        {
            var name = Cut(wanted, number == 0 ? "" : "_" + number.ToString(CultureInfo.InvariantCulture));
            if (!taken.Contains(name) && await _run.Destination.ScalarAsync("SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2",
                PgParameter.Text(table.Schema!.Value.Value), PgParameter.Text(name.Value)).ConfigureAwait(false) is null)
                return name;
        }
    }

    /// <summary>A name with a suffix; what is too long for both is cut from the end of the name, as <c>check_name_length()</c> does, but by bytes.</summary>
    public static PgIdentifier Cut(string name, string suffix)
    {
        var kept = new StringBuilder();
        var bytes = suffix.Length;
        foreach (var rune in name.EnumerateRunes())
        {
            if ((bytes += rune.Utf8SequenceLength) > PgIdentifier.MaxBytes)
                break;
            kept.Append(rune);
        }
        return PgIdentifier.Create(kept + suffix);
    }

    private sealed record Plan(string Of, PgIdentifier Name, bool IsPrimary, string Sql, string Constraint);

    private sealed record Index(string Name, bool IsPrimary, bool IsUnique, string Tail, bool IsKnown, IReadOnlyList<string> Columns, IReadOnlyList<string> Used, bool IsKey);
}
