using System.Globalization;
using Npgsql;

namespace OmniPg.Mimeo;

/// <summary>Two tables and a view over one of them: the other one is filled, then the view changes over in a transaction of its own.</summary>
/// <remarks>Readers wait for the change of the view only, never for a load. A load that was committed is not lost when the change has to wait: it is tried again.</remarks>
internal static class SnapshotMethod
{
    public const int MaxNameBytes = PgIdentifier.MaxBytes - 6;

    private const string Shown =
        """
        SELECT c.relname::text FROM pg_catalog.pg_rewrite r
        JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_catalog.pg_class'::regclass
        JOIN pg_catalog.pg_class c ON c.oid = d.refobjid
        WHERE r.ev_class = $1 AND c.relname = ANY ($2) AND c.relnamespace = (SELECT v.relnamespace FROM pg_catalog.pg_class v WHERE v.oid = $1) LIMIT 1
        """;

    /// <summary>One of the two tables.</summary>
    public static QualifiedName Table(QualifiedName view, int number) =>
        QualifiedName.Create(view.Schema!.Value.Value, string.Create(CultureInfo.InvariantCulture, $"{view.Name.Value}_snap{number}"));

    /// <summary>Both tables, the first one filled, and the view over it.</summary>
    /// <param name="run">The table.</param>
    /// <param name="create">Makes one of them, with indexes whose names begin so, filled or not.</param>
    public static async Task CreateAsync(TableRun run, Func<QualifiedName, string, bool, Task> create)
    {
        var view = run.Spec.Target;
        foreach (var number in (int[])[1, 2])
            await create(Table(view, number), Prefix(number), number == 1).ConfigureAwait(false);
        await run.Destination.ExecuteAsync(View(view, 1)).ConfigureAwait(false);
    }

    /// <summary>Statement that makes the view over one of them.</summary>
    public static string View(QualifiedName view, int number) => $"CREATE VIEW {view.Quoted} AS SELECT * FROM {Table(view, number).Quoted}";

    /// <summary>What the names of the indexes of one of them begin with.</summary>
    public static string Prefix(int number) => string.Create(CultureInfo.InvariantCulture, $"snap{number}_");

    /// <summary>Fills the table that the view does not show.</summary>
    /// <param name="run">The table.</param>
    /// <param name="database">Where more sessions come from for a large one; null where one has to do.</param>
    /// <returns>What the change of the view needs to know.</returns>
    public static async Task<Load> LoadAsync(TableRun run, MimeoDatabase? database)
    {
        var view = run.Spec.Target;
        var found = await RelationInfo.FindAsync(run.Destination, view).ConfigureAwait(false) ?? throw new DestinationMissingException(view);
        var shown = await ShownAsync(run.Destination, found).ConfigureAwait(false) ?? throw new DestinationMissingException(Table(view, 1));
        var number = 3 - shown;
        var table = Table(view, number);
        var indexes = await SourceIndexes.ReadAsync(run).ConfigureAwait(false);
        var inactive = await RelationInfo.FindAsync(run.Destination, table).ConfigureAwait(false) ?? throw new DestinationMissingException(table);
        var active = await RelationInfo.FindAsync(run.Destination, Table(view, shown)).ConfigureAwait(false) ?? throw new DestinationMissingException(Table(view, shown));
        var changed = !SameColumns(inactive, run.Columns);
        if (!changed && SameColumns(active, run.Columns) && database is not null && await ChunkedLoad.PlanAsync(run, database).ConfigureAwait(false) is { } streams)
        {
            var horizon = await streams.RefillAsync(
                table, async session => await RelationInfo.FindAsync(session, view).ConfigureAwait(false) is { } now && await ShownAsync(session, now).ConfigureAwait(false) == shown).ConfigureAwait(false);
            await run.Destination.Unlimited.ExecuteAsync($"ANALYZE {table.Quoted}").ConfigureAwait(false);
            return new Load(number, await FileAsync(run.Destination, table).ConfigureAwait(false), Horizon: horizon);
        }
        if (changed)
            await RebuildAsync(run, inactive).ConfigureAwait(false);
        else
            await run.Destination.Unlimited.ExecuteAsync(EmptyStatement(table)).ConfigureAwait(false);
        await run.CopyAsync(run.Query(), table, freeze: true).ConfigureAwait(false);
        if (changed)
            await indexes.BuildAsync(table, IndexCopy.All, Prefix(number), []).ConfigureAwait(false);
        await run.Destination.Unlimited.ExecuteAsync($"ANALYZE {table.Quoted}").ConfigureAwait(false);
        // A view over other columns is made anew together with the table it showed, while that one has no readers but this transaction's.
        if (!SameColumns(active, run.Columns))
        {
            await ReplaceViewAsync(run, found, active, table).ConfigureAwait(false);
            await indexes.BuildAsync(active.Name, IndexCopy.All, Prefix(shown), []).ConfigureAwait(false);
            // The operator's text, for the path of the role.
            await run.Destination.ExecuteAsync("SET LOCAL search_path TO DEFAULT").ConfigureAwait(false);
            foreach (var statement in run.Spec.PostScript)
                await run.Destination.Unlimited.ExecuteTextAsync(statement).ConfigureAwait(false);
            await run.Destination.ExecuteAsync("SET LOCAL search_path = pg_catalog, pg_temp").ConfigureAwait(false);
            run.Warnings.Add($"The columns of source '{run.Spec.Source}' have changed: view and tables of '{view}' were made anew.");
            return new Load(number, null);
        }
        return new Load(number, await FileAsync(run.Destination, table).ConfigureAwait(false));
    }

