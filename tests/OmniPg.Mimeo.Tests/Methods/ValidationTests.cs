using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

public sealed class ValidationTests(PgClusterFixture fixture)
{
    [Theory]
    [InlineData(ReplicationKind.Snapshot)]
    [InlineData(ReplicationKind.Table)]
    [InlineData(ReplicationKind.Inserter)]
    [InlineData(ReplicationKind.Updater)]
    [InlineData(ReplicationKind.Dml)]
    [InlineData(ReplicationKind.Logdel)]
    [InlineData(ReplicationKind.Logical)]
    public async Task A_table_is_equal_to_its_source_until_a_value_of_it_is_another(ReplicationKind kind)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id text COLLATE \"C\" PRIMARY KEY, ver bigint, f float8, at timestamptz, w text); INSERT INTO t SELECT i, i, 1.0 / i, now() - i * interval '1 min', 'ü' FROM generate_series(1, 1000) i");
        var growing = kind is ReplicationKind.Inserter or ReplicationKind.Updater;
        if (kind == ReplicationKind.Logical)
            await mimeo.Databases.AtSourceAsync("ALTER TABLE t REPLICA IDENTITY FULL");
        await mimeo.CreateAsync(kind, "public.t", s => s with { Condition = "WHERE ver <> 5", Cursor = growing ? CursorColumn.Serial("ver", 0) : null });
        // Written by the time zone of the session, which differs.
        await mimeo.Databases.AtDestinationAsync("DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || quote_ident(current_database()) || ' SET TimeZone TO \"Asia/Tokyo\"'; END $$");

        var equal = await ValidateAsync(mimeo, checksum: true);
        (equal.IsEqual, equal.SourceRows, equal.SourceChecksum).Should().Be((true, growing ? 998L : 999L, equal.DestinationChecksum));
        if (kind is not (ReplicationKind.Snapshot or ReplicationKind.Table))
        {
            // What the next refresh brings is no difference.
            await mimeo.Databases.AtSourceAsync(
                (kind == ReplicationKind.Inserter ? "" : "UPDATE t SET w = 'new', ver = 2000 + ver WHERE ver <= 10; ") + (growing ? "" : "DELETE FROM t WHERE ver = 20; ") + "INSERT INTO t SELECT i, 5000 + i, 1, now(), 'new' FROM generate_series(2001, 2010) i");
            (await ValidateAsync(mimeo, checksum: true)).IsEqual.Should().BeTrue();
        }
        await mimeo.Databases.AtDestinationAsync($"UPDATE t{(kind == ReplicationKind.Snapshot ? "_snap1" : "")} SET w = 'u' WHERE id = '500'");

        (await ValidateAsync(mimeo, checksum: false)).IsEqual.Should().BeTrue();
        (await ValidateAsync(mimeo, checksum: true)).IsEqual.Should().BeFalse();
        await mimeo.Databases.AtDestinationAsync($"DELETE FROM t{(kind == ReplicationKind.Snapshot ? "_snap1" : "")} WHERE id = '500'");
        var counted = await ValidateAsync(mimeo, checksum: false);
        (counted.IsEqual, counted.SourceRows - counted.DestinationRows).Should().Be((false, 1L));
    }

    [Theory]
    [InlineData(ReplicationKind.Inserter)]
    [InlineData(ReplicationKind.Updater)]
    public async Task A_window_of_the_cursor_column_is_compared_by_itself(ReplicationKind kind)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.MakeSourceAsync("public.t");
        await mimeo.CreateAsync(kind, "public.t", s => s with { Cursor = CursorColumn.Serial("col1", 0) });
        await mimeo.Databases.AtDestinationAsync("DELETE FROM t WHERE col1 IN (100, 200)");

        var all = await WindowAsync(null, null);
        (all.SourceRows, all.DestinationRows).Should().Be((9999L, 9997L));
        (await WindowAsync("100", "200")).Should().Match<ValidationResult>(r => r.IsEqual && r.SourceRows == 99);
        (await WindowAsync("99", "200")).Should().Match<ValidationResult>(r => !r.IsEqual && r.SourceRows == 100 && r.DestinationRows == 99);
        (await WindowAsync("200", null)).Should().Match<ValidationResult>(r => r.IsEqual && r.SourceRows == 9799);
        var hostile = () => WindowAsync("1) OR (true", null);
        await hostile.Should().ThrowAsync<SourceConnectionException>();
        await mimeo.CreateAsync(ReplicationKind.Table, "public.t", s => s with { Destination = QualifiedName.Parse("public.whole") });
        var senseless = () => mimeo.Client.ValidateAsync(QualifiedName.Parse("public.whole"), new ValidationOptions { Start = "1" }, TestContext.Current.CancellationToken);
        await senseless.Should().ThrowAsync<ArgumentException>();

        Task<ValidationResult> WindowAsync(string? start, string? end) =>
            mimeo.Client.ValidateAsync(QualifiedName.Parse("public.t"), new ValidationOptions { Checksum = true, Start = start, End = end }, TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task A_refresh_that_is_running_keeps_a_table_from_being_compared()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.MakeSourceAsync("public.t");
        await mimeo.CreateAsync(ReplicationKind.Table, "public.t");
        await using var holder = await QueueTests.HoldAsync(mimeo.Databases.Destination, "SELECT pg_advisory_lock(hashtext('mimeo advisory lock'), hashtext('public.t'))");

        var comparing = () => ValidateAsync(mimeo, checksum: false);

        await comparing.Should().ThrowAsync<MimeoLockException>();
    }

    private static Task<ValidationResult> ValidateAsync(Mimeo mimeo, bool checksum) =>
        mimeo.Client.ValidateAsync(QualifiedName.Parse("public.t"), new ValidationOptions { Checksum = checksum }, TestContext.Current.CancellationToken);
}
