using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Partman.Tests.Faults;

/// <summary>On a standby nothing is changed, and everything that only reads answers.</summary>
public sealed class StandbyTests : IAsyncLifetime
{
    private static readonly QualifiedName Events = QualifiedName.Parse("public.events");
    private static readonly Dictionary<string, string> Replica = new() { ["wal_level"] = "replica", ["max_wal_senders"] = "4", ["hot_standby"] = "on" };

    private readonly TemporaryDirectory _directory = new(forServer: true);
    private PgCluster _primary = null!;
    private PgCluster _standby = null!;
    private TestDatabase _database = null!;
    private NpgsqlDataSource _source = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _primary = await PgCluster.StartAsync(new PgClusterOptions { Settings = Replica }, Token);
        _database = await _primary.CreateDatabaseAsync(cancellationToken: Token);
        await _database.ExecuteAsync("CREATE TABLE events (id bigint NOT NULL, note text) PARTITION BY RANGE (id)", Token);
        await new PartmanClient(_database.DataSource).CreateAsync(Events, new PartitionSetOptions { Control = "id", IdInterval = 10, IdRetention = 5, WhenExpired = ExpiredAction.Drop }, Token);
        await _database.ExecuteAsync("INSERT INTO events SELECT n, 'n' || n / 2 FROM generate_series(1, 25) n", Token);
        ServerAccount.Own(_directory.Path);
        var copy = _directory.Combine("standby");
        (await _primary.RunProgramAsync("pg_basebackup", "-h", "127.0.0.1", "-p", $"{_primary.Port}", "-U", "postgres", "-D", copy, "-c", "fast", "-X", "stream", "-R", "--no-sync")).MustSucceed();
        _standby = await PgCluster.StartAsync(new PgClusterOptions { Settings = Replica, ExistingDataDirectory = copy }, Token);
        _source = NpgsqlDataSource.Create(_standby.GetConnectionString(_database.Name));
    }

    public async ValueTask DisposeAsync()
    {
        await _source.DisposeAsync();
        await _standby.DisposeAsync();
        await _database.DisposeAsync();
        await _primary.DisposeAsync();
        _directory.Dispose();
    }

    [Fact]
    public async Task A_maintenance_passes_over_a_standby_and_what_reads_answers_there()
    {
        var partman = new PartmanClient(_source);
        await Eventually.TrueAsync(async () =>
        {
            await using var command = _source.CreateCommand("SELECT count(*) FROM events");
            return (long)(await command.ExecuteScalarAsync(Token))! == 25;
        }, "the standby has caught up", cancellationToken: Token);

        var result = await partman.MaintainAsync(cancellationToken: Token);

        result.AllSucceeded.Should().BeTrue();
        result.Sets.Single().Skipped.Single().Reason.Should().Be(SkipReason.Standby);
        result.Sets.Single().Changes.Should().BeEmpty();
        (await partman.ListSetsAsync(Token)).Should().ContainSingle();
        (await partman.ListPartitionsAsync(Events, Token)).Should().Contain(p => p.Name.Name.Value == "events_p0" && p.Fate == PartitionFate.Drop);
        (await partman.LocateAsync(Events, PartitionBound.Of(25), Token)).Partition.Name.Value.Should().Be("events_p20");
        (await partman.PlanMaintenanceAsync(cancellationToken: Token)).Sets.Single().Error.Should().BeNull();
        (await partman.FindDuplicatesAsync(Events, ["note"], Token)).Keys.Should().Be(12);
        (await partman.ExportDefinitionAsync(Events, cancellationToken: Token)).Should().Contain("\"idRetention\": 5");
        (await partman.PlanFreezeAsync(Events, cancellationToken: Token)).IsEmpty.Should().BeTrue();
        (await partman.PlanRepartitionAsync(Events, new RepartitionOptions { IdInterval = 100 }, Token)).IsEmpty.Should().BeFalse();
        (await partman.CheckAsync(Token)).Sets.Should().Be(1);
    }

    [Fact]
    public async Task What_would_change_something_is_refused_on_a_standby()
    {
        var partman = new PartmanClient(_source);
        Func<Task>[] calls =
        [
            () => partman.RepartitionAsync(Events, new RepartitionOptions { IdInterval = 100 }, cancellationToken: Token),
            () => partman.ForgetAsync(Events, Token),
            () => partman.ApplyConstraintsAsync(Events, new ConstraintOptions { Columns = ["note"], Distance = 1 }, cancellationToken: Token),
            () => partman.FreezeAsync(Events, new FreezeOptions { MinimumAge = 0 }, cancellationToken: Token),
            () => partman.ApplySetsAsync(new Dictionary<QualifiedName, PartitionSetOptions> { [Events] = new() { Control = "id", IdInterval = 10, Premake = 7 } }, Token),
        ];

        foreach (var call in calls)
            await call.Should().ThrowAsync<PartmanException>().Where(e => e is StandbyServerException);
    }
}
