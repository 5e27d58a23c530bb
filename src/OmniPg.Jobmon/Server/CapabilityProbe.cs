namespace OmniPg.Jobmon;

/// <summary>Describes what was detected, with a trial connection of dblink in own mode.</summary>
internal static class CapabilityProbe
{
    public static async Task<JobmonCapabilities> RunAsync(PgSession session, JobmonServer server) => new()
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
            JobmonMode.Own => await ProbeAsync(session, server.Schema).ConfigureAwait(false),
            _ => SqlAutonomy.None,
        },
    };

    /// <summary>Whether functions called from SQL can open a connection of their own in own mode.</summary>
    public static async Task<SqlAutonomy> ProbeAsync(PgSession session, PgIdentifier schema) =>
        await session.ScalarAsync($"SELECT {schema.Quoted}._dblink_probe()").ConfigureAwait(false) is true ? SqlAutonomy.Dblink : SqlAutonomy.None;

    /// <summary>Why they cannot, as the end of a sentence.</summary>
    public static async Task<string> WhyNoneAsync(PgSession session) =>
        await session.ScalarAsync("SELECT EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'dblink')").ConfigureAwait(false) is true
            ? "the connection of dblink does not reach this database" : "the extension dblink is not installed";
}
