using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>Closes runs whose process died. Of several callers at once exactly one closes each run.</summary>
internal static class Reaper
{
    private const string Reap = "SELECT @side@.reap_dead_jobs($1, $2)";

    public static Task<int> ReapAsync(JobmonDatabase database, TimeSpan deadAfter, bool foreign, CancellationToken cancellationToken) =>
        database.RunAsync("write: reap", async (connection, server, ct) =>
        {
            if (!server.RequireInstalled().FoundSide.Exists)
                return 0;
            // To have closed nothing would be the wrong answer of a role that cannot see what there is to close.
            await SideSchema.RequireAsync(connection, server, ct).ConfigureAwait(false);
            using var command = new NpgsqlCommand(server.Render(Reap), connection)
            {
                CommandTimeout = server.CommandTimeoutSeconds,
                Parameters = { SqlParameters.Interval(deadAfter), SqlParameters.Flag(foreign) },
            };
            return (int)(await command.ExecuteScalarAsync(ct).ConfigureAwait(false))!;
        }, cancellationToken);
}
