using System.Globalization;
using Npgsql;
using NpgsqlTypes;

namespace OmniPg.Mimeo;

/// <summary>The tables <c>refresh_config_…</c>: one row for each managed table, in the table of its type.</summary>
internal static class SpecTable
{
    /// <summary>Takes the lock of a table for the rest of the transaction, waiting: the extension and every instance of this package exclude each other by it.</summary>
    public const string Lock = "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('mimeo advisory lock'), pg_catalog.hashtext($1))";

    private const string TryLock = "SELECT pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtext('mimeo advisory lock'), pg_catalog.hashtext($1))";

    /// <summary>Types of the tables.</summary>
    public static readonly string[] Types = ["snap", "table", "inserter_time", "inserter_serial", "updater_time", "updater_serial", "dml", "logdel", "logical"];

    /// <summary>A name as these tables have it: schema and table without quotes, cut at the first dot.</summary>
    /// <exception cref="ArgumentException">There is no schema, or one with a dot.</exception>
    public static string Text(QualifiedName name) => name.Schema is { } schema && !schema.Value.Contains('.', StringComparison.Ordinal)
        ? $"{schema.Value}.{name.Name.Value}"
        : throw new ArgumentException($"The name '{name}' needs a schema without a dot in it.", nameof(name));

    /// <summary>Type of a specification's table, such as <c>inserter_time</c>.</summary>
    public static string TypeOf(ReplicationSpec spec) => spec.Kind switch
    {
        ReplicationKind.Snapshot => "snap",
        ReplicationKind.Table => "table",
        ReplicationKind.Dml => "dml",
        ReplicationKind.Logdel => "logdel",
        ReplicationKind.Logical => "logical",
        var kind => (kind == ReplicationKind.Inserter ? "inserter_" : "updater_") + (spec.Cursor!.TimeBoundary is null ? "serial" : "time"),
    };

    /// <summary>Takes the lock of a table for the rest of the transaction.</summary>
    /// <returns>False where another one has it and no wait was wanted; a wait that was in vain is an error of the server.</returns>
    public static async Task<bool> TryLockAsync(PgSession session, string table, TimeSpan wait)
    {
        var name = PgParameter.Text(table);
        if (wait == TimeSpan.Zero)
            return await session.ScalarAsync(TryLock, name).ConfigureAwait(false) is true;
        await session.ScalarAsync("SELECT pg_catalog.set_config('lock_timeout', $1, true)",
            PgParameter.Text(((long)Math.Max(wait.TotalMilliseconds, 1)).ToString(CultureInfo.InvariantCulture))).ConfigureAwait(false);
        await session.Unlimited.ScalarAsync(Lock, name).ConfigureAwait(false);
        return true;
    }

    /// <summary>All managed tables of these kinds, or one of them.</summary>
    /// <param name="session">The destination.</param>
    /// <param name="store">Where the tables are.</param>
    /// <param name="destination">The one; null for all.</param>
    public static Task<IReadOnlyList<ReplicationSpec>> ReadAsync(PgSession session, MimeoStore store, QualifiedName? destination) => ReadAsync(session, store, destination, Types);

    private static Task<IReadOnlyList<ReplicationSpec>> ReadAsync(PgSession session, MimeoStore store, QualifiedName? destination, IEnumerable<string> types) => session.RowsAsync(
        $"""
        SELECT c.type, c.dest_table, c.source_table, coalesce(n.name, c.dblink::text), c.filter, c.condition, c.period, c.batch_limit, c.last_run, c.control, c.time_boundary,
            c.serial_boundary, c.last_value, c.pk_name, c.check_stats, c.post_script, c.truncate_cascade, c.sequences, c.slot_name, c.jobmon, o.drift, o.boundary_mode, o.expressions, o.ignore_deletes, o.keep_history
        FROM ({string.Join("\nUNION ALL ", types.Select(type => Select(type, store)))}) c LEFT JOIN {store.Beside("source_name")} n ON n.data_source_id = c.dblink
            LEFT JOIN {store.Beside("table_option")} o USING (dest_table)
        WHERE $1 IS NULL OR c.dest_table = $1 ORDER BY c.dest_table
        """,
        Read, PgParameter.Text(destination is { } one ? Text(one) : null));

