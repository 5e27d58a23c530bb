using System.Globalization;
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
        ConnectionVariables.Check(connection);
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
        return ConnectionVariables.Of(_connection, password);
    }

    /// <summary>Settings of an Npgsql connection string as environment variables of libpq (manual section 34.15).</summary>
    private static class ConnectionVariables
    {
        public static void Check(NpgsqlConnectionStringBuilder connection)
        {
            if (connection.SslPassword is { Length: > 0 })
                throw Unmappable("SSL Password", "Use a key without a password, or name the connection in a service file.");
            if (connection.CheckCertificateRevocation)
                throw Unmappable("Check Certificate Revocation", "Put a revocation list where libpq finds it: ~/.postgresql/root.crl.");
        }

        public static Dictionary<string, string?> Of(NpgsqlConnectionStringBuilder connection, string? password)
        {
            // What stands in this process's environment must not mix with the connection string: null removes a variable.
            var variables = new Dictionary<string, string?>
            {
                ["PGHOSTADDR"] = null,
                ["PGSERVICE"] = null,
                ["PGOPTIONS"] = null,
                ["PGPASSWORD"] = string.IsNullOrEmpty(password) ? null : password,
                ["PGCONNECT_TIMEOUT"] = connection.Timeout.ToString(CultureInfo.InvariantCulture),
            };
            AddHosts(variables, connection);
            AddTls(variables, connection);
            AddIfSet(variables, "PGUSER", connection.Username);
            AddIfSet(variables, "PGDATABASE", connection.Database ?? connection.Username);
            AddIfSet(variables, "PGPASSFILE", connection.Passfile);
            AddIfSet(variables, "PGOPTIONS", connection.Options);
            AddIfSet(variables, "PGAPPNAME", connection.ApplicationName);
            AddIfSet(variables, "PGTARGETSESSIONATTRS", connection.TargetSessionAttributes);
            AddIfSet(variables, "PGREQUIREAUTH", connection.RequireAuth);
            if (connection.ShouldSerialize("Kerberos Service Name"))
                AddIfSet(variables, "PGKRBSRVNAME", connection.KerberosServiceName);
            return variables;
        }

        private static void AddHosts(Dictionary<string, string?> variables, NpgsqlConnectionStringBuilder connection)
        {
            var defaultPort = connection.Port.ToString(CultureInfo.InvariantCulture);
            var hosts = (connection.Host ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(host => SplitPort(host, defaultPort)).ToArray();
            AddIfSet(variables, "PGHOST", string.Join(',', hosts.Select(host => host.Host)));
            AddIfSet(variables, "PGPORT", hosts.Length == 0 ? defaultPort : string.Join(',', hosts.Select(host => host.Port)));
        }

        // host, host:port, [v6], [v6]:port, or the directory of a socket.
        private static (string Host, string Port) SplitPort(string host, string defaultPort)
        {
            var colon = host.LastIndexOf(':');
            var isSocket = Path.IsPathRooted(host) || host.StartsWith('@');
            var hasPort = !isSocket && colon > 0 && (host[colon - 1] == ']' || host.IndexOf(':', StringComparison.Ordinal) == colon);
            var (name, port) = hasPort ? (host[..colon], host[(colon + 1)..]) : (host, defaultPort);
            return (name.Trim('[', ']'), port);
        }

        private static void AddTls(Dictionary<string, string?> variables, NpgsqlConnectionStringBuilder connection)
        {
            if (connection.ShouldSerialize("SSL Mode"))
                variables["PGSSLMODE"] = Name(connection.SslMode);
            if (connection.ShouldSerialize("SSL Negotiation"))
                variables["PGSSLNEGOTIATION"] = connection.SslNegotiation.ToString().ToLowerInvariant();
            if (connection.ShouldSerialize("GSS Encryption Mode"))
                variables["PGGSSENCMODE"] = connection.GssEncryptionMode.ToString().ToLowerInvariant();
            if (connection.ShouldSerialize("Channel Binding"))
                variables["PGCHANNELBINDING"] = connection.ChannelBinding.ToString().ToLowerInvariant();
            AddIfSet(variables, "PGSSLROOTCERT", connection.RootCertificate);
            AddIfSet(variables, "PGSSLCERT", connection.SslCertificate);
            AddIfSet(variables, "PGSSLKEY", connection.SslKey);
        }

        private static string Name(SslMode mode) => mode switch
        {
            SslMode.VerifyCA => "verify-ca",
            SslMode.VerifyFull => "verify-full",
            _ => mode.ToString().ToLowerInvariant(),
        };

        private static void AddIfSet(Dictionary<string, string?> variables, string name, string? value)
        {
            if (!string.IsNullOrEmpty(value))
                variables[name] = value;
        }

        private static ExtractorOptionException Unmappable(string setting, string hint) =>
            new(setting, $"The connection setting '{setting}' cannot be given to pg_dump.", hint);
    }
}
