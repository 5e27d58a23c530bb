using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>Describes what was detected, with a trial connection of dblink in own mode.</summary>
internal static class CapabilityProbe
{
    public static async Task<JobmonCapabilities> RunAsync(NpgsqlConnection connection, JobmonServer server, CancellationToken cancellationToken) => new()
    {
        Mode = server.Mode,
        Schema = server.Mode == JobmonMode.NotInstalled ? null : server.Schema,
        SideSchema = server.HasSide ? server.SideSchema : null,
        LogVersion = server.LogVersion,
        ServerVersion = server.Version,
        IsStandby = server.IsStandby,
        SqlAutonomy = server.Mode switch
        {
            // The extension has no other way: without a connection its functions fail.
            JobmonMode.Extension => SqlAutonomy.Dblink,
            JobmonMode.Own => await ProbeAsync(connection, server.Schema, cancellationToken).ConfigureAwait(false),
            _ => SqlAutonomy.None,
        },
    };

    /// <summary>Whether functions called from SQL can open a connection of their own in own mode.</summary>
    public static async Task<SqlAutonomy> ProbeAsync(NpgsqlConnection connection, PgIdentifier schema, CancellationToken cancellationToken)
    {
        using var probe = new NpgsqlCommand($"SELECT {schema.Quoted}._dblink_probe()", connection);
        return await probe.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false) is true ? SqlAutonomy.Dblink : SqlAutonomy.None;
    }

    /// <summary>Why they cannot, as the end of a sentence.</summary>
    public static async Task<string> WhyNoneAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        using var look = new NpgsqlCommand("SELECT EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'dblink')", connection);
        return await look.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false) is true
            ? "the connection of dblink does not reach this database" : "the extension dblink is not installed";
    }
}