    /// <summary>One managed table; null when it is not.</summary>
    public static async Task<ReplicationSpec?> FindAsync(PgSession session, MimeoStore store, QualifiedName destination) =>
        await ReadAsync(session, store, destination).ConfigureAwait(false) is [var one, ..] ? one : null;

    /// <summary>The same one again, perhaps of another kind by now: to plan a query over all kinds takes longer than to run it.</summary>
    public static async Task<ReplicationSpec?> FindAsync(PgSession session, MimeoStore store, ReplicationSpec known) =>
        await ReadAsync(session, store, known.Target, [TypeOf(known)]).ConfigureAwait(false) is [var one, ..] ? one : await FindAsync(session, store, known.Target).ConfigureAwait(false);

    /// <summary>Tables whose period is over, those first that waited longest; one that never ran is due at once.</summary>
    public static Task<IReadOnlyList<(QualifiedName Table, int Source)>> DueAsync(PgSession session, MimeoStore store, DueOptions options) => session.RowsAsync(
        $"""
        SELECT dest_table, dblink FROM {store.All} c
        WHERE period IS NOT NULL AND (last_run IS NULL OR pg_catalog.clock_timestamp() - last_run > period) AND ($1::text[] IS NULL OR split_part(type, '_', 1) = ANY ($1))
        ORDER BY last_run NULLS FIRST, dest_table LIMIT $2
        """,
        row => (Name(row.GetString(0)), row.GetInt32(1)),
        options.Kinds.Count == 0 ? PgParameter.Of(null, NpgsqlDbType.Array | NpgsqlDbType.Text) : PgParameter.Texts(options.Kinds.Select(k => k == ReplicationKind.Snapshot ? "snap" : k.ToString().ToLowerInvariant())),
        PgParameter.BigInt(options.MaxTables));

    /// <summary>Whether any method has this destination.</summary>
    public static async Task<bool> IsManagedAsync(PgSession session, MimeoStore store, QualifiedName destination) =>
        await session.ScalarAsync($"SELECT type FROM {store.All} c WHERE dest_table = $1 LIMIT 1", PgParameter.Text(Text(destination))).ConfigureAwait(false) is not null;

    /// <summary>Adds a table.</summary>
    public static async Task InsertAsync(PgSession session, MimeoStore store, ReplicationSpec spec, int sourceId, IReadOnlyList<(string Name, string Type)> key)
    {
        List<Setting> settings =
        [
            new("dest_table", PgParameter.Text(Text(spec.Target))), new("source_table", PgParameter.Text(Text(spec.Source))), new("type", PgParameter.Text(TypeOf(spec))),
            new("dblink", PgParameter.Integer(sourceId)), .. Rows(spec), .. Changeable(store, spec),
        ];
        switch (spec.Kind)
        {
            case ReplicationKind.Dml or ReplicationKind.Logdel:
                settings.Add(new("control", PgParameter.Text(Text(spec.Queue!.Value))));
                break;
            case ReplicationKind.Logical:
                settings.Add(new("slot_name", PgParameter.Text(spec.Slot)));
                break;
            case ReplicationKind.Inserter or ReplicationKind.Updater:
                settings.Add(new("control", PgParameter.Text(spec.Cursor!.Column)));
                // The place is written by the first refresh, in the transaction of this row or later. A timestamptz is the same moment on both sides of a change of clocks.
                settings.AddRange(spec.Cursor.TimeBoundary is { } boundary
                    ? [new("boundary", PgParameter.Interval(boundary)), new("last_value", PgParameter.Text("-infinity"), "::timestamptz"), new("dst_active", PgParameter.Flag(false))]
                    : [new Setting("boundary", PgParameter.BigInt(spec.Cursor.SerialBoundary))]);
                break;
        }
        if (key.Count > 0)
            settings.AddRange([new("pk_name", PgParameter.Texts(key.Select(k => k.Name))), new("pk_type", PgParameter.Texts(key.Select(k => k.Type)))]);
        await session.ExecuteAsync(
            $"INSERT INTO {store.Config(TypeOf(spec))} ({string.Join(", ", settings.Select(s => s.Column))}) VALUES ({string.Join(", ", settings.Select((s, n) => s.Sql(n)))})", [.. settings.Select(s => s.Value)]).ConfigureAwait(false);
        await StoreOptionsAsync(session, store, spec).ConfigureAwait(false);
    }

