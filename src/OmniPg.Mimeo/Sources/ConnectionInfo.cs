using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Npgsql;

namespace OmniPg.Mimeo;

/// <summary>Connection strings of libpq, as <c>dblink_mapping_mimeo</c> stores them, to and from those of the driver.</summary>
internal static partial class ConnectionInfo
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
        var (hosts, ports) = Apart(settings);
        var server = new StringBuilder();
        foreach (var (libpq, npgsql) in Names)
        {
            var value = libpq switch
            {
                "host" => hosts,
                "port" => ports,
                "user" or "password" => null,
                _ when !settings.ContainsKey(npgsql) => null,
                "sslmode" => settings.SslMode switch { SslMode.VerifyCA => "verify-ca", SslMode.VerifyFull => "verify-full", var mode => mode.ToString().ToLowerInvariant() },
                "target_session_attrs" => settings.TargetSessionAttributes?.ToLowerInvariant(),
                _ => Convert.ToString(settings[npgsql], CultureInfo.InvariantCulture),
            };
            if (value is not { Length: > 0 })
                continue;
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
        var (hosts, addresses, ports) = ("", "", "");
        foreach (var (key, value) in Read(server))
        {
            switch (key)
            {
                case "host": hosts = value; break;
                case "hostaddr": addresses = value; break;
                case "sslmode": settings.SslMode = Enum.Parse<SslMode>(value.Replace("-", "", StringComparison.Ordinal), ignoreCase: true); break;
                case "port": ports = value; break;
                case "service": throw new FormatException("The keyword 'service' of a stored connection names an entry of a file that libpq reads and the driver does not.");
                case "connect_timeout": settings.Timeout = Math.Clamp(int.Parse(value, CultureInfo.InvariantCulture), 0, 1024); break;
                default:
                    settings[Names.FirstOrDefault(n => n.Libpq == key).Npgsql ?? throw new FormatException($"The keyword '{key}' of a stored connection has no counterpart in the driver.")] = value;
                    break;
            }
        }
        var names = (addresses.Length > 0 ? addresses : hosts).Split(',');
        if (names is [var only])
        {
            if (only.Length > 0)
                settings.Host = only;
            if (ports.Length > 0)
                settings.Port = int.Parse(ports, CultureInfo.InvariantCulture);
        }
        else
        {
            settings.Host = Together(names, ports.Split(','));
        }
        settings.Username = user;
        if (password is not null)
            settings.Password = password;
        return settings.ConnectionString;
    }

    // The driver has a port behind its host, libpq in a list beside the one of hosts.
    private static (string? Hosts, string? Ports) Apart(NpgsqlConnectionStringBuilder settings)
    {
        var own = settings.ContainsKey("Port") ? settings.Port.ToString(CultureInfo.InvariantCulture) : null;
        if (settings.Host is not { Length: > 0 } hosts)
            return (null, own);
        var parts = hosts.Split(',', StringSplitOptions.TrimEntries).Select(h => HostAndPort().Match(h) is { Success: true } match ? (Host: match.Groups[1].Value.Trim('[', ']'), Port: match.Groups[2].Value) : (Host: h, Port: own)).ToArray();
        return (string.Join(',', parts.Select(p => p.Host)), parts.Select(p => p.Port).Distinct().Count() == 1 ? parts[0].Port : string.Join(',', parts.Select(p => p.Port)));
    }

    // One port for all hosts, or one for each, where an empty one is the default (pqConnectOptions2, src/interfaces/libpq/fe-connect.c).
    private static string Together(string[] hosts, string[] ports)
    {
        if (ports.Length != 1 && ports.Length != hosts.Length)
            throw new FormatException($"A stored connection has '{string.Join(',', ports)}' as ports for the hosts '{string.Join(',', hosts)}'.");
        return string.Join(',', hosts.Select((host, n) => ports[ports.Length == 1 ? 0 : n] is { Length: > 0 } port
            ? string.Create(CultureInfo.InvariantCulture, $"{(host.Contains(':', StringComparison.Ordinal) ? $"[{host}]" : host)}:{int.Parse(port, CultureInfo.InvariantCulture)}") : host));
    }

    [GeneratedRegex(@"^([^:\[\]]+|\[[^\]]*\]):([0-9]+)$")]
    private static partial Regex HostAndPort();

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
