using Npgsql;

namespace OmniPg.Cli;

/// <summary>Connection URIs as libpq knows them: <c>postgresql://user:password@host:port,host2/database?sslmode=require</c>.</summary>
internal static class PostgresUri
{
    private static readonly Dictionary<string, string> Parameters = new(StringComparer.Ordinal)
    {
        ["sslmode"] = "SSL Mode", ["application_name"] = "Application Name", ["connect_timeout"] = "Timeout", ["options"] = "Options",
        ["host"] = "Host", ["port"] = "Port", ["dbname"] = "Database", ["user"] = "Username", ["password"] = "Password",
        ["sslrootcert"] = "Root Certificate", ["sslcert"] = "SSL Certificate", ["sslkey"] = "SSL Key",
        ["target_session_attrs"] = "Target Session Attributes", ["client_encoding"] = "Client Encoding",
    };

    public static NpgsqlConnectionStringBuilder Parse(string text)
    {
        var rest = text[(text.IndexOf("://", StringComparison.Ordinal) + 3)..];
        var (body, query) = Split(rest, '?');
        var (authority, database) = Split(body, '/');
        var settings = new NpgsqlConnectionStringBuilder();

        var at = authority.LastIndexOf('@');
        if (at >= 0)
        {
            var (user, password) = Split(authority[..at], ':');
            settings.Username = Decode(user);
            settings.Password = password is null ? null : Decode(password);
        }
        var hosts = authority[(at + 1)..];
        if (hosts.Length > 0)
            SetHosts(settings, hosts);
        if (!string.IsNullOrEmpty(database))
            settings.Database = Decode(database);
        foreach (var pair in (query ?? "").Split('&', StringSplitOptions.RemoveEmptyEntries))
            SetParameter(settings, pair);
        return settings;
    }

    private static void SetHosts(NpgsqlConnectionStringBuilder settings, string hosts)
    {
        var list = hosts.Split(',').Select(Decode).ToArray();
        if (list.Length > 1)
        {
            settings.Host = string.Join(',', list);
            return;
        }
        // An IPv6 address stands in brackets, so that its colons are not taken for the port's.
        var close = list[0].IndexOf(']', StringComparison.Ordinal);
        var colon = list[0].IndexOf(':', close < 0 ? 0 : close);
        settings.Host = (colon < 0 ? list[0] : list[0][..colon]).Trim('[', ']');
        if (colon >= 0)
            ConnectionSetting.Set(settings, "Port", list[0][(colon + 1)..], "the port of the URI");
    }

    private static void SetParameter(NpgsqlConnectionStringBuilder settings, string pair)
    {
        var (name, value) = Split(pair, '=');
        if (!Parameters.TryGetValue(name, out var keyword))
            throw new UsageException($"The connection URI has an unknown parameter '{name}'.");
        ConnectionSetting.Set(settings, keyword, Decode(value ?? ""), name);
    }

    private static (string Head, string? Tail) Split(string text, char mark) =>
        text.IndexOf(mark, StringComparison.Ordinal) is >= 0 and var at ? (text[..at], text[(at + 1)..]) : (text, null);

    private static string Decode(string text) => Uri.UnescapeDataString(text);
}