    /// <summary>Steps of a refresh, with those that show the rows.</summary>
    /// <param name="run">The table.</param>
    /// <param name="steps">Gets them.</param>
    /// <param name="found">The view.</param>
    /// <param name="database">As for <see cref="LoadAsync"/>.</param>
    public static async Task PlanAsync(TableRun run, PlanSteps steps, RelationInfo found, MimeoDatabase database)
    {
        var view = run.Spec.Target;
        var shown = await ShownAsync(run.Destination, found).ConfigureAwait(false) ?? throw new DestinationMissingException(Table(view, 1));
        var number = 3 - shown;
        var (table, former) = (Table(view, number), Table(view, shown));
        var inactive = await RelationInfo.FindAsync(run.Destination, table).ConfigureAwait(false) ?? throw new DestinationMissingException(table);
        var active = await RelationInfo.FindAsync(run.Destination, former).ConfigureAwait(false) ?? throw new DestinationMissingException(former);
        var indexes = await SourceIndexes.ReadAsync(run).ConfigureAwait(false);
        var (changed, remade) = (!SameColumns(inactive, run.Columns), !SameColumns(active, run.Columns));
        var load = changed || remade ? null : await ChunkedLoad.PlanAsync(run, database).ConfigureAwait(false);
        if (changed)
            AddRebuild(table);
        else
            steps.Alone("empty", "Nobody is shown it.", EmptyStatement(table), table);
        steps.Copy(run, load?.Queries(null) ?? [run.Query()], load?.Streams ?? 1, table, freeze: load is null);
        if (changed)
            steps.AllHere("index", "The source has it.", await indexes.StatementsAsync(table, IndexCopy.All, Prefix(number), []).ConfigureAwait(false));
        steps.Here("analyze", "The planner has to know the rows.", $"ANALYZE {table.Quoted}");
        if (!remade)
        {
            steps.Alone("view", "Readers are shown the new rows.", ShowStatement(view, table), view);
            steps.Alone("empty", "Nobody is shown the former rows any more.", EmptyStatement(former), former);
            return;
        }
        steps.Alone("view", "Its columns are others.", $"DROP VIEW {view.Quoted}", view);
        AddRebuild(former);
        steps.Here("view", "Readers are shown the new rows.", View(view, number));
        steps.TellHere("view", "View and tables were made anew.", "Owner, grants, comments and storage options are put on them as they were");
        steps.AllHere("index", "The source has it.", await indexes.StatementsAsync(former, IndexCopy.All, Prefix(shown), []).ConfigureAwait(false));
        steps.AllHere("script", "It runs where columns have changed.", run.Spec.PostScript);

        void AddRebuild(QualifiedName name)
        {
            steps.Alone("table", "The columns of the source have changed.", $"DROP TABLE {name.Quoted}", name);
            steps.Here("table", "The columns of the source have changed.", run.TableDefinition(name));
        }
    }

    private static string EmptyStatement(QualifiedName table) => $"TRUNCATE {table.Quoted}";

    private static string ShowStatement(QualifiedName view, QualifiedName table) => $"CREATE OR REPLACE VIEW {view.Quoted} AS SELECT * FROM {table.Quoted}";

    /// <summary>Lets the view show the loaded table, in a short transaction under the lock of the table.</summary>
    /// <returns>False when another refresh was faster; its rows are the newer ones.</returns>
    public static async Task<bool> ShowAsync(PgSession session, QualifiedName view, Load load)
    {
        await session.ScalarAsync(SpecTable.Lock, PgParameter.Text(SpecTable.Text(view))).ConfigureAwait(false);
        var table = Table(view, load.Number);
        // A refresh whose session with the other lock has died may be about to empty it.
        await session.ExecuteAsync($"LOCK TABLE {table.Quoted} IN ACCESS SHARE MODE").ConfigureAwait(false);
        if (await FileAsync(session, table).ConfigureAwait(false) != load.File)
            return false;
        await session.ExecuteAsync(ShowStatement(view, table)).ConfigureAwait(false);
        return true;
    }

