using System.Text.RegularExpressions;
using Npgsql;
using OmniPg.Jobmon.Tests.Interop;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Administration;

/// <summary>A role with exactly the rights of the script does everything in its part; without any single one of them it is told which one is missing.</summary>
public sealed partial class GrantScriptTests(PgClusterFixture server)
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(JobmonMode.Own, JobmonAccess.Read)]
    [InlineData(JobmonMode.Own, JobmonAccess.Write)]
    [InlineData(JobmonMode.Own, JobmonAccess.Manage)]
    [InlineData(JobmonMode.Extension, JobmonAccess.Read)]
    [InlineData(JobmonMode.Extension, JobmonAccess.Write)]
    [InlineData(JobmonMode.Extension, JobmonAccess.Manage)]
    public async Task Each_single_right_is_needed_and_the_refusal_holds_the_statement_that_gives_it_back(JobmonMode mode, JobmonAccess access)
    {
        await using var database = mode == JobmonMode.Own
            ? await server.Cluster.CreateDatabaseAsync(cancellationToken: Stop) : await OriginalExtension.CreateAsync(server.Cluster);
        await using var owner = new JobmonClient(database.DataSource, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });
        await owner.Admin.InstallAsync(cancellationToken: Stop);
        owner.Start("seen").Complete();
        var role = $"{access} \"of\" {database.Name}";
        var script = await owner.Admin.GrantScriptAsync(role, access, Stop);
        await database.ExecuteAsync($"CREATE ROLE {PgIdentifier.Create(role).Quoted} LOGIN; {script}", Stop);
        await using var source = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(database.ConnectionString) { Username = role }.ConnectionString);

        await EverythingAsync(source, access);
        if (mode == JobmonMode.Own)
            await SqlCallersAsync(source, access);
        var (silent, fewer) = (new List<string>(), new List<string>());
        foreach (var (privilege, on, target) in Rights(script))
        {
            await database.ExecuteAsync($"REVOKE {privilege} ON {on} FROM {PgIdentifier.Create(role).Quoted}", Stop);
            JobmonPermissionException? refused = null;
            try
            {
                (await EverythingAsync(source, access) ? silent : fewer).Add($"{privilege} {target}");
            }
            catch (JobmonPermissionException error)
            {
                refused = error;
            }

            if (refused is not null)
            {
                (refused.Role, refused.Privilege, refused.ObjectName).Should().Be((role, privilege, target));
                refused.Code.Should().Be("jobmon.permission");
                refused.Message.Should().StartWith($"Role '{role}' lacks {privilege} on '{target}'").And.EndWith($"Run as owner: {refused.Grant}");
            }

            // That it is enough shows in the next round, which names another right or nothing.
            await database.ExecuteAsync(refused?.Grant ?? $"GRANT {privilege} ON {on} TO {PgIdentifier.Create(role).Quoted}", Stop);
        }

        await EverythingAsync(source, access);
        silent.Where(right => !right.StartsWith("EXECUTE", StringComparison.Ordinal)).Should().BeEquivalentTo(ForPeople(access));
        // Of the functions the client needs these; the others are for SQL callers, who are refused by name.
        Rights(script).Where(right => right.Privilege == "EXECUTE").Select(right => right.Target).Except(silent.Select(right => right[(right.IndexOf(' ', StringComparison.Ordinal) + 1)..]))
            .Should().BeEquivalentTo(Called(mode, access));
        // Without the side schema the log works on with fewer features; rules need it, and so does reaping.
        fewer.Should().Equal(access != JobmonAccess.Read ? [] : ["USAGE omnipg_jobmon", "SELECT omnipg_jobmon.schema_version"]);
        owner.Admin.GrantScript(role, access).Should().Be(script);
    }

    [Fact]
    public async Task Before_the_installation_the_script_is_that_of_own_mode_and_works_after_it()
    {
        await using var database = await server.Cluster.CreateDatabaseAsync(cancellationToken: Stop);
        await using var owner = new JobmonClient(database.DataSource, new JobmonOptions { Schema = "my log", ErrorPolicy = ErrorPolicy.Throw });
        var role = $"early {database.Name}";

        var script = await owner.Admin.GrantScriptAsync(role, JobmonAccess.Write, Stop);
        await owner.Admin.InstallAsync(cancellationToken: Stop);

        script.Should().StartWith($"GRANT USAGE ON SCHEMA \"my log\", \"omnipg_jobmon\" TO \"{role}\";\n").And.NotContain("DELETE");
        script.Should().Be(owner.Admin.GrantScript(role, JobmonAccess.Write)).And.Be(await owner.Admin.GrantScriptAsync(role, JobmonAccess.Write, Stop));
        await database.ExecuteAsync($"CREATE ROLE {PgIdentifier.Create(role).Quoted}; {script}", Stop);
    }

    /// <summary>Rights that nothing here uses, because they are for people at work with psql.</summary>
    private static string[] ForPeople(JobmonAccess access) =>
    [
        "SELECT omnipg_jobmon.acknowledgement",
        .. access == JobmonAccess.Read ? ["SELECT omnipg_jobmon.log_line"] : Array.Empty<string>(),
        .. access == JobmonAccess.Manage ? ["DELETE jobmon.job_check_config", "DELETE omnipg_jobmon.check_rule"] : Array.Empty<string>(),
    ];

    private static IEnumerable<string> Called(JobmonMode mode, JobmonAccess access)
    {
        if (mode == JobmonMode.Own)
            yield return "jobmon._dblink_probe()";
        yield return "omnipg_jobmon.session_is_live(uuid,interval)";
        if (access >= JobmonAccess.Write)
        {
            yield return "omnipg_jobmon.request_cancel(bigint,text)";
            yield return "omnipg_jobmon.reap_dead_jobs(interval,boolean)";
        }
        if (mode == JobmonMode.Own && access == JobmonAccess.Manage)
        {
            foreach (var function in new[] { "add_job(text,text,integer)", "add_step(bigint,text)", "update_step(bigint,text,text)", "fail_job(bigint,integer)" })
                yield return "jobmon._autonomous_" + function;
        }
    }

    /// <summary>Uses each part of the API that the access allows; returns whether all features are on.</summary>
    private static async Task<bool> EverythingAsync(NpgsqlDataSource source, JobmonAccess access)
    {
        await using var jobmon = new JobmonClient(source, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });
        await ReadAsync(jobmon);
        if (access >= JobmonAccess.Write)
            await WriteAsync(jobmon, source);
        if (access >= JobmonAccess.Manage)
            await ManageAsync(jobmon);
        return (await jobmon.GetCapabilitiesAsync(Stop)).HasSideSchema;
    }

    /// <summary>The same rights are enough for those who call the functions of own mode from SQL.</summary>
    private static async Task SqlCallersAsync(NpgsqlDataSource source, JobmonAccess access)
    {
        string[] read = ["show_job('x')", "show_job_like('x')", "show_job_status('OK')", "show_job_status('x', 'OK')", "show_detail(1)", "show_detail('x')", "show_running()", "check_job_status()"];
        string[] write = ["add_job('a')", "fail_job(1)", "close_job(1)", "add_step(1, 's')", "update_step(1, 'OK', 'm')", "sql_step(1, 's', 'SELECT 1')", "sql_job('x', 'SELECT 1')", "cancel_job(jobmon.add_job('c'))"];
        string[] manage = ["job_log_clear('1 hour')"];
        foreach (var call in read.Concat(access >= JobmonAccess.Write ? write : []).Concat(access >= JobmonAccess.Manage ? manage : []))
        {
            await using var command = source.CreateCommand($"SELECT * FROM jobmon.{call}");
            await command.ExecuteNonQueryAsync(Stop);
        }
    }

    private static async Task ReadAsync(JobmonClient jobmon)
    {
        var runs = await jobmon.History.ListAsync(new JobQuery { Limit = 1 }, Stop).ToListAsync(Stop);
        await jobmon.History.RunningAsync(10, Stop).ToListAsync(Stop);
        await jobmon.History.StepsAsync(runs[0].JobId, Stop).ToListAsync(Stop);
        await jobmon.History.StatisticsAsync("seen", TimeSpan.FromHours(1), Stop);
        await jobmon.Monitor.CheckAsync(cancellationToken: Stop);
        await jobmon.Monitor.LintAsync(Stop);
        await jobmon.Admin.StatusTextsAsync(Stop);
        await jobmon.Admin.ExportAsync(Stream.Null, new JobQuery(), Stop);
    }

    private static async Task WriteAsync(JobmonClient jobmon, NpgsqlDataSource source)
    {
        await using var work = await source.OpenConnectionAsync(Stop);
        using (var job = jobmon.Job("written").SingleInstance().Tag("t").Attach(work).Start())
        {
            using (var step = job.Step("one"))
            {
                step.Report(1, 2);
                job.Log(Microsoft.Extensions.Logging.LogLevel.Information, "line");
                step.Complete();
            }

            await job.SqlStepAsync("two", "SELECT 1", work, cancellationToken: Stop);
            job.Complete();
        }

        await (await jobmon.StartAsync("written", cancellationToken: Stop)).FailAsync("reason", cancellationToken: Stop);
        var open = await jobmon.StartAsync("cancelled", cancellationToken: Stop);
        await jobmon.Admin.CancelAsync(open.JobId!.Value, null, Stop);
        await open.DisposeAsync();
        await jobmon.Admin.ReapAsync(Stop);
    }

    private static async Task ManageAsync(JobmonClient jobmon)
    {
        await jobmon.Admin.Rule("written").Warn("1 h").Error("2 h").MaxRuntime(TimeSpan.FromHours(1)).ActivateAsync(Stop);
        await jobmon.Admin.MuteAsync("written", DateTimeOffset.UtcNow.AddHours(1), "dba", null, Stop);
        await jobmon.Admin.AcknowledgeAsync("written", "dba", null, Stop);
        await jobmon.Admin.SetStatusTextAsync(AlertLevel.Ok, "OK", Stop);
        await jobmon.Admin.Rule("written").DeactivateAsync(Stop);
        await jobmon.Admin.PurgeAsync(new PurgeOptions { KeepPerJob = 1 }, null, Stop);
    }

    /// <summary>The rights of the script one by one: privilege, what to name in REVOKE, and how a refusal names it.</summary>
    private static IEnumerable<(string Privilege, string On, string Target)> Rights(string script)
    {
        foreach (Match grant in GrantPattern().Matches(script))
        {
            foreach (var privilege in grant.Groups["privileges"].Value.Split(", "))
            {
                foreach (var target in grant.Groups["objects"].Value.Split(", "))
                    yield return (privilege, grant.Groups["kind"].Value + target, target.Replace("\"", "", StringComparison.Ordinal));
            }
        }
    }

    [GeneratedRegex("GRANT (?<privileges>[A-Z, ]+) ON (?<kind>SCHEMA |SEQUENCE |FUNCTION )?(?<objects>[a-z_.\", ()]+) TO ")]
    private static partial Regex GrantPattern();
}