    /// <summary>Stores what may be changed of a table that is managed.</summary>
    public static async Task UpdateAsync(PgSession session, MimeoStore store, ReplicationSpec spec)
    {
        List<Setting> settings = [.. Changeable(store, spec), .. ReadsAll(spec) ? Rows(spec) : []];
        await session.ExecuteAsync($"UPDATE {store.Config(TypeOf(spec))} SET {string.Join(", ", settings.Select((s, n) => $"{s.Column} = {s.Sql(n)}"))} WHERE dest_table = ${(settings.Count + 1).ToString(CultureInfo.InvariantCulture)}",
            [.. settings.Select(s => s.Value), PgParameter.Text(Text(spec.Target))]).ConfigureAwait(false);
        await StoreOptionsAsync(session, store, spec).ConfigureAwait(false);
    }

    // What the extension's tables have no columns for; most tables need none of it.
    private static Task<int> StoreOptionsAsync(PgSession session, MimeoStore store, ReplicationSpec spec)
    {
        var (name, mode) = (PgParameter.Text(Text(spec.Target)), spec.Cursor?.Mode ?? BoundaryMode.Fixed);
        return spec.Drift == DriftPolicy.Fail && mode == BoundaryMode.Fixed && spec.Expressions.Count == 0 && !spec.IgnoreDeletes && !spec.KeepHistory
            ? session.ExecuteAsync($"DELETE FROM {store.Beside("table_option")} WHERE dest_table = $1", name)
            : session.ExecuteAsync(
                $"""
                INSERT INTO {store.Beside("table_option")} (dest_table, drift, boundary_mode, expressions, ignore_deletes, keep_history) VALUES ($1, $2, $3, $4, $5, $6)
                ON CONFLICT (dest_table) DO UPDATE SET drift = excluded.drift, boundary_mode = excluded.boundary_mode, expressions = excluded.expressions, ignore_deletes = excluded.ignore_deletes, keep_history = excluded.keep_history
                """,
                name, PgParameter.Text(spec.Drift.ToString()), PgParameter.Text(mode.ToString()), PgParameter.Texts(spec.Expressions.SelectMany(e => (string[])[e.Key, e.Value])), PgParameter.Flag(spec.IgnoreDeletes), PgParameter.Flag(spec.KeepHistory));
    }

    /// <summary>Refuses what the extension, which may refresh the same table, knows nothing of.</summary>
    /// <param name="store">Where the configuration is.</param>
    /// <param name="spec">The table.</param>
    /// <param name="stored">What is stored of it; null for a new one. What stands there already is no reason to change nothing else.</param>
    /// <exception cref="ReplicationConflictException">There is something, in tables of the extension.</exception>
    public static void RequireKept(MimeoStore store, ReplicationSpec spec, ReplicationSpec? stored = null)
    {
        if (store.IsExtension && BeyondExtension(spec) is { } beyond && (stored is null || BeyondExtension(stored) != beyond))
            throw new ReplicationConflictException($"Destination '{spec.Target}' would stand in tables of the extension, whose own refresh {beyond}.", "Keep it in the package's own tables, or leave that out.");
    }

