using Npgsql;

namespace OmniPg.Cli;

/// <summary>Finds out which server is meant: the option, <c>OMNIPG_CONNECTION</c>, or the variables that libpq reads.</summary>
internal static class ConnectionResolver
{
    // Variable, keyword. PGPASSFILE and the PGSSL… files are read by Npgsql itself.
    private static readonly (string Variable, string Keyword)[] Libpq =
    [
        ("PGHOST", "Host"), ("PGHOSTADDR", "Host"), ("PGPORT", "Port"), ("PGDATABASE", "Database"), ("PGUSER", "Username"), ("PGPASSWORD", "Password"),
        ("PGSSLMODE", "SSL Mode"), ("PGCONNECT_TIMEOUT", "Timeout"), ("PGAPPNAME", "Application Name"), ("PGOPTIONS", "Options"),
    ];

    public static NpgsqlConnectionStringBuilder Resolve(string? option, Func<string, string?> variable)
    {
        var text = NotEmpty(option) ?? NotEmpty(variable("OMNIPG_CONNECTION"));
        var settings = text is null ? new NpgsqlConnectionStringBuilder() : Parse(text);
        if (text is null)
        {
            foreach (var (name, keyword) in Libpq)
            {
                if (NotEmpty(variable(name)) is { } value)
                    ConnectionSetting.Set(settings, keyword, value, name);
            }
            // libpq's default host is the socket directory, where a local server listens.
            settings.Host ??= Directory.Exists("/var/run/postgresql") ? "/var/run/postgresql" : "localhost";
        }
        if (settings.Username is null && NotEmpty(variable("PGUSER")) is null)
            settings.Username = Environment.UserName;
        settings.ApplicationName ??= "omnipg";
        return settings;
    }

    /// <summary>Reads Npgsql keywords or a URI.</summary>
    public static NpgsqlConnectionStringBuilder Parse(string text)
    {
        if (text.StartsWith("postgresql://", StringComparison.Ordinal) || text.StartsWith("postgres://", StringComparison.Ordinal))
            return PostgresUri.Parse(text);
        try
        {
            return new NpgsqlConnectionStringBuilder(text);
        }
        catch (ArgumentException error)
        {
            // The message names the keyword, never a value.
            throw new UsageException("The connection string is not understood: " + error.Message);
        }
    }

    private static string? NotEmpty(string? value) => string.IsNullOrEmpty(value) ? null : value;
}
