using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Administration;

/// <summary>A function with the rights of its owner is a right: nobody has one that no script gave.</summary>
public sealed class FunctionRightsTests(PgClusterFixture server)
{
    private const string OurSchemas = "p.pronamespace IN ('jobmon'::regnamespace, 'omnipg_jobmon'::regnamespace)";

    private const string State =
        """
        SELECT 'log', j::text FROM S.job_log j UNION ALL SELECT 'detail', d::text FROM S.job_detail d UNION ALL SELECT 'alert', c::text FROM S.job_check_log c
        UNION ALL SELECT 'config', c::text FROM S.job_check_config c UNION ALL SELECT 'text', t::text FROM S.job_status_text t
        UNION ALL SELECT 'run', r::text FROM omnipg_jobmon.run r UNION ALL SELECT 'step', s::text FROM omnipg_jobmon.step s ORDER BY 1, 2
        """;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task No_function_of_the_log_can_be_executed_by_everybody()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster);

        var open = await log.RowsAsync($"SELECT p.oid::regprocedure FROM pg_proc p WHERE {OurSchemas} AND has_function_privilege('public', p.oid, 'EXECUTE')");

        open.Should().BeEmpty();
        (await log.ScalarAsync<long>($"SELECT count(*) FROM pg_proc p WHERE {OurSchemas}")).Should().BeGreaterThan(45);
    }

    [Fact]
    public async Task Every_function_with_the_rights_of_its_owner_is_known()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster);
        var role = $"manager_{log.Name}";
        await log.ExecuteAsync($"CREATE ROLE {role}; {log.Admin.GrantScript(role, JobmonAccess.Manage)}");

        var definers = await log.RowsAsync(
            $"SELECT p.proname, has_function_privilege('{role}', p.oid, 'EXECUTE') FROM pg_proc p WHERE {OurSchemas} AND p.prosecdef ORDER BY p.proname::text COLLATE \"C\"");

        definers.Should().Equal(
            "_dblink_add_job|t", "_dblink_add_step|t", "_dblink_conninfo|f", "_dblink_fail_job|t", "_dblink_probe|t", "_dblink_run|f", "_dblink_update_step|t",
            "_sweep_side_rows|f", "auth|t", "job_check_log_escalate_trig|f", "job_monitor|f");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Reader_finds_no_door_to_write_through(bool dblink)
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink);
        var role = $"reader_{log.Name}";
        await log.ExecuteAsync($"CREATE ROLE {role} LOGIN; {log.Admin.GrantScript(role, JobmonAccess.Read)} SELECT S.close_job(j) FROM S.add_job('kept') j, S.add_step(j, 'a');");
        await log.ExecuteAsync("INSERT INTO omnipg_jobmon.run (job_id) SELECT job_id FROM S.job_log");
        var functions = await log.RowsAsync(
            $"""
            SELECT p.oid::regprocedure::text, format('SELECT * FROM %I.%I(%s)', n.nspname, p.proname, (SELECT string_agg(CASE t
                WHEN 'text'::regtype THEN quote_literal('x') WHEN 'interval'::regtype THEN quote_literal('0 s') WHEN 'boolean'::regtype THEN 'true'
                WHEN 'uuid'::regtype THEN 'gen_random_uuid()' WHEN 'timestamptz'::regtype THEN 'now()' ELSE '1' END || '::' || t::regtype, ', ' ORDER BY o)
                FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY AS a (t, o)))
            FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE {OurSchemas} AND p.prorettype <> 'trigger'::regtype
            ORDER BY p.oid::regprocedure::text COLLATE "C"
            """);
        var before = await log.RowsAsync(State);
        await using var source = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(log.ConnectionString) { Username = role }.ConnectionString);

        var passed = new List<string>();
        foreach (var call in functions.Select(f => f.Split('|', 2)))
        {
            if (await TryAsync(source, call[1]))
                passed.Add(call[0]);
        }
        foreach (var trigger in new[] { "job_monitor()", "job_check_log_escalate_trig()", "_sweep_side_rows()", "dblink_limit_trig()" })
        {
            if (await TryAsync(source, $"CREATE TEMP TABLE mine (job_id bigint, job_name text, status text, alert_code int); CREATE TRIGGER t AFTER UPDATE ON mine FOR EACH ROW EXECUTE FUNCTION jobmon.{trigger}"))
                passed.Add(trigger);
        }

        passed.Should().Equal(
            "jobmon._dblink_probe()", "jobmon._is_live(bigint,integer,timestamp with time zone,boolean)", "jobmon.check_job_status()", "jobmon.check_job_status(interval)",
            "jobmon.omnipg_jobmon_version()", "jobmon.show_detail(bigint)", "jobmon.show_detail(text,integer)", "jobmon.show_job(text,integer)", "jobmon.show_job_like(text,integer)",
            "jobmon.show_job_status(text,integer)", "jobmon.show_job_status(text,text,integer)", "jobmon.show_running(integer)", "omnipg_jobmon.session_is_live(uuid,interval)");
        (await log.RowsAsync(State)).Should().Equal(before);
    }

    [Fact]
    public async Task Through_dblink_a_writer_logs_under_his_own_name_and_ends_only_runs_of_his_own()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster);
        string writer = $"writer_{log.Name}", group = $"group_{log.Name}", manager = $"manager_{log.Name}";
        await log.ExecuteAsync($"CREATE ROLE {group} LOGIN; CREATE ROLE {writer} LOGIN IN ROLE {group}; CREATE ROLE {manager} LOGIN; {log.Admin.GrantScript(writer, JobmonAccess.Write)}"
            + $"{log.Admin.GrantScript(group, JobmonAccess.Write)} {log.Admin.GrantScript(manager, JobmonAccess.Manage)} SELECT S.close_job(j) FROM S.add_job('finished') j, S.add_step(j, 'a');");
        await using var source = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(log.ConnectionString) { Username = writer }.ConnectionString);
        await using var managing = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(log.ConnectionString) { Username = manager }.ConnectionString);
        const string Ends = "SELECT job_id, status FROM S.job_log UNION ALL SELECT -step_id, coalesce(status, '~') || coalesce(message, '~') FROM S.job_detail ORDER BY 1";

        await RunAsync(source, "SELECT jobmon._dblink_add_job('postgres', 'forged')");
        await RunAsync(source, "SELECT jobmon.update_step(s, 'OK', 'm'), jobmon.close_job(j) FROM jobmon.add_job('own') j, jobmon.add_step(j, 'b') s");
        await RunAsync(source, $"BEGIN; SET LOCAL ROLE {group}; SELECT jobmon.add_job('as the group'); COMMIT");
        await RunAsync(source, "SELECT jobmon.fail_job(4, 2)");
        var before = await log.RowsAsync(Ends);
        var refusals = new List<string>();
        foreach (var call in new[] { "fail_job(1)", "close_job(1)", "add_step(1, 'x')", "update_step(1, 'CRITICAL', 'tampered')" })
        {
            var refused = (await ((Func<Task>)(() => RunAsync(source, "SELECT jobmon." + call))).Should().ThrowAsync<PostgresException>()).Which;
            refusals.Add($"{refused.SqlState} {refused.MessageText}");
        }

        refusals.Should().Equal($"42501 fail_job: run 1 belongs to another role than {writer}", $"42501 close_job: run 1 belongs to another role than {writer}",
            $"42501 add_step: run 1 belongs to another role than {writer}", $"42501 update_step: the run of step 1 belongs to another role than {writer}");
        (await log.RowsAsync(Ends)).Should().Equal(before);
        (await log.RowsAsync("SELECT job_name, owner, status FROM S.job_log ORDER BY job_id")).Should().Equal(
            "FINISHED|postgres|OK", $"FORGED|{writer}|~", $"OWN|{writer}|OK", $"AS THE GROUP|{group}|WARNING");
        await RunAsync(managing, "SELECT jobmon.fail_job(2)");
        (await log.ScalarAsync<string>("SELECT status FROM S.job_log WHERE job_id = 2")).Should().Be("CRITICAL");
    }

    private static async Task RunAsync(NpgsqlDataSource source, string sql)
    {
        await using var command = source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync(Stop);
    }

    private static async Task<bool> TryAsync(NpgsqlDataSource source, string sql)
    {
        try
        {
            await RunAsync(source, sql);
            return true;
        }
        catch (PostgresException refusal)
        {
            refusal.SqlState.Should().Be(PostgresErrorCodes.InsufficientPrivilege, "{0}", sql);
            return false;
        }
    }
}
