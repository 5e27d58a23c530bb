namespace OmniPg.Jobmon;

/// <summary>Closes runs whose process died. Of several callers at once exactly one closes each run.</summary>
internal static class Reaper
{
    /// <summary>$1 age of a dead heartbeat, $2 whether to close runs of SQL callers, too.</summary>
    public const string Reap = "SELECT omnipg_jobmon.reap_dead_jobs($1, $2)";

    public static Task<int> ReapAsync(JobmonDatabase database, TimeSpan deadAfter, bool foreign, CancellationToken cancellationToken) =>
        database.RunAsync("write: reap", async (session, server) =>
        {
            if (!server.RequireInstalled().FoundSide.Exists)
                return 0;
            // To have closed nothing would be the wrong answer of a role that cannot see what there is to close.
            await server.RequireSideAsync(session).ConfigureAwait(false);
            return (int)(await session.ScalarAsync(server.Render(Reap), PgParameter.Interval(deadAfter), PgParameter.Flag(foreign)).ConfigureAwait(false))!;
        }, cancellationToken);
}
