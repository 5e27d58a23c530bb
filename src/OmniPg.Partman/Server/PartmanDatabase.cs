using Npgsql;

namespace OmniPg.Partman;

/// <summary>The database that a client works in: what it has for this package, and what the server's refusals mean here.</summary>
internal sealed class PartmanDatabase(NpgsqlDataSource dataSource, PartmanOptions options, IObjectStore? archive = null) : PgDatabase<PartmanServer>(dataSource, options.CommandTimeout)
{
    /// <summary>Row-level security that holds for the owner as well shall refuse, and not leave rows out of a copy and of its comparison alike.</summary>
    public const string AllRows = "SET LOCAL row_security = off";

    /// <summary>Before any bound is printed: its text depends on these (deparse of a Const, src/backend/utils/adt/ruleutils.c).</summary>
    public const string ReadableText = "SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL IntervalStyle = 'postgres'";

    /// <summary>Lets waits for locks, up to the end of the transaction, be given up before the server looks for a deadlock: that costs nobody else his transaction.</summary>
    /// <remarks>A setting of time is shown in the largest unit that it is whole in, each of them one of an interval. The view of all settings, which has milliseconds, makes a row of each first.</remarks>
    public const string BeforeDeadlocks =
        "SELECT pg_catalog.set_config('lock_timeout', LEAST(NULLIF(t.lock, 0), GREATEST(t.deadlock / 2, 1))::text, true) "
        + "FROM (SELECT (extract(epoch FROM pg_catalog.current_setting('lock_timeout')::pg_catalog.interval) * 1000)::pg_catalog.int8, (extract(epoch FROM pg_catalog.current_setting('deadlock_timeout')::pg_catalog.interval) * 1000)::pg_catalog.int8) AS t (lock, deadlock)";

    private const int OldestMajor = 14;

    // $1: schema of the own tables. reset_val is what a session has before anybody sets something.
    private const string Look =
        """
        SELECT current_user::text, current_database()::text, current_setting('server_version_num')::int,
            (SELECT s.reset_val FROM pg_catalog.pg_settings s WHERE s.name = 'TimeZone'),
            e.nspname::text, e.extversion,
            (SELECT array_agg(a.attname::text) FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE n.nspname = e.nspname AND c.relname = 'part_config' AND a.attnum > 0 AND NOT a.attisdropped),
            (SELECT array_agg(a.attname::text) FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE n.nspname = $1 AND c.relname = 'part_config' AND a.attnum > 0 AND NOT a.attisdropped),
            (SELECT array_agg(a.attname::text) FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE n.nspname = CASE WHEN $2 AND e.nspname IS NOT NULL THEN e.nspname ELSE $1 END AND c.relname = 'part_config_sub' AND a.attnum > 0 AND NOT a.attisdropped)
        FROM (SELECT) AS one
        LEFT JOIN (SELECT n.nspname, x.extversion FROM pg_catalog.pg_extension x JOIN pg_catalog.pg_namespace n ON n.oid = x.extnamespace
                   WHERE x.extname = 'pg_partman') AS e ON true
        """;

    private readonly PgIdentifier _ownSchema = PgIdentifier.Create(options.Schema);

    /// <summary>The role of the connections, as far as the data source names it.</summary>
    public string Role { get; } = new NpgsqlConnectionStringBuilder(dataSource.ConnectionString).Username ?? "of this connection";

    /// <summary>Connections that there may be at once.</summary>
    public int PoolSize { get; } = new NpgsqlConnectionStringBuilder(dataSource.ConnectionString) is { Pooling: true } settings ? settings.MaxPoolSize : int.MaxValue;

    /// <summary>Where expired partitions are archived; null for nowhere.</summary>
    public IObjectStore? Archive => archive;

    protected override async ValueTask<PartmanServer> FindAsync(PgSession session)
    {
        var own = await SchemaFind.LookAsync(
            async: true, session.Connection, _ownSchema, PgIdentifier.Create("belongs_to"), PartmanServer.SchemaVersion, session.CommandTimeoutSeconds, session.CancellationToken).ConfigureAwait(false);
        if (own.IsNewer)
            throw new PartmanStoreException($"The tables in schema '{_ownSchema}' have version '{own.Version}', and this package knows '{PartmanServer.SchemaVersion}'.", "Use a newer OmniPg.Partman.");
        var found = (await session.RowAsync(Look, row => new
        {
            Role = row.GetString(0),
            Database = row.GetString(1),
            Version = new PgServerVersion(row.GetInt32(2)),
            Zone = row.GetString(3),
            Extension = row.Text(4),
            ExtensionVersion = row.Text(5),
            ExtensionColumns = row.IsDBNull(6) ? [] : row.GetFieldValue<string[]>(6),
            OwnColumns = row.IsDBNull(7) ? [] : row.GetFieldValue<string[]>(7),
            SubColumns = row.IsDBNull(8) ? [] : row.GetFieldValue<string[]>(8),
        }, PgParameter.Text(_ownSchema.Value), PgParameter.Flag(options.Store != PartmanStore.Own)).ConfigureAwait(false))!;
        if (found.Version.Major < OldestMajor)
            throw new PartmanStoreException($"The server is PostgreSQL {found.Version}, and this package needs {OldestMajor} or newer.", "Upgrade the server.");
        var usesExtension = options.Store == PartmanStore.Extension || (options.Store == PartmanStore.Auto && found.Extension is not null);
        if (usesExtension && found.Extension is null)
            throw new PartmanStoreException($"The extension pg_partman is not installed in database '{found.Database}'.", "Install it, or use PartmanStore.Own.");
        return new PartmanServer
        {
            Version = found.Version,
            Role = found.Role,
            Database = found.Database,
            SessionZone = found.Zone,
            ExtensionSchema = found.Extension is { } schema ? PgIdentifier.Create(schema) : null,
            ExtensionVersion = found.ExtensionVersion,
            OwnSchema = _ownSchema,
            Own = own,
            UsesExtension = usesExtension,
            Columns = (usesExtension ? found.ExtensionColumns : found.OwnColumns).ToHashSet(StringComparer.Ordinal),
            SubColumns = found.SubColumns.ToHashSet(StringComparer.Ordinal),
        };
    }

    protected override bool IsWorthKeeping(PartmanServer found) => found is { HasConfig: true, HasOwn: true, SubColumns.Count: > 0 };

    protected override ValueTask<Exception?> ExplainAsync(NpgsqlException error, string operation, PartmanServer? target, CancellationToken cancellationToken)
    {
        if (error is PostgresException { SqlState: PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.UndefinedColumn or PostgresErrorCodes.InvalidSchemaName })
            Forget();
        return ValueTask.FromResult<Exception?>(Refusal.Of(error, operation, null, null, Name, target?.Role ?? Role));
    }
}
