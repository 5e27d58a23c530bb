using System.Globalization;
using Npgsql;

namespace OmniPg.Shared;

/// <summary>Settings of an Npgsql connection string as environment variables of libpq (manual section 34.15), for a client program that is to reach the same server in the same way.</summary>
internal static class LibpqVariables
{
    /// <summary>A setting for which libpq has no variable, and what to do instead; null where there is none.</summary>
    public static (string Setting, string Hint)? Lacking(NpgsqlConnectionStringBuilder connection)
    {
        if (connection.SslPassword is { Length: > 0 })
            return ("SSL Password", "Use a key without a password, or name the connection in a service file.");
        if (connection.CheckCertificateRevocation)
            return ("Check Certificate Revocation", "Put a revocation list where libpq finds it: ~/.postgresql/root.crl.");
        return null;
    }

    /// <summary>The variables; null removes one that stands in this process's environment.</summary>
    public static Dictionary<string, string?> Of(NpgsqlConnectionStringBuilder connection, string? password)
    {
        // What stands in this process's environment must not mix with the connection string.
        var variables = new Dictionary<string, string?>
        {
            ["PGHOSTADDR"] = null,
            ["PGSERVICE"] = null,
            ["PGOPTIONS"] = null,
            ["PGTARGETSESSIONATTRS"] = null,
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
}
