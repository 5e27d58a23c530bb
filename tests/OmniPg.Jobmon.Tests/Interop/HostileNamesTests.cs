using Microsoft.Extensions.Options;
using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Interop;

/// <summary>Names of every kind of object that would break a statement put together from texts, in both modes.</summary>
public sealed class HostileNamesTests(PgClusterFixture server)
{
    private const string Schema = "Job \"Mon\" ü";
    private const string Side = "side's \"schema\" \\ @schema@";

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(JobmonMode.Own, Schema, "Robert'); DROP TABLE job_log;--")]
    [InlineData(JobmonMode.Extension, Schema, "Robert'); DROP TABLE job_log;--")]
    [InlineData(JobmonMode.Own, "sixty-three bytes: ....................................63 bytes", "  100% \\ \"quoted\"\r\n🐘 مرحبا ")]
    [InlineData(JobmonMode.Extension, "sixty-three bytes: ....................................63 bytes", "  100% \\ \"quoted\"\r\n🐘 مرحبا ")]
    public async Task Everything_works_under_hostile_names(JobmonMode mode, string schema, string hostile)
    {
        var name = $"My \"db\" it's {Guid.NewGuid():N}";
        await using var database = mode == JobmonMode.Own
            ? await server.Cluster.CreateDatabaseAsync(name, cancellationToken: Stop) : await OriginalExtension.CreateAsync(server.Cluster, schema, name);
        var options = new JobmonOptions { Schema = schema, SideSchema = Side, ErrorPolicy = ErrorPolicy.Throw, HeartbeatInterval = TimeSpan.FromMilliseconds(100) };
        await using var jobmon = new JobmonClient(database.DataSource, options);

        await jobmon.Admin.InstallAsync(cancellationToken: Stop);
        var rule = jobmon.Admin.Rule(hostile).Warn("1 d").Error("2 d").MaxRuntime(TimeSpan.FromHours(1));
        await rule.ActivateAsync(Stop);
        using (var good = jobmon.Job(hostile).SingleInstance().Tag(hostile).Argument(hostile, hostile).Start())
        {
            using (var step = good.Step(hostile))
            {
                step.Report(1, 2, hostile);
                step.Complete(hostile);
            }

            good.Complete(hostile);
        }

        jobmon.Start(hostile).Fail(hostile);
        var failed = await jobmon.Monitor.CheckAsync(cancellationToken: Stop);
        var open = jobmon.Start(hostile);
        var cancelled = await jobmon.Admin.CancelAsync(open.JobId!.Value, hostile, Stop);
        await Eventually.TrueAsync(() => open.CancellationToken.IsCancellationRequested, "the owner learns of it", cancellationToken: Stop);
        open.Dispose();
        var runs = await jobmon.History.ListAsync(new JobQuery { Name = hostile, Tag = hostile }, Stop).ToListAsync(Stop);
        var steps = await jobmon.History.StepsAsync(runs[0].JobId, Stop).ToListAsync(Stop);
        var acknowledged = await jobmon.Admin.AcknowledgeAsync(hostile, hostile, hostile, Stop);
        var after = await jobmon.Monitor.CheckAsync(cancellationToken: Stop);
        await rule.DeactivateAsync(Stop);                     // what an active rule looks at would stay
        var purged = await jobmon.Admin.PurgeAsync(new PurgeOptions { OlderThan = TimeSpan.Zero, LogAsJob = false }, null, Stop);

        var capabilities = await jobmon.GetCapabilitiesAsync(Stop);
        (capabilities.Mode, capabilities.Schema!.Value.Value, capabilities.SideSchema!.Value.Value).Should().Be((mode, schema, Side));
        failed.Alerts.Select(a => $"{a.AlertStatusText}: {a.AlertText}").Should().Equal("FAILED_RUN: 1 CRITICAL run(s)");
        failed.Alerts[0].JobName.Should().Be(runs[0].JobName).And.Be(await UpperAsync(database.DataSource, hostile));
        cancelled.Should().Be(CancelResult.Requested);
        runs.Should().ContainSingle().Which.Status.Should().Be("OK");
        steps.Select(s => (s.Action, s.Status, s.Message)).Should().Equal((hostile, "OK", hostile), ("Finished", "OK", hostile));
        acknowledged.Should().Be(2);
        after.Worst.Should().Be(AlertLevel.Ok);
        purged.DeletedJobs.Should().Be(3);
    }

    [Fact]
    public async Task A_name_that_the_server_would_cut_is_refused_before_it_gets_there()
    {
        await using var database = await server.Cluster.CreateDatabaseAsync(cancellationToken: Stop);
        await using var jobmon = new JobmonClient(database.DataSource);
        var tooLong = new string('ü', 32);

        await jobmon.Admin.Awaiting(a => a.InstallAsync(new InstallOptions { Schema = tooLong }, Stop)).Should().ThrowAsync<OptionsValidationException>().WithMessage("*63*");
        await jobmon.Admin.Awaiting(a => a.InstallAsync(new InstallOptions { ReaderRole = tooLong }, Stop)).Should().ThrowAsync<OptionsValidationException>().WithMessage("*63*");

        (await database.ScalarAsync<long>("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'ü%'", Stop)).Should().Be(0);
    }

    [Fact]
    public async Task A_conflict_in_a_schema_with_a_hostile_name_is_told_as_such()
    {
        const string Odd = "100% \"side's\"";
        await using var database = await server.Cluster.CreateDatabaseAsync(cancellationToken: Stop);
        var quoted = PgIdentifier.Create(Odd).Quoted;
        await database.ExecuteAsync($"CREATE SCHEMA {quoted}; CREATE TABLE {quoted}.run (i int)", Stop);
        await using var jobmon = new JobmonClient(database.DataSource, new JobmonOptions { SideSchema = Odd });
        await using var second = new JobmonClient(database.DataSource, new JobmonOptions { Schema = "second", SideSchema = Odd });

        var foreign = (await jobmon.Admin.Awaiting(a => a.InstallAsync(null, Stop)).Should().ThrowAsync<JobmonConflictException>()).Which;
        await database.ExecuteAsync($"DROP TABLE {quoted}.run", Stop);
        await jobmon.Admin.InstallAsync(null, Stop);
        var shared = (await second.Admin.Awaiting(a => a.InstallAsync(null, Stop)).Should().ThrowAsync<JobmonConflictException>()).Which;

        (foreign.Code, foreign.Schema).Should().Be(("jobmon.conflict", "jobmon"));
        foreign.Message.Should().Be($"Schema 'jobmon' cannot take the job log: the side schema {quoted} holds foreign objects of the same names. Hint: Choose another schema name; nothing was changed.");
        shared.Message.Should().Be($"Schema 'second' cannot take the job log: the side schema {quoted} belongs to the log in schema jobmon. Hint: Choose another schema name; nothing was changed.");
    }

    private static async Task<string> UpperAsync(NpgsqlDataSource source, string text)
    {
        await using var command = source.CreateCommand("SELECT upper($1)");
        command.Parameters.AddWithValue(text);
        return (string)(await command.ExecuteScalarAsync(Stop))!;
    }
}
