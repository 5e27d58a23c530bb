using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>Errors name the server they come from.</summary>
public sealed class RefusalTests(PgClusterFixture fixture)
{
    [Theory]
    [InlineData(ReplicationKind.Snapshot, "WHERE col1 > 0")]
    [InlineData(ReplicationKind.Inserter, null)]
    public async Task A_lock_at_the_source_is_told_as_one_of_the_source(ReplicationKind kind, string? condition)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster, o => o.LockTimeout = TimeSpan.FromMilliseconds(200));
        await SetUpAsync(mimeo, kind, condition);
        await using var holder = await QueueTests.HoldAsync(mimeo.Databases.Source, "BEGIN; LOCK TABLE there");

        var refreshing = () => mimeo.RefreshAsync("public.there", new RefreshOptions { SkipUnchanged = false });

        (await refreshing.Should().ThrowAsync<MimeoLockException>()).Which.Message.Should().StartWith("'public.there' was locked by others for too long to read it at source 'erp'.");
    }

    [Theory]
    [InlineData(ReplicationKind.Snapshot, "WHERE col1 > 0")]
    [InlineData(ReplicationKind.Inserter, null)]
    public async Task A_source_that_ends_the_session_is_told_as_the_source(ReplicationKind kind, string? condition)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await SetUpAsync(mimeo, kind, condition);
        await using var holder = await QueueTests.HoldAsync(mimeo.Databases.Source, "BEGIN; LOCK TABLE there");

        var refreshing = mimeo.RefreshAsync("public.there", new RefreshOptions { SkipUnchanged = false });
        await TerminateAsync(mimeo.Databases.Source, "wait_event_type = 'Lock'");

        var ended = () => refreshing;
        (await ended.Should().ThrowAsync<SourceConnectionException>()).Which.Message.Should().StartWith("Source 'erp' at ").And.Contain("terminating connection due to administrator command");
    }

    [Fact]
    public void A_deadlock_is_no_lock_that_was_held_for_too_long()
    {
        var error = new MimeoLockException(QualifiedName.Parse("public.t"), "write its rows", new PostgresException("deadlock detected", "ERROR", "ERROR", PostgresErrorCodes.DeadlockDetected));

        (error.Sentence, error.Hint, error.IsTransient).Should().Be(
            ("'public.t' and others waited for each other's locks, and the server ended the attempt to write its rows.", "Refresh again; the server's log names both statements.", true));
    }

    [Fact]
    public async Task A_destination_that_ends_the_session_between_two_statements_is_told_as_the_destination()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster, o => o.LockTimeout = TimeSpan.FromSeconds(60));
        await SetUpAsync(mimeo, ReplicationKind.Inserter, null);
        await mimeo.AddRowsAsync("there", 10_001, 10_100);
        await using var holder = await QueueTests.HoldAsync(mimeo.Databases.Source, "BEGIN; LOCK TABLE there");

        var refreshing = mimeo.RefreshAsync("public.there");
        await Eventually.TrueAsync(
            async () => await mimeo.Databases.SourceAsync<bool>("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')"),
            "the refresh waits at the source", cancellationToken: TestContext.Current.CancellationToken);
        await TerminateAsync(mimeo.Databases.Destination, "state = 'idle in transaction'");
        await holder.DisposeAsync();

        var ended = () => refreshing;
        var error = (await ended.Should().ThrowAsync<MimeoException>()).Which;
        (error.Code, error.IsTransient).Should().Be(("mimeo.server", true));
        error.Message.Should().StartWith("The destination '").And.Contain("did not refresh 'public.there'");
        var next = await mimeo.RefreshAsync("public.there");
        (next.Status, next.LastValue).Should().Be((RefreshStatus.Refreshed, "10099"));
    }

    private static async Task SetUpAsync(Mimeo mimeo, ReplicationKind kind, string? condition)
    {
        await mimeo.MakeSourceAsync("public.there");
        await mimeo.CreateAsync(kind, "public.there", s => s with { Condition = condition, Cursor = kind == ReplicationKind.Inserter ? CursorColumn.Serial("col1", 0) : null });
    }

    // And waits: the client knows of the end before the session has given its locks back.
    private static Task TerminateAsync(TestDatabase database, string which) => Eventually.TrueAsync(
        async () => await database.ScalarAsync<bool>(
            $"SELECT coalesce(bool_or(pg_terminate_backend(pid, 10000)), false) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND {which}", TestContext.Current.CancellationToken),
        "a session is there to end", cancellationToken: TestContext.Current.CancellationToken);
}
