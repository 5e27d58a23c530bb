using System.Globalization;
using System.Text;
using Npgsql;

namespace OmniPg.Mimeo;

/// <summary>Connection strings of libpq, as <c>dblink_mapping_mimeo</c> stores them, to and from those of the driver.</summary>
internal static class ConnectionInfo
{
    // libpq's keyword and the driver's, in the order in which they are written.
    private static readonly (string Libpq, string Npgsql)[] Names =
    [
        ("host", "Host"), ("port", "Port"), ("dbname", "Database"), ("user", "Username"), ("password", "Password"), ("sslmode", "SSL Mode"),
        ("sslrootcert", "Root Certificate"), ("sslcert", "SSL Certificate"), ("sslkey", "SSL Key"), ("connect_timeout", "Timeout"),
        ("application_name", "Application Name"), ("options", "Options"), ("target_session_attrs", "Target Session Attributes"), ("passfile", "Passfile"),
    ];

    // Settings of how the driver works, which the server need not know.
    private static readonly string[] Dropped =
    [
        "Command Timeout", "Read Buffer Size", "Write Buffer Size", "Include Error Detail", "Persist Security Info", "Pooling", "Maximum Pool Size",
        "Minimum Pool Size", "Keepalive", "Multiplexing", "No Reset On Close", "Max Auto Prepare", "Enlist", "Cancellation Timeout", "Client Encoding", "Encoding",
    ];

    /// <summary>The stored form: server, role and password apart.</summary>
    /// <exception cref="ArgumentException">A setting has no meaning for libpq.</exception>
    public static (string Server, string User, string? Password) ToLibpq(string connectionString)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString);
        foreach (var key in settings.Keys.Cast<string>())
        {
            if (!Names.Any(n => Same(n.Npgsql, key)) && !Dropped.Any(d => Same(d, key)))
                throw new ArgumentException($"The setting '{key}' of the connection string cannot be stored for libpq.", nameof(connectionString));
        }
        var server = new StringBuilder();
        foreach (var (libpq, npgsql) in Names)
        {
            if (libpq is "user" or "password" || !settings.ContainsKey(npgsql) || Convert.ToString(settings[npgsql], CultureInfo.InvariantCulture) is not { Length: > 0 } value)
                continue;
            value = libpq switch
            {
                "sslmode" => settings.SslMode switch { SslMode.VerifyCA => "verify-ca", SslMode.VerifyFull => "verify-full", var mode => mode.ToString().ToLowerInvariant() },
                "target_session_attrs" => value.ToLowerInvariant(),
                _ => value,
            };
            value = value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "\\'", StringComparison.Ordinal);
            server.Append(server.Length > 0 ? " " : "").Append(libpq).Append("='").Append(value).Append('\'');
        }
        return (server.ToString(), settings.Username is { Length: > 0 } user ? user : throw new ArgumentException("The connection string names no user.", nameof(connectionString)),
            settings.Password is { Length: > 0 } password ? password : null);
    }

    /// <summary>A connection string of the driver, with the settings that copies need.</summary>
    /// <exception cref="FormatException">The text is none of libpq's, or has a keyword without a counterpart.</exception>
    public static string ToNpgsql(string server, string user, string? password)
    {
        // A silent source must not time out, and each read of the socket allocates.
        var settings = new NpgsqlConnectionStringBuilder { CommandTimeout = 0, ReadBufferSize = 64 * 1024, WriteBufferSize = 32 * 1024, ApplicationName = "omnipg mimeo" };
        foreach (var (key, value) in Read(server))
        {
            switch (key)
            {
                case "hostaddr": settings.Host = value; break;
                case "sslmode": settings.SslMode = Enum.Parse<SslMode>(value.Replace("-", "", StringComparison.Ordinal), ignoreCase: true); break;
                case "port": settings.Port = int.Parse(value.Split(',')[0], CultureInfo.InvariantCulture); break;
                case "connect_timeout": settings.Timeout = Math.Clamp(int.Parse(value, CultureInfo.InvariantCulture), 0, 1024); break;
                default:
                    settings[Names.FirstOrDefault(n => n.Libpq == key).Npgsql ?? throw new FormatException($"The keyword '{key}' of a stored connection has no counterpart in the driver.")] = value;
                    break;
            }
        }
        settings.Username = user;
        if (password is not null)
            settings.Password = password;
        return settings.ConnectionString;
    }

    // conninfo_parse, src/interfaces/libpq/fe-connect.c: keyword = value, the value quoted or up to a space, backslashes escape in both.
    private static IEnumerable<(string Key, string Value)> Read(string text)
    {
        for (var at = 0; ;)
        {
            while (at < text.Length && char.IsWhiteSpace(text[at]))
                at++;
            if (at == text.Length)
                yield break;
            var equals = text.IndexOf('=', at);
            if (equals < 0)
                throw new FormatException("A stored connection lacks '=' behind a keyword.");
            var key = text[at..equals].Trim();
            at = equals + 1;
            while (at < text.Length && char.IsWhiteSpace(text[at]))
                at++;
            var quoted = at < text.Length && text[at] == '\'';
            at += quoted ? 1 : 0;
            var value = new StringBuilder();
            for (; at < text.Length && (quoted ? text[at] != '\'' : !char.IsWhiteSpace(text[at])); at++)
            {
                if (text[at] == '\\' && at + 1 < text.Length)
                    at++;
                value.Append(text[at]);
            }
            if (quoted && at++ >= text.Length)
                throw new FormatException("A stored connection has a quote that does not end.");
            yield return (key, value.ToString());
        }
    }

    private static bool Same(string one, string other) =>
        string.Equals(one.Replace(" ", "", StringComparison.Ordinal), other.Replace(" ", "", StringComparison.Ordinal), StringComparison.OrdinalIgnoreCase);
}
