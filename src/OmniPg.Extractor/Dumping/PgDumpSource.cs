using Npgsql;

namespace OmniPg.Extractor;

/// <summary>The database to dump, and how pg_dump gets to it.</summary>
/// <remarks>
/// Immutable and thread-safe. Everything reaches pg_dump through environment variables of libpq; a password never stands on a command line,
/// where other users could read it. <see cref="ToString"/> holds no secret.
/// </remarks>
public sealed class PgDumpSource
{
    private readonly NpgsqlConnectionStringBuilder? _connection;
    private readonly Func<CancellationToken, ValueTask<string?>>? _passwordProvider;

    private PgDumpSource(NpgsqlConnectionStringBuilder? connection, Func<CancellationToken, ValueTask<string?>>? passwordProvider)
    {
        _connection = connection;
        _passwordProvider = passwordProvider;
    }

    /// <summary>Name of the database; null when libpq decides.</summary>
    public string? Database => _connection?.Database;

    /// <summary>Takes a connection string of Npgsql.</summary>
    /// <param name="connectionString">Connection string.</param>
    /// <param name="passwordProvider">Asked just before each start of pg_dump; null, the default, takes the password of the connection string.</param>
    /// <returns>The source.</returns>
    /// <exception cref="ExtractorOptionException">A setting has no counterpart in libpq, such as <c>SSL Password</c>.</exception>
    /// <exception cref="ArgumentException">The text is no connection string.</exception>
    public static PgDumpSource FromConnectionString(string connectionString, Func<CancellationToken, ValueTask<string?>>? passwordProvider = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(connectionString);
        var connection = new NpgsqlConnectionStringBuilder(connectionString);
        if (LibpqVariables.Lacking(connection) is var (setting, hint))
            throw new ExtractorOptionException(setting, $"The connection setting '{setting}' cannot be given to pg_dump.", hint);
        return new PgDumpSource(connection, passwordProvider);
    }

    /// <summary>Takes the settings of a data source.</summary>
    /// <param name="dataSource">The data source. It shows its password only with <c>Persist Security Info=true</c>.</param>
    /// <param name="passwordProvider">Asked just before each start of pg_dump. Needed when the data source hides a password.</param>
    /// <returns>The source.</returns>
    /// <exception cref="ExtractorOptionException">A setting has no counterpart in libpq.</exception>
    public static PgDumpSource FromDataSource(NpgsqlDataSource dataSource, Func<CancellationToken, ValueTask<string?>>? passwordProvider = null)
    {
        ArgumentNullException.ThrowIfNull(dataSource);
        return FromConnectionString(dataSource.ConnectionString, passwordProvider);
    }

    /// <summary>Leaves everything to libpq: <c>PGHOST</c>, <c>PGSERVICE</c>, <c>~/.pgpass</c> and so on.</summary>
    /// <returns>The source.</returns>
    public static PgDumpSource FromEnvironment() => new(null, null);

    /// <summary>User, host and database, without secrets.</summary>
    public override string ToString() => _connection is null
        ? "libpq defaults"
        : $"{_connection.Username ?? "-"}@{_connection.Host ?? "-"}/{_connection.Database ?? "-"}";

    internal async ValueTask<Dictionary<string, string?>> GetVariablesAsync(CancellationToken cancellationToken)
    {
        if (_connection is null)
            return [];
        var password = _passwordProvider is null ? _connection.Password : await _passwordProvider(cancellationToken).ConfigureAwait(false);
        return LibpqVariables.Of(_connection, password);
    }
}