    /// <summary>What the extension's refresh of a table would do against its options; null for nothing. A logical table is none of the extension's.</summary>
    public static string? BeyondExtension(ReplicationSpec spec)
    {
        string[] beyond =
        [
            .. spec.Expressions.Count > 0 ? (string[])["copies the columns as they are (Expressions)"] : [],
            .. spec.IgnoreDeletes ? (string[])["deletes rows (IgnoreDeletes)"] : [],
            .. spec.KeepHistory ? (string[])["loses older images of deleted rows (KeepHistory)"] : [],
            .. spec.Cursor?.Mode == BoundaryMode.OldestTransaction ? (string[])["passes over rows of transactions that are open for longer than the boundary (OldestTransaction)"] : [],
        ];
        return spec.Kind == ReplicationKind.Logical || beyond.Length == 0 ? null : string.Join(", and ", beyond);
    }

    /// <summary>Whether each refresh reads all rows, so that other ones may be wanted from one refresh to the next.</summary>
    public static bool ReadsAll(ReplicationSpec spec) => spec.Kind is ReplicationKind.Snapshot or ReplicationKind.Table;

    private static Setting[] Rows(ReplicationSpec spec) => [new("filter", Array(spec.Columns)), new("condition", PgParameter.Text(spec.Condition))];

    private static Setting[] Changeable(MimeoStore store, ReplicationSpec spec)
    {
        Setting[] all =
        [
            new("period", PgParameter.Interval(spec.Period)), new("batch_limit", PgParameter.Integer(spec.BatchLimit)),
            // The extension's own functions log to the extension pg_jobmon and to nothing else: they fail where it is wanted and missing.
            new("jobmon", PgParameter.Flag(spec.Audit), store.IsExtension ? " AND EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'pg_jobmon')" : ""),
        ];
        return spec.Kind switch
        {
            ReplicationKind.Snapshot => [.. all, new("check_stats", PgParameter.Flag(spec.SkipUnchanged)), new("post_script", Array(spec.PostScript))],
            ReplicationKind.Table => [.. all, new("truncate_cascade", PgParameter.Flag(spec.TruncateCascade)), new("sequences", Array([.. spec.Sequences.Select(Text)]))],
            _ => all,
        };
    }

    private static NpgsqlParameter Array(IReadOnlyList<string> texts) => PgParameter.Of(texts.Count == 0 ? null : texts.ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Text);

    private sealed record Setting(string Column, NpgsqlParameter Value, string Cast = "")
    {
        public string Sql(int before) => string.Create(CultureInfo.InvariantCulture, $"${before + 1}{Cast}");
    }

    /// <summary>Records a run that ended, in its transaction.</summary>
    public static Task RanAsync(PgSession session, MimeoStore store, ReplicationSpec spec) =>
        session.ExecuteAsync($"UPDATE {store.Config(TypeOf(spec))} SET last_run = pg_catalog.clock_timestamp() WHERE dest_table = $1", PgParameter.Text(Text(spec.Target)));

    /// <summary>Remembers what a source showed at a load, by which the next refresh tells whether it has changed.</summary>
    public static Task<int> StoreTokenAsync(PgSession session, MimeoStore store, QualifiedName destination, string? token, int skips) => session.ExecuteAsync(
        // Most refreshes find what is there already, and leave no dead row then.
        $"""
        INSERT INTO {store.Beside("table_state")} AS s VALUES ($1, $2, $3) ON CONFLICT (dest_table) DO UPDATE SET change_token = excluded.change_token, skips = excluded.skips
        WHERE (s.change_token, s.skips) IS DISTINCT FROM (excluded.change_token, excluded.skips)
        """,
        PgParameter.Text(Text(destination)), PgParameter.Text(token), PgParameter.Integer(skips));

    /// <summary>Takes a table out.</summary>
    public static async Task DeleteAsync(PgSession session, MimeoStore store, ReplicationSpec spec)
    {
        await session.ExecuteAsync($"DELETE FROM {store.Config(TypeOf(spec))} WHERE dest_table = $1", PgParameter.Text(Text(spec.Target))).ConfigureAwait(false);
        foreach (var table in (string[])["table_state", "table_option"])
            await session.ExecuteAsync($"DELETE FROM {store.Beside(table)} WHERE dest_table = $1", PgParameter.Text(Text(spec.Target))).ConfigureAwait(false);
    }

