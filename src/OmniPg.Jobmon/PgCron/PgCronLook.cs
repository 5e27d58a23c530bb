using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>All jobs of pg_cron that the role may see, as they stand at one instant.</summary>
internal sealed record PgCronLook(PgCronServer Server, IReadOnlyList<PgCronJob> Jobs)
{
    /// <summary>Jobs whose newest run is at work now.</summary>
    public int AtWork => Jobs.Count(j => j.IsAtWork(Server) && !Server.IsStandby);

    public static async Task<PgCronLook> ReadAsync(PgSession session)
    {
        var cancellationToken = session.CancellationToken;
        using var batch = new NpgsqlBatch(session.Connection)
        {
            Timeout = session.CommandTimeoutSeconds,
            BatchCommands =
            {
                new NpgsqlBatchCommand(JobMonitor.NoCompilation), new NpgsqlBatchCommand(PgCronServer.Sql),
                new NpgsqlBatchCommand(PgCronJob.Sql) { Parameters = { PgParameter.Integer(PgCronJob.RecentRuns), PgParameter.Integer(PgCronJob.MostFailures) } },
            },
        };
        var rows = await batch.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var closing = rows.ConfigureAwait(false);
        await rows.NextResultAsync(cancellationToken).ConfigureAwait(false);
        await rows.ReadAsync(cancellationToken).ConfigureAwait(false);
        var server = PgCronServer.Read(rows);

        await rows.NextResultAsync(cancellationToken).ConfigureAwait(false);
        var jobs = new List<PgCronJob>();
        while (await rows.ReadAsync(cancellationToken).ConfigureAwait(false))
            jobs.Add(PgCronJob.Read(rows));
        return new PgCronLook(server, jobs);
    }
}
