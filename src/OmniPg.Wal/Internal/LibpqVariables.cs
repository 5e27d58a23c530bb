using System.Globalization;
using Npgsql;

namespace OmniPg.Wal;

/// <summary>The server of a session as environment variables of libpq (manual, "Environment Variables"), for a client program that is to reach the same server in the same way.</summary>
internal static class LibpqVariables
{
    /// <param name="session">The session; open, so that it tells which of several hosts it has reached.</param>
    /// <param name="role">Whose session it is.</param>
    /// <param name="password">Her password; null leaves what the environment and the password file say.</param>
    /// <exception cref="WalBackupException">The connection has a setting that libpq knows no variable for.</exception>
    public static Dictionary<string, string?> Of(NpgsqlConnection session, string role, string? password)
    {
        var words = new NpgsqlConnectionStringBuilder(session.ConnectionString);
        if (words.SslPassword is { Length: > 0 })
            throw new WalBackupException("wal.backup.server", "The connection has an 'SSL Password', and no client program can be told one.", "Use a key without a password.");
        var variables = new Dictionary<string, string?>
        {
            ["PGHOST"] = session.Host, ["PGPORT"] = session.Port.ToString(CultureInfo.InvariantCulture), ["PGUSER"] = role,
            ["PGCONNECT_TIMEOUT"] = words.Timeout.ToString(CultureInfo.InvariantCulture),
            // What the environment says besides must not lead elsewhere.
            ["PGHOSTADDR"] = null, ["PGSERVICE"] = null, ["PGOPTIONS"] = null, ["PGTARGETSESSIONATTRS"] = null,
        };
        Add(variables, "PGPASSWORD", password);
        Add(variables, "PGPASSFILE", words.Passfile);
        Add(variables, "PGAPPNAME", words.ApplicationName);
        Add(variables, "PGSSLROOTCERT", words.RootCertificate);
        Add(variables, "PGSSLCERT", words.SslCertificate);
        Add(variables, "PGSSLKEY", words.SslKey);
        if (words.ShouldSerialize("SSL Mode"))
            variables["PGSSLMODE"] = words.SslMode switch { SslMode.VerifyCA => "verify-ca", SslMode.VerifyFull => "verify-full", var other => other.ToString().ToLowerInvariant() };
        if (words.ShouldSerialize("Kerberos Service Name"))
            variables["PGKRBSRVNAME"] = words.KerberosServiceName;
        return variables;
    }

    private static void Add(Dictionary<string, string?> variables, string name, string? value)
    {
        if (!string.IsNullOrEmpty(value))
            variables[name] = value;
    }
}
