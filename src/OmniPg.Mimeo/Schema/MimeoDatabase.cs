using Npgsql;

namespace OmniPg.Mimeo;

/// <summary>The destination database: finds the tables of the configuration and installs them.</summary>
internal sealed class MimeoDatabase(NpgsqlDataSource dataSource, MimeoOptions options) : PgDatabase<MimeoStore>(dataSource, options.CommandTimeout)
{
    /// <summary>Schema of the extension's tables; no row where it is not installed.</summary>
    public const string ExtensionSchema = "SELECT n.nspname::text FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'mimeo'";

    // Whether tables of the configuration are there that do not belong to the extension.
    private const string HasOwn =
        """
        SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = 'refresh_config'
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
        """;

    private const string InstallLock = "omnipg_mimeo.install";

    private readonly PgIdentifier _side = PgIdentifier.Create(options.Schema);

    /// <summary>Installs or upgrades the tables.</summary>
    public Task EnsureCreatedAsync(CancellationToken cancellationToken) => RunEachAsync("install the tables", async (session, _) =>
    {
        await SchemaInstall.RunAsync(session, InstallLock, options.LockTimeout, async () =>
        {
            var found = await FindAsync(session).ConfigureAwait(false);
            if (found.Side.IsNewer)
                found.Require(Name);
            // CREATE SCHEMA asks for the right even where the schema exists.
            if (await session.ScalarAsync("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1", PgParameter.Text(_side.Value)).ConfigureAwait(false) is null)
                await session.ExecuteAsync($"CREATE SCHEMA {_side.Quoted}").ConfigureAwait(false);
            if (!found.IsExtension)
                await InstallOwnAsync(session).ConfigureAwait(false);
            await session.ExecuteTextAsync(SqlTemplate.Render(Read("side.sql"), found.Schema, _side, withSide: true)).ConfigureAwait(false);
            return true;
        }).ConfigureAwait(false);
        Forget();
        return true;
    }, cancellationToken);

    /// <summary>Works on the tables themselves in one transaction, while nobody installs them or does so, too.</summary>
    public Task<T> ExclusivelyAsync<T>(string operation, Func<PgSession, MimeoStore, Task<T>> work, CancellationToken cancellationToken) => RunEachAsync(
        operation, (session, _) => SchemaInstall.RunAsync(session, InstallLock, options.LockTimeout, async () =>
        {
            await CopySettings.AgreeAsync(session, options.LockTimeout).ConfigureAwait(false);
            // Whoever had the lock before may have moved what was found.
            return await work(session, (await FindAsync(session).ConfigureAwait(false)).Require(Name)).ConfigureAwait(false);
        }), cancellationToken);

    /// <summary>Makes the tables of the configuration in the package's own schema.</summary>
    public Task InstallOwnAsync(PgSession session) => session.ExecuteTextAsync(SqlTemplate.Render(Read("own.sql"), _side, _side, withSide: true));

    /// <inheritdoc/>
    protected override async ValueTask<MimeoStore> FindAsync(PgSession session)
    {
        // Own tables count: an extension that somebody installs later knows nothing of what is managed here.
        var extension = await session.ScalarAsync(HasOwn, PgParameter.Text(_side.Value)).ConfigureAwait(false) is null ? await session.ScalarAsync(ExtensionSchema).ConfigureAwait(false) : null;
        var side = await SchemaFind.LookAsync(
            async: true, session.Connection, _side, PgIdentifier.Create("schema"), MimeoStore.Version, session.CommandTimeoutSeconds, session.CancellationToken).ConfigureAwait(false);
        return new MimeoStore(extension is string schema ? PgIdentifier.Create(schema) : _side, extension is string, _side, side);
    }

    /// <inheritdoc/>
    /// <remarks>Another process may move the configuration out of the extension at any time.</remarks>
    protected override bool IsWorthKeeping(MimeoStore found) => found.Side.Version == MimeoStore.Version && !found.IsExtension;

    /// <inheritdoc/>
    protected override ValueTask<Exception?> ExplainAsync(NpgsqlException error, string operation, MimeoStore? target, CancellationToken cancellationToken)
    {
        // Another process may have given the own tables to the extension.
        if (error is PostgresException { SqlState: PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.InvalidSchemaName })
            Forget();
        return new(Explain(error, operation));
    }

    private Exception? Explain(NpgsqlException error, string operation) => error switch
    {
        PostgresException { SqlState: PostgresErrorCodes.InsufficientPrivilege } => new MimeoPermissionException(Name, operation, null, error),
        // The call that knows the table names it.
        PostgresException { SqlState: PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.DependentObjectsStillExist } => null,
        _ => new MimeoServerException(Name, operation, error),
    };