    private static string Select(string type, MimeoStore store)
    {
        var cursor = type.Contains('_', StringComparison.Ordinal);
        var time = type.EndsWith("_time", StringComparison.Ordinal);
        var queue = type is "dml" or "logdel";
        var log = type == "logical";
        return $"SELECT type, dest_table, source_table, dblink, filter, condition, period, batch_limit, jobmon, last_run, {(cursor || queue ? "control" : "NULL::text AS control")}, "
            + $"{(time ? "boundary" : "NULL::interval")} AS time_boundary, {(cursor && !time ? "boundary::bigint" : "NULL::bigint")} AS serial_boundary, "
            + $"{(cursor ? "last_value::text" : log ? "applied_lsn::text" : "NULL::text")} AS last_value, {(queue || log || type.StartsWith("updater", StringComparison.Ordinal) ? "pk_name" : "NULL::text[]")} AS pk_name, "
            + $"{(type == "snap" ? "check_stats, post_script" : "NULL::boolean AS check_stats, NULL::text[] AS post_script")}, "
            + $"{(type == "table" ? "truncate_cascade, sequences" : "NULL::boolean AS truncate_cascade, NULL::text[] AS sequences")}, {(log ? "slot_name" : "NULL::text AS slot_name")} FROM {store.Config(type)}";
    }

    private static ReplicationSpec Read(NpgsqlDataReader row)
    {
        var type = row.GetString(0);
        return new ReplicationSpec
        {
            Kind = type switch
            {
                "snap" => ReplicationKind.Snapshot,
                "table" => ReplicationKind.Table,
                "dml" => ReplicationKind.Dml,
                "logdel" => ReplicationKind.Logdel,
                "logical" => ReplicationKind.Logical,
                _ => type[0] == 'i' ? ReplicationKind.Inserter : ReplicationKind.Updater,
            },
            Destination = Name(row.GetString(1)),
            Source = Name(row.GetString(2)),
            From = row.GetString(3),
            Columns = Texts(row, 4),
            Condition = row.Text(5),
            Period = row.Interval(6),
            BatchLimit = row.Integer(7),
            LastRun = row.Instant(8),
            Queue = type is "dml" or "logdel" ? Name(row.GetString(9)) : null,
            Cursor = type is "dml" or "logdel" || row.Text(9) is not { } control ? null
                : row.Interval(10) is { } time ? CursorColumn.Time(control, time) with { Mode = row.Text(21) is { } mode ? Enum.Parse<BoundaryMode>(mode) : BoundaryMode.Fixed } : CursorColumn.Serial(control, row.BigInt(11) ?? 0),
            LastValue = row.Text(12),
            Key = Texts(row, 13),
            SkipUnchanged = row.IsDBNull(14) || row.GetBoolean(14),
            PostScript = Texts(row, 15),
            TruncateCascade = row.IsTrue(16),
            Sequences = [.. Texts(row, 17).Select(Name)],
            Slot = row.Text(18),
            Audit = row.GetBoolean(19),
            Expressions = Texts(row, 22).Chunk(2).ToDictionary(e => e[0], e => e[1], StringComparer.Ordinal),
            IgnoreDeletes = row.IsTrue(23),
            KeepHistory = row.IsTrue(24),
            Drift = row.Text(20) is { } drift ? Enum.Parse<DriftPolicy>(drift) : DriftPolicy.Fail,
        };
    }

    /// <summary>A name out of these tables.</summary>
    public static QualifiedName Name(string text)
    {
        var dot = text.IndexOf('.', StringComparison.Ordinal);
        return QualifiedName.Create(text[..dot], text[(dot + 1)..]);
    }

    private static string[] Texts(NpgsqlDataReader row, int column) => row.IsDBNull(column) ? [] : row.GetFieldValue<string[]>(column);
}