    /// <summary>Gives back the space of the table that is not shown any more.</summary>
    /// <returns>False when another refresh fills it already.</returns>
    public static async Task<bool> EmptyAsync(PgSession session, QualifiedName view, Load load)
    {
        if (await RelationInfo.FindAsync(session, view).ConfigureAwait(false) is not { } found || await ShownAsync(session, found).ConfigureAwait(false) != load.Number)
            return false;
        await session.ExecuteAsync(EmptyStatement(Table(view, 3 - load.Number))).ConfigureAwait(false);
        return true;
    }

    /// <summary>Ends the management: the shown table becomes the table, or everything goes.</summary>
    public static async Task<IReadOnlyList<QualifiedName>> DropAsync(PgSession session, QualifiedName view, bool keep)
    {
        var found = await RelationInfo.FindAsync(session, view).ConfigureAwait(false);
        var shown = found is null ? null : await ShownAsync(session, found).ConfigureAwait(false);
        var dropped = new List<QualifiedName>();
        var dress = keep && shown is not null ? await Dress.ReadAsync(session, found!).ConfigureAwait(false) : null;
        if (found is not null)
            await DropOneAsync("VIEW", view).ConfigureAwait(false);
        foreach (var number in (int[])[1, 2])
        {
            if (!(keep && number == shown) && await RelationInfo.FindAsync(session, Table(view, number)).ConfigureAwait(false) is { } table)
                await DropOneAsync("TABLE", table.Name).ConfigureAwait(false);
        }
        if (dress is not null)
        {
            await session.ExecuteAsync($"ALTER TABLE {Table(view, shown!.Value).Quoted} RENAME TO {view.Name.Quoted}").ConfigureAwait(false);
            await dress.PutOnAsync(session, [.. found!.Columns.Select(c => c.Name.Value)], isTable: true).ConfigureAwait(false);
        }
        return dropped;

        async Task DropOneAsync(string kind, QualifiedName name)
        {
            await GuardDependentsAsync(name, () => session.ExecuteAsync($"DROP {kind} {name.Quoted}")).ConfigureAwait(false);
            dropped.Add(name);
        }
    }

    private static async Task RebuildAsync(TableRun run, RelationInfo table)
    {
        var dress = await Dress.ReadAsync(run.Destination, table).ConfigureAwait(false);
        await GuardDependentsAsync(table.Name, () => run.Destination.ExecuteAsync($"DROP TABLE {table.Name.Quoted}")).ConfigureAwait(false);
        await run.CreateTableAsync(table.Name).ConfigureAwait(false);
        await dress.PutOnAsync(run.Destination, [.. run.Columns.Select(c => c.Name.Value)], isTable: true).ConfigureAwait(false);
    }

    private static async Task ReplaceViewAsync(TableRun run, RelationInfo view, RelationInfo active, QualifiedName table)
    {
        var dress = await Dress.ReadAsync(run.Destination, view).ConfigureAwait(false);
        await GuardDependentsAsync(view.Name, () => run.Destination.ExecuteAsync($"DROP VIEW {view.Name.Quoted}")).ConfigureAwait(false);
        await RebuildAsync(run, active).ConfigureAwait(false);
        await run.Destination.ExecuteAsync($"CREATE VIEW {view.Name.Quoted} AS SELECT * FROM {table.Quoted}").ConfigureAwait(false);
        await dress.PutOnAsync(run.Destination, [.. run.Columns.Select(c => c.Name.Value)], isTable: false).ConfigureAwait(false);
    }

    private static async Task GuardDependentsAsync(QualifiedName name, Func<Task<int>> drop)
    {
        try
        {
            await drop().ConfigureAwait(false);
        }
        catch (PostgresException error) when (error.SqlState == PostgresErrorCodes.DependentObjectsStillExist)
        {
            throw new DependentObjectsException(name, error);
        }
    }

    private static bool SameColumns(RelationInfo table, IReadOnlyList<ColumnInfo> columns) =>
        table.Columns.Select(c => (c.Name, c.Type)).SequenceEqual(columns.Select(c => (c.Name, c.Type)));

    private static async Task<int?> ShownAsync(PgSession session, RelationInfo view) =>
        await session.ScalarAsync(Shown, PgParameter.Of(view.Oid, NpgsqlTypes.NpgsqlDbType.Oid), PgParameter.Texts([Table(view.Name, 1).Name.Value, Table(view.Name, 2).Name.Value])).ConfigureAwait(false)
            is string name ? name[^1] - '0' : null;