    /// <summary>Refuses what was written where nobody looks any more: the configuration has moved out of the extension while it waited for a lock of its tables.</summary>
    public async Task RequireUnmovedAsync(PgSession session, MimeoStore store)
    {
        if (store.IsExtension && !(await FindAsync(session).ConfigureAwait(false)).IsExtension)
            throw new ReplicationConflictException("The configuration has moved out of the extension meanwhile.", "Try again.");
    }

    /// <summary>Refuses tables that another version has upgraded since they were found: it may keep what this one would lose. One that upgrades them from here on does not wait for this transaction.</summary>
    /// <exception cref="MimeoStoreException">They are of another version.</exception>
    public async Task RequireCurrentAsync(PgSession session, MimeoStore store)
    {
        if (await session.ScalarAsync($"SELECT version FROM {store.Beside("schema_version")} LIMIT 1").ConfigureAwait(false) is MimeoStore.Version)
            return;
        Forget();
        (await FindAsync(session).ConfigureAwait(false)).Require(Name);
    }

    /// <summary>Names the table in what a lock or a dependent object stopped.</summary>
    public static async Task<T> NamingAsync<T>(QualifiedName relation, string operation, Func<Task<T>> work)
    {
        try
        {
            return await work().ConfigureAwait(false);
        }
        catch (PostgresException error) when (error.SqlState is PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.DeadlockDetected)
        {
            throw new MimeoLockException(relation, operation, error);
        }
        catch (PostgresException error) when (error.SqlState == PostgresErrorCodes.DependentObjectsStillExist)
        {
            throw new DependentObjectsException(relation, error);
        }
    }

    private static string Read(string name)
    {
        using var stream = typeof(MimeoDatabase).Assembly.GetManifestResourceStream(name) ?? throw new InvalidOperationException($"The assembly lacks its resource '{name}'.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}

/// <summary>Where the configuration is.</summary>
/// <param name="Schema">Schema of the <c>refresh_config</c> tables.</param>
/// <param name="IsExtension">Whether the extension owns them.</param>
/// <param name="SideSchema">Schema of the package's own tables.</param>
/// <param name="Side">What was found there.</param>
internal sealed record MimeoStore(PgIdentifier Schema, bool IsExtension, PgIdentifier SideSchema, SchemaFind Side)
{
    public const int Version = 6;

    // Not the server alone: other databases and stores of it may have a table of the same name.
    private const string OwnerText =
        "SELECT concat_ws(' ', 'OmniPg.Mimeo:', (SELECT system_identifier FROM pg_catalog.pg_control_system()), (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()), $1, $2)";

    /// <summary>A table of the configuration, quoted.</summary>
    public string Of(string table) => $"{Schema.Quoted}.{table}";

    /// <summary>The table of the configuration for one type, quoted. The extension does not know logical tables, and its own are not to be changed.</summary>
    public string Config(string type) => type == "logical" ? Beside("refresh_config_logical") : Of("refresh_config_" + type);

    /// <summary>All rows of the configuration, with the columns that every type has: a query in parentheses.</summary>
    public string All
    {
        get
        {
            const string Columns = "dest_table, source_table, type, dblink, last_run, period";
            return $"(SELECT {Columns} FROM {Of("refresh_config")} UNION ALL SELECT {Columns} FROM {Config("logical")})";
        }
    }

    /// <summary>A table of the package's own, quoted.</summary>
    public string Beside(string table) => $"{SideSchema.Quoted}.{table}";

    /// <summary>Text that no other destination has, by which what was made for it is known again.</summary>
    /// <param name="session">The destination.</param>
    /// <param name="table">Its name as the configuration has it; empty for what the texts of all destinations of this database begin with.</param>
    public async Task<string> OwnerTextAsync(PgSession session, string table) =>
        (string)(await session.ScalarAsync(OwnerText, PgParameter.Text(Schema.Value), PgParameter.Text(table)).ConfigureAwait(false))!;

    /// <summary>Refuses a database whose tables are not those of this version.</summary>
    public MimeoStore Require(string server) => Side.Version == Version ? this : throw new MimeoStoreException(
        $"Database '{server}' has {(Side.Version is { } found ? $"tables of version '{found}'" : "no tables")} of this package in schema '{SideSchema}'; it needs version '{Version}'.",
        Side.IsNewer ? "Update the package." : "Call EnsureCreatedAsync once, as omnipg mimeo source add does, with a role that may create the schema.");
}
