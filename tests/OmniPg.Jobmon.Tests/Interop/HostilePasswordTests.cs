using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Interop;

/// <summary>A password that holds every character with a meaning in a connection string, on a server that asks for it.</summary>
public sealed class HostilePasswordTests : IAsyncLifetime
{
    private const string Password = " s p'a\"c;e\\s=x' ";

    private PgCluster _cluster = null!;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _cluster = await PgCluster.StartAsync(new PgClusterOptions { Password = Password }, Stop);

    public ValueTask DisposeAsync() => _cluster.DisposeAsync();

    [Theory]
    [InlineData(JobmonMode.Own)]
    [InlineData(JobmonMode.Extension)]
    public async Task Own_connections_take_it_from_the_data_source_the_options_and_a_provider(JobmonMode mode)
    {
        await using var database = mode == JobmonMode.Own
            ? await _cluster.CreateDatabaseAsync(cancellationToken: Stop) : await OriginalExtension.CreateAsync(_cluster);
        await database.ExecuteAsync("CREATE EXTENSION IF NOT EXISTS dblink", Stop);
        var settings = new NpgsqlConnectionStringBuilder(database.ConnectionString) { Password = Password };
        var withoutPassword = new NpgsqlConnectionStringBuilder(database.ConnectionString) { Password = null };
        var asked = new NpgsqlDataSourceBuilder(withoutPassword.ConnectionString);
        asked.UsePasswordProvider(_ => Password, (_, _) => ValueTask.FromResult(Password));
        await using var provided = asked.Build();
        await using var refused = NpgsqlDataSource.Create(withoutPassword.ConnectionString);
        var install = new InstallOptions { Dblink = new DblinkMapping { Username = settings.Username, Password = Password, HostAddress = "127.0.0.1" } };

        var lines = new FakeLoggerFactory();
        await using (var fromSource = new JobmonClient(database.DataSource, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw }, lines))
        {
            (await fromSource.Admin.InstallAsync(install, Stop)).SqlIsAutonomous.Should().BeTrue();
            fromSource.Start("from the data source").Complete();
            await (await fromSource.StartAsync("without waiting", cancellationToken: Stop)).CompleteAsync(cancellationToken: Stop);
        }

        await using (var fromOptions = new JobmonClient(refused, new JobmonOptions { ConnectionString = settings.ConnectionString, ErrorPolicy = ErrorPolicy.Throw }, lines))
        {
            fromOptions.Start("from the options").Complete();
            (await fromOptions.Monitor.CheckAsync(cancellationToken: Stop)).Worst.Should().Be(AlertLevel.Ok);
        }

        await using (var fromProvider = new JobmonClient(provided, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw }, lines))
            fromProvider.Start("from a provider").Complete();
        if (mode == JobmonMode.Own)
            await database.ExecuteAsync("DO $$ BEGIN PERFORM jobmon.close_job(jobmon.add_job('through dblink')); RAISE EXCEPTION 'no'; EXCEPTION WHEN OTHERS THEN NULL; END $$", Stop);
        await using var wrong = new JobmonClient(refused, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw }, lines);
        var error = wrong.Invoking(j => j.Start("without a password")).Should().Throw<JobmonUnavailableException>().Which;

        (await database.ScalarAsync<string[]>("SELECT array_agg(job_name || ' ' || status ORDER BY job_id) FROM jobmon.job_log", Stop)).Should().Equal([
            "FROM THE DATA SOURCE OK", "WITHOUT WAITING OK", "FROM THE OPTIONS OK", "FROM A PROVIDER OK", .. mode == JobmonMode.Own ? ["THROUGH DBLINK OK"] : Array.Empty<string>()]);
        lines.Lines.Select(l => l.Message).Append(error.ToString()).Append(install.ToString()).Should().NotContain(m => m.Contains(Password, StringComparison.Ordinal));
    }
}