    /// <summary>Number of the table's file, another one after each TRUNCATE.</summary>
    public static async Task<uint?> FileAsync(PgSession session, QualifiedName table) => await session.ScalarAsync(
        "SELECT pg_catalog.pg_relation_filenode(c.oid) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2",
        PgParameter.Text(table.Schema!.Value.Value), PgParameter.Text(table.Name.Value)).ConfigureAwait(false) is uint file ? file : null;

    /// <summary>A filled table that the view does not show yet.</summary>
    /// <param name="Number">Which of the two.</param>
    /// <param name="File">Its file, by which another load is told from this one; null when the view shows it already.</param>
    /// <param name="Token">Change token of the source at the load; null for none.</param>
    /// <param name="Horizon">What a snapshot has to know that sees its rows; null where they are written frozen, which every snapshot sees.</param>
    public readonly record struct Load(int Number, uint? File, string? Token = null, string? Horizon = null);

    /// <summary>What a relation has besides rows and columns and loses when it is made anew: owner, grants, comments, storage options.</summary>
    private sealed class Dress
    {
        // Kind (any, table, or column with its name) and statement. Grants of the owner to itself come with the creation.
        private const string Sql =
            """
            SELECT 'table', NULL::text, format('ALTER TABLE %I.%I SET (%s)', n.nspname, c.relname,
                (SELECT string_agg(format('%I = %L', o.option_name, o.option_value), ', ') FROM pg_catalog.pg_options_to_table(c.reloptions) o))
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1 AND c.reloptions IS NOT NULL AND c.relkind = 'r'
            UNION ALL
            SELECT 'any', NULL, format('COMMENT ON %s %I.%I IS %L', CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, n.nspname, c.relname, d.description)
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_description d ON d.classoid = 'pg_catalog.pg_class'::regclass AND d.objoid = c.oid
            WHERE c.oid = $1 AND d.objsubid = 0
            UNION ALL
            SELECT 'any', a.attname::text, format('COMMENT ON COLUMN %I.%I.%I IS %L', n.nspname, c.relname, a.attname, d.description)
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_description d ON d.classoid = 'pg_catalog.pg_class'::regclass AND d.objoid = c.oid
            JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.objsubid WHERE c.oid = $1
            UNION ALL
            SELECT 'any', NULL, format('GRANT %s ON %I.%I TO %s%s', x.privilege_type, n.nspname, c.relname, CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) END,
                CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) x WHERE c.oid = $1 AND x.grantee <> c.relowner
            UNION ALL
            SELECT 'any', a.attname::text, format('GRANT %s (%I) ON %I.%I TO %s%s', x.privilege_type, a.attname, n.nspname, c.relname,
                CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) END, CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
            CROSS JOIN LATERAL pg_catalog.aclexplode(a.attacl) x WHERE c.oid = $1 AND a.attnum > 0 AND NOT a.attisdropped AND x.grantee <> c.relowner
            UNION ALL
            SELECT 'any', NULL, format('ALTER TABLE %I.%I OWNER TO %I', n.nspname, c.relname, pg_catalog.pg_get_userbyid(c.relowner))
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1 AND c.relowner <> (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user)
            """;

        private readonly IReadOnlyList<(string Kind, string? Column, string Statement)> _parts;

        private Dress(IReadOnlyList<(string Kind, string? Column, string Statement)> parts) => _parts = parts;

        /// <summary>Reads it while the relation is there.</summary>
        public static async Task<Dress> ReadAsync(PgSession session, RelationInfo relation) => new(await session.RowsAsync(Sql,
            row => (row.GetString(0), row.Text(1), row.GetString(2)), PgParameter.Of(relation.Oid, NpgsqlTypes.NpgsqlDbType.Oid)).ConfigureAwait(false));

        /// <summary>Gives it to the relation that has the name now; what belonged to a column that is gone goes with it.</summary>
        public async Task PutOnAsync(PgSession session, IReadOnlyList<string> columns, bool isTable)
        {
            foreach (var (kind, column, statement) in _parts)
            {
                if ((kind == "table" && !isTable) || (column is not null && !columns.Contains(column)))
                    continue;
                var text = isTable && statement.StartsWith("COMMENT ON VIEW", StringComparison.Ordinal) ? "COMMENT ON TABLE" + statement["COMMENT ON VIEW".Length..] : statement;
                await PlainStatements.ExecuteAsync(session.Connection, [text], session.CommandTimeoutSeconds, session.CancellationToken).ConfigureAwait(false);
            }
        }
    }
}
