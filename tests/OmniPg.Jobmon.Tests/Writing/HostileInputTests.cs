using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Writing;

public sealed class HostileInputTests(PgClusterFixture server)
{
    [Theory]
    [InlineData("Robert'); DROP TABLE job_log;--")]
    [InlineData("100% \\ \"quoted\"\r\nsecond line")]
    [InlineData("  leading spaces 🚚 مرحبا ")]
    public async Task Names_actions_and_messages_are_stored_verbatim_everywhere(string text)
    {
        const string Schema = "Job \"Mon\" ü";
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false, schema: Schema, name: $"my \"db\" it's {Guid.NewGuid():N}");
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { Schema = Schema, ErrorPolicy = ErrorPolicy.Throw });

        using (var job = jobmon.Job(text).SingleInstance().Tag(text).Argument(text, text).Start())
        {
            job.SetResult(text, text);
            using (var step = job.Step(text))
            {
                step.Report(1, 2, text);
                step.Complete(text);
            }

            job.Complete(text);
        }

        await using var connection = await log.DataSource.OpenConnectionAsync(TestContext.Current.CancellationToken);
        await using var command = new Npgsql.NpgsqlCommand(
            $"SELECT j.job_name = upper($1), r.display_name = $1, r.args ->> $1 = $1, r.result ->> $1 = $1, r.tags = ARRAY[$1], bool_and(d.message = $1), bool_or(d.action = $1), count(*) FROM {log.Schema}.job_log j JOIN omnipg_jobmon.run r USING (job_id) JOIN {log.Schema}.job_detail d USING (job_id) GROUP BY 1, 2, 3, 4, 5",
            connection);
        command.Parameters.AddWithValue(text);
        await using var row = await command.ExecuteReaderAsync(TestContext.Current.CancellationToken);
        (await row.ReadAsync(TestContext.Current.CancellationToken)).Should().BeTrue();
        Enumerable.Range(0, 7).Select(row.GetBoolean).Should().AllBeEquivalentTo(true);
        row.GetInt64(7).Should().Be(2);
    }

    [Fact]
    public async Task Invalid_and_oversized_texts_are_mended_never_thrown()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });

        using (var job = jobmon.Start("nul \0 lone \ud800"))
        {
            using (var step = job.Step("a\0b\udc00"))
                step.Complete(new string('ü', 5_000_000));
            job.Complete();
        }

        (await log.RowsAsync("SELECT display_name FROM omnipg_jobmon.run")).Should().Equal("nul \ufffd lone \ufffd");
        (await log.RowsAsync("SELECT action, octet_length(message) <= 65536, right(message, 27) FROM S.job_detail"))
            .Should().Equal("a\ufffdb\ufffd|t|… [truncated 9934494 bytes]");
    }

    [Fact]
    public async Task Filter_sees_every_text_before_it_leaves_the_process()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        var options = new JobmonOptions { MessageFilter = t => t.Replace("s3cret", "***", StringComparison.Ordinal), ErrorPolicy = ErrorPolicy.Throw };
        await using var jobmon = new JobmonClient(log.DataSource, options);

        using (var job = jobmon.Job("name s3cret").Tag("tag s3cret").Argument("arg s3cret", "s3cret").Start())
        {
            job.SetResult("result s3cret", "s3cret");
            using (var step = job.Step("action s3cret"))
            {
                step.Report(new StepProgress(1, 2, "unit s3cret", "progress s3cret"));
                step.Fail(new InvalidOperationException("step s3cret", new InvalidOperationException("inner s3cret")));
            }

            job.Fail(new InvalidOperationException("job s3cret"));
        }

        foreach (var table in new[] { "S.job_log", "S.job_detail", "omnipg_jobmon.run", "omnipg_jobmon.step" })
        {
            var rows = string.Join('\n', await log.RowsAsync($"SELECT t FROM {table} t"));
            rows.Should().Contain("***").And.NotContain("s3cret").And.NotContain("S3CRET");
        }
    }

    [Fact]
    public async Task Ids_beyond_31_bits_work()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync("SELECT setval('S.job_log_job_id_seq', 2147483647), setval('S.job_detail_step_id_seq', 9007199254740993)");
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });

        using (var job = jobmon.Start("many"))
        {
            job.JobId.Should().Be(2147483648);
            using (var step = job.Step("work"))
            {
                step.StepId.Should().Be(9007199254740994);
                step.Complete();
            }

            job.Complete();
        }

        (await log.RowsAsync("SELECT job_id, step_id, l.status, d.status FROM S.job_log l JOIN S.job_detail d USING (job_id)")).Should().Equal("2147483648|9007199254740994|OK|OK");
    }

    [Fact]
    public async Task Database_without_a_character_gets_a_substitute()
    {
        var name = $"latin_{Guid.NewGuid():N}";
        await server.Cluster.ExecuteAsync($"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'", TestContext.Current.CancellationToken);
        await using var source = Npgsql.NpgsqlDataSource.Create(server.Cluster.GetConnectionString(name));
        await new JobmonInstaller(new JobmonDatabase(source, null, PgIdentifier.Create("omnipg_jobmon"), TimeSpan.FromSeconds(30)))
            .InstallAsync(new InstallOptions(), TestContext.Current.CancellationToken);

        await using (var jobmon = new JobmonClient(source, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw }))
        {
            using var job = jobmon.Start("latin");
            using (var step = job.Step("ship 🚚 ü"))
                step.Complete("sent 🚚");
            job.Complete();
        }

        await using var command = source.CreateCommand("SELECT action || '|' || message FROM jobmon.job_detail");
        (await command.ExecuteScalarAsync(TestContext.Current.CancellationToken)).Should().Be("ship ?? ?|sent ??");
        await source.DisposeAsync();
        await server.Cluster.ExecuteAsync($"DROP DATABASE {name} WITH (FORCE)", TestContext.Current.CancellationToken);
    }
}
