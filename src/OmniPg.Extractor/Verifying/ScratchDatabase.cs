using Npgsql;

namespace OmniPg.Extractor.Verifying;

/// <summary>A database that lives as long as one verification.</summary>
internal sealed class ScratchDatabase : IAsyncDisposable
{
    private readonly NpgsqlDataSource _admin;

    private ScratchDatabase(NpgsqlDataSource admin, string name, NpgsqlDataSource dataSource)
    {
        _admin = admin;
        Name = name;
        DataSource = dataSource;
    }

    public string Name { get; }

    public NpgsqlDataSource DataSource { get; }

    /// <param name="admin">A connection to any database of the server, as a role that may create databases.</param>
    /// <param name="connect">Makes a data source for a database of that server.</param>
    /// <param name="encoding">Encoding of the database; null for that of the template.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public static async Task<ScratchDatabase> CreateAsync(
        NpgsqlDataSource admin, Func<string, NpgsqlDataSource> connect, string? encoding, CancellationToken cancellationToken)
    {
        var name = "omnipg_verify_" + Guid.NewGuid().ToString("N")[..12];
        var like = encoding is null ? "" : $" ENCODING {PgLiteral.Quote(encoding)} LC_COLLATE 'C' LC_CTYPE 'C'";
        await ExecuteAsync(admin, $"CREATE DATABASE {PgIdentifier.Create(name).Quoted} TEMPLATE template0{like}", cancellationToken).ConfigureAwait(false);
        return new ScratchDatabase(admin, name, connect(name));
    }

    public async ValueTask DisposeAsync()
    {
        // A subscription would keep the database; replayed ones have no slot at any publisher.
        await ExecuteAsync(DataSource, """
            DO $$
            DECLARE s name;
            BEGIN
                FOR s IN SELECT subname FROM pg_catalog.pg_subscription
                    WHERE subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
                LOOP
                    EXECUTE pg_catalog.format('ALTER SUBSCRIPTION %I DISABLE', s);
                    EXECUTE pg_catalog.format('ALTER SUBSCRIPTION %I SET (slot_name = NONE)', s);
                    EXECUTE pg_catalog.format('DROP SUBSCRIPTION %I', s);
                END LOOP;
            EXCEPTION WHEN insufficient_privilege THEN NULL;
            END
            $$
            """, CancellationToken.None).ConfigureAwait(false);
        await DataSource.DisposeAsync().ConfigureAwait(false);
        await ExecuteAsync(_admin, $"DROP DATABASE IF EXISTS {PgIdentifier.Create(Name).Quoted} WITH (FORCE)", CancellationToken.None).ConfigureAwait(false);
    }

    private static async Task ExecuteAsync(NpgsqlDataSource dataSource, string sql, CancellationToken cancellationToken)
    {
        var command = dataSource.CreateCommand(sql);
        await using (command.ConfigureAwait(false))
            await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
    }
}
