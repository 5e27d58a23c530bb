using System.Globalization;
using Microsoft.Extensions.Logging;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Faults;

/// <summary>The step table on a disk of its own that runs full. Needs root, for the disk.</summary>
public sealed class FullDiskTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Full_disk_costs_the_work_nothing_and_the_log_catches_up()
    {
        using var disk = TmpfsMount.TryCreate(4 << 20);
        Assert.SkipWhen(disk is null, "A small disk cannot be mounted here: it takes root.");
        await using var cluster = await PgCluster.StartAsync(cancellationToken: Stop);
        ServerAccount.Own(disk.Path);
        await using var log = await JobLogDatabase.CreateAsync(cluster, dblink: false);
        await log.ExecuteAsync($"CREATE TABLESPACE small LOCATION '{disk.Path}'");
        await log.ExecuteAsync("ALTER TABLE S.job_detail SET TABLESPACE small; CREATE TABLE filler (t text) TABLESPACE small; ALTER TABLE filler ALTER t SET STORAGE PLAIN");
        var lines = new FakeLoggerFactory();
        await using var patient = new JobmonClient(log.DataSource, loggerFactory: lines);
        await using var strict = new JobmonClient(log.DataSource, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });
        var kept = patient.Start("kept");
        var told = strict.Start("told");

        await FillAsync(log);
        var refusal = await told.Awaiting(j => j.StepAsync(new string('x', 7_000), Stop).AsTask()).Should().ThrowAsync<JobmonUnavailableException>();
        await using (var step = await kept.StepAsync(new string('x', 7_000), Stop))
            await step.CompleteAsync("done", cancellationToken: Stop);
        await log.ExecuteAsync("DROP TABLE filler; CHECKPOINT");
        await kept.CompleteAsync(cancellationToken: Stop);
        await told.CompleteAsync(cancellationToken: Stop);

        refusal.WithMessage("*No space left on device*");
        await Eventually.TrueAsync(
            () => log.ScalarAsync<bool>("SELECT bool_and(status IS NOT DISTINCT FROM 'OK') FROM S.job_log"), "both ends are written", cancellationToken: Stop);
        (await log.RowsAsync("SELECT length(action), status, message FROM S.job_detail")).Should().Equal("7000|OK|done (recorded late)");
        lines.Lines.Should().ContainSingle(l => l.Level == LogLevel.Error && l.Message.Contains("53100", StringComparison.Ordinal));
    }

    // Page by page to the last one, and the pages of the step table too: a free one there would take the step.
    private static async Task FillAsync(JobLogDatabase log)
    {
        var refused = 0;
        for (var rows = 256; rows > 0; rows /= 2)
        {
            var full = false;
            while (!full)
            {
                try
                {
                    await log.ExecuteAsync(string.Create(CultureInfo.InvariantCulture, $"INSERT INTO filler SELECT repeat('x', 8000) FROM generate_series(1, {rows})"));
                }
                catch (Npgsql.PostgresException error) when (error.SqlState == Npgsql.PostgresErrorCodes.DiskFull)
                {
                    full = true;
                    refused++;
                }
            }
        }

        refused.Should().BeGreaterThan(0);
    }
}
