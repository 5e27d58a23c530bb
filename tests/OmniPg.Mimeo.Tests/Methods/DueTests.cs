using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

public sealed class DueTests(PgClusterFixture fixture)
{
    [Fact]
    public async Task What_waited_longest_comes_first_and_one_that_fails_stops_no_other()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        foreach (var (name, kind, period) in ((string, ReplicationKind, PgInterval?)[])[("a", ReplicationKind.Table, "1 hour"), ("b", ReplicationKind.Dml, "1 hour"), ("c", ReplicationKind.Table, "1 hour"), ("d", ReplicationKind.Table, null), ("e", ReplicationKind.Snapshot, "1 hour")])
        {
            await mimeo.Databases.AtSourceAsync($"CREATE TABLE {name} (id int PRIMARY KEY); INSERT INTO {name} SELECT generate_series(1, 10)");
            await mimeo.CreateAsync(kind, "public." + name, s => s with { Period = period });
        }
        await mimeo.Databases.AtDestinationAsync(
            """
            UPDATE omnipg_mimeo.refresh_config SET last_run = now() - interval '2 hours' WHERE dest_table IN ('public.a', 'public.d');
            UPDATE omnipg_mimeo.refresh_config SET last_run = now() - interval '3 hours' WHERE dest_table = 'public.b';
            UPDATE omnipg_mimeo.refresh_config SET last_run = NULL WHERE dest_table = 'public.c';
            """);
        await mimeo.Databases.AtSourceAsync("DROP TABLE c");

        var one = await mimeo.Client.RefreshDueAsync(new DueOptions { MaxTables = 1, Kinds = [ReplicationKind.Dml, ReplicationKind.Table] }, cancellationToken: TestContext.Current.CancellationToken);
        (one.Results.Count, one.Failures.Select(f => $"{f.Destination} {((MimeoException)f.Error).Code}").Single()).Should().Be((0, "public.c mimeo.source.table-not-found"));
        var rest = await mimeo.Client.RefreshDueAsync(cancellationToken: TestContext.Current.CancellationToken);
        rest.Results.Select(r => r.Destination.ToString()).Should().Equal("public.b", "public.a");
        rest.Failures.Should().ContainSingle();
        (await mimeo.Client.RefreshDueAsync(new DueOptions { Kinds = [ReplicationKind.Snapshot], MaxParallelTables = 4 }, cancellationToken: TestContext.Current.CancellationToken)).Results.Should().BeEmpty();
    }

    [Fact]
    public async Task Tables_that_are_due_share_the_sessions_of_their_source_and_leave_none_for_long()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE VIEW session AS SELECT pg_backend_pid() AS pid");
        foreach (var name in (string[])["a", "b", "c"])
            await mimeo.CreateAsync(ReplicationKind.Table, "public.session", s => s with { Destination = QualifiedName.Create("public", name), Period = "1 microsecond" });

        (await mimeo.Client.RefreshDueAsync(cancellationToken: TestContext.Current.CancellationToken)).Results.Should().HaveCount(3);

        (await mimeo.Databases.DestinationAsync<long>("SELECT count(DISTINCT pid) FROM (TABLE a UNION ALL TABLE b UNION ALL TABLE c) t")).Should().Be(1);
        await Eventually.TrueAsync(
            async () => await mimeo.Databases.SourceAsync<long>("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'omnipg mimeo'") == 0, "no session is left",
            cancellationToken: TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task A_source_that_has_its_number_of_tables_keeps_no_other_source_waiting()
    {
        var (started, ends) = (new List<string>(), new Dictionary<string, TaskCompletionSource<RefreshResult>>());
        var run = new DueRun(new DueOptions { MaxParallelTables = 3, MaxParallelPerSource = 2 }, (table, _) =>
        {
            lock (started)
            {
                started.Add(table.Name.Value);
                return (ends[table.Name.Value] = new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
            }
        }).RunAsync([(Named("a1"), 1), (Named("a2"), 1), (Named("a3"), 1), (Named("b1"), 2), (Named("b2"), 2)], TestContext.Current.CancellationToken);

        await StartedAsync("a1", "a2", "b1");
        ends["b1"].SetException(new NotManagedException("b1"));
        await StartedAsync("a1", "a2", "b1", "b2");
        ends["a2"].SetResult(Result("a2"));
        await StartedAsync("a1", "a2", "b1", "b2", "a3");
        foreach (var name in (string[])["a1", "b2", "a3"])
            ends[name].SetResult(Result(name));

        var done = await run;
        done.Results.Select(r => r.Destination.Name.Value).Should().BeEquivalentTo("a2", "a1", "b2", "a3");
        done.Failures.Select(f => f.Destination.Name.Value).Should().Equal("b1");

        Task StartedAsync(params string[] names) => Eventually.TrueAsync(() =>
        {
            lock (started)
                return Task.FromResult(started.Order().SequenceEqual(names.Order()));
        }, $"{string.Join(", ", names)} have begun", cancellationToken: TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task An_error_that_is_none_of_a_table_ends_those_that_run_and_begins_no_other()
    {
        var (begun, ended, slow) = (0, 0, new TaskCompletionSource());
        var running = () => new DueRun(new DueOptions { MaxParallelTables = 2 }, async (table, cancellation) =>
        {
            Interlocked.Increment(ref begun);
            if (table.Name.Value == "bad")
            {
                // Not before the other one has begun.
                await slow.Task;
                throw new InvalidOperationException("none of a table");
            }
            slow.SetResult();
            try
            {
                await Task.Delay(Timeout.Infinite, cancellation);
            }
            finally
            {
                Interlocked.Increment(ref ended);
            }
            return Result("never");
        }).RunAsync([(Named("slow"), 1), (Named("bad"), 1), (Named("later"), 1)], TestContext.Current.CancellationToken);

        await running.Should().ThrowAsync<InvalidOperationException>();

        (begun, ended).Should().Be((2, 1));
    }

    private static QualifiedName Named(string name) => QualifiedName.Create("public", name);

    private static RefreshResult Result(string name) => new(Named(name), ReplicationKind.Table, RefreshStatus.Refreshed, 1, 1, CopyFormat.Binary, null, TimeSpan.Zero, []);
}
