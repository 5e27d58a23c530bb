using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using OmniPg.Jobmon;
using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>The client in a host, and what it tells of its runs.</summary>
public sealed class HostTests(PgClusterFixture fixture)
{
    [Fact]
    public async Task A_scheduled_round_refreshes_what_is_due_through_the_data_source_of_the_host_and_one_that_fails_stops_no_other()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        foreach (var table in (string[])["a", "b"])
        {
            await mimeo.MakeSourceAsync("public." + table);
            await mimeo.CreateAsync(ReplicationKind.Table, "public." + table, s => s with { Period = "1 hour" }, new CreateOptions { PullData = false });
        }
        await mimeo.Databases.AtDestinationAsync("DROP TABLE a");
        // What is stored leads nowhere.
        await mimeo.Client.AddSourceAsync("erp", "Host=127.0.0.1;Port=1;Database=none;Username=nobody", TestContext.Current.CancellationToken);
        using var logs = new FakeLoggerFactory();
        var builder = Host.CreateApplicationBuilder();
        builder.Services.AddSingleton<Microsoft.Extensions.Logging.ILoggerFactory>(logs);
        builder.Services.AddSingleton(mimeo.Databases.Destination.DataSource);
        builder.Services.AddOmniPgMimeo().AddSource("erp", _ => mimeo.Databases.Source.DataSource).AddScheduler(TimeSpan.FromHours(1));
        using var host = builder.Build();

        await host.StartAsync(TestContext.Current.CancellationToken);
        await Eventually.TrueAsync(async () => await mimeo.Databases.DestinationAsync<long>("SELECT count(*) FROM b") == 10_000, "the round", cancellationToken: TestContext.Current.CancellationToken);
        await Eventually.TrueAsync(() => Task.FromResult(logs.Lines.Any(e => e.Id.Id == 4003)), "the failure was told", cancellationToken: TestContext.Current.CancellationToken);
        await host.StopAsync(TestContext.Current.CancellationToken);

        logs.Lines.Where(e => e.Id.Id is 4000 or 4003).Select(e => e.Message).Should().HaveCount(2)
            .And.Contain("A scheduled refresh of public.a failed").And.Contain(m => m.StartsWith("Refreshed public.b (table): Refreshed, 10000 rows, "));
    }

    [Fact]
    public async Task Options_that_cannot_work_are_told_by_the_host()
    {
        var builder = Host.CreateApplicationBuilder();
        builder.Services.AddOmniPgMimeo(o => (o.SwapTries, o.Schema) = (0, ""));
        using var host = builder.Build();

        (await FluentActions.Awaiting(() => host.StartAsync(TestContext.Current.CancellationToken)).Should().ThrowAsync<OptionsValidationException>()).Which.Failures.Should().HaveCountGreaterThanOrEqualTo(2);
    }

    [Fact]
    public async Task Runs_stand_in_the_job_log_under_the_names_of_the_extension()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await using var jobmon = new JobmonClient(mimeo.Databases.Destination.DataSource, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });
        await jobmon.Admin.InstallAsync(cancellationToken: TestContext.Current.CancellationToken);
        var client = new MimeoClient(mimeo.Databases.Destination.DataSource, jobmon: jobmon);
        await mimeo.MakeSourceAsync("public.t");
        var name = QualifiedName.Parse("public.t");
        await client.CreateAsync(new ReplicationSpec { Kind = ReplicationKind.Dml, From = "erp", Source = name }, cancellationToken: TestContext.Current.CancellationToken);
        await client.CreateAsync(new ReplicationSpec { Kind = ReplicationKind.Table, From = "erp", Source = name, Destination = QualifiedName.Parse("public.quiet"), Audit = false }, cancellationToken: TestContext.Current.CancellationToken);
        await mimeo.AddRowsAsync("public.t", 10_001, 10_010);

        await client.RefreshAsync(name, cancellationToken: TestContext.Current.CancellationToken);
        await client.RefreshAsync(QualifiedName.Parse("public.quiet"), cancellationToken: TestContext.Current.CancellationToken);
        await using (await QueueTests.HoldAsync(mimeo.Databases.Destination, "SELECT pg_advisory_lock(hashtext('mimeo advisory lock'), hashtext('public.t'))"))
            (await client.RefreshAsync(name, cancellationToken: TestContext.Current.CancellationToken)).Status.Should().Be(RefreshStatus.SkippedLocked);
        await mimeo.Databases.AtDestinationAsync("DROP TABLE t");
        var failing = () => client.RefreshAsync(name, cancellationToken: TestContext.Current.CancellationToken);
        await failing.Should().ThrowAsync<DestinationMissingException>();
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();

        (await JobsAsync()).Should().Be(
            """
            DML MAKER: PUBLIC.T OK Setting up public.t: 10000 rows
            REFRESH DML: PUBLIC.T OK Refreshing public.t: Refreshed: 10 rows, 
            REFRESH DML: PUBLIC.T WARNING Obtaining advisory lock for job: Refresh DML: public.t: Found concurrent job. Exiting gracefully
            REFRESH DML: PUBLIC.T CRITICAL 
            """.ReplaceLineEndings("\n"));

        Task<string> JobsAsync() => mimeo.Databases.DestinationAsync<string>(
            $"""
            SELECT string_agg(concat_ws(' ', j.job_name, j.status, CASE WHEN j.status = 'CRITICAL' THEN '' ELSE (SELECT action || ': ' || regexp_replace(message, '[0-9]+ bytes', '') FROM {Schema}.job_detail d WHERE d.job_id = j.job_id ORDER BY step_id LIMIT 1) END), E'\n' ORDER BY job_id)
            FROM {Schema}.job_log j
            """);
    }

    [Fact]
    public async Task A_refresh_is_a_span_and_counts_its_rows()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        var table = "t_" + Path.GetRandomFileName()[..6];
        await mimeo.MakeSourceAsync("public." + table);
        await mimeo.CreateAsync(ReplicationKind.Table, "public." + table);
        var spans = new System.Collections.Concurrent.ConcurrentQueue<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == MimeoTelemetry.SourceName, Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData, ActivityStopped = spans.Enqueue,
        };
        ActivitySource.AddActivityListener(listener);

        await mimeo.RefreshAsync("public." + table);
        await mimeo.Databases.AtDestinationAsync($"DROP TABLE {table}");
        var failing = () => mimeo.RefreshAsync("public." + table);
        await failing.Should().ThrowAsync<DestinationMissingException>();

        spans.Where(s => s.GetTagItem("omnipg.mimeo.destination") as string == "public." + table).Select(s => $"{s.OperationName} {s.GetTagItem("omnipg.mimeo.kind")} {s.GetTagItem("error.type")}")
            .Should().Equal("mimeo.refresh table ", "mimeo.refresh table mimeo.destination.missing");
    }

    private const string Schema = "jobmon";
}
