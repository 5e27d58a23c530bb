using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Partman.Tests.Faults;

/// <summary>A disk of the server that fills up while partitions are made, rows are copied or moved, and an archive comes back: it is told, nothing is lost, and the same call does the rest once there is room.</summary>
public sealed class FullDiskTests(PgClusterFixture fixture) : PartmanTest(fixture)
{
    private const long DiskBytes = 4 << 20;

    private static readonly QualifiedName Orders = QualifiedName.Parse("public.orders");
    private static readonly QualifiedName Plain = QualifiedName.Parse("public.plain");

    private const string Sum = "SELECT count(*) || ' ' || COALESCE(sum(hashtextextended(t::text, 0)::numeric), 0) FROM {0} t";

    private SmallTablespace? _disk;

    private SmallTablespace Disk => _disk!;

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        _disk = await SmallTablespace.TryCreateAsync(Cluster, DiskBytes, Token);
        Assert.SkipWhen(_disk is null, "This process may not mount a file system.");
    }

    public override async ValueTask DisposeAsync()
    {
        // The tables are on it.
        await base.DisposeAsync();
        if (_disk is not null)
            await _disk.DisposeAsync();
    }

    private static void ShouldTell(PartmanServerException error)
    {
        error.SqlState.Should().Be(PostgresErrorCodes.DiskFull);
        error.Hint.Should().Be("Make room on the disk of the server. The transaction is undone.");
    }

    private Task<string> SumAsync(string table) => Ask<string>(Sum.Replace("{0}", table, StringComparison.Ordinal));

    [Fact]
    public async Task A_set_is_made_whole_or_not_at_all_and_one_that_is_there_grows_when_there_is_room()
    {
        // The index of TOAST takes a page of every partition.
        await Run($"CREATE TABLE events (id bigint NOT NULL, note text) PARTITION BY RANGE (id) TABLESPACE {Disk.Name}");
        Disk.Fill(left: 20 * 8192);

        var refused = (await Partman.Awaiting(p => p.CreateAsync(Events, Tens(o => o.Premake = 60), Token)).Should().ThrowAsync<PartmanServerException>()).Which;

        ShouldTell(refused);
        (await NamesAsync()).Should().BeEmpty();
        (await Ask<bool>("SELECT to_regnamespace('omnipg_partman') IS NULL")).Should().BeTrue();

        await Partman.CreateAsync(Events, Tens(o => o.Premake = 5), Token);
        await Run("INSERT INTO events SELECT 995, 'far ahead'; UPDATE omnipg_partman.part_config SET premake = 60; INSERT INTO events VALUES (25, 'here')");
        var result = (await Partman.MaintainAsync(Only(Events), cancellationToken: Token)).Sets.Single();
        var some = await NamesAsync();
        Disk.Free();
        var again = (await Partman.MaintainAsync(Only(Events), cancellationToken: Token)).Sets.Single();

        ShouldTell(result.Error.Should().BeOfType<PartmanServerException>().Which);
        some.Should().HaveCountGreaterThan(7).And.HaveCountLessThan(30);
        result.Changes.Should().HaveCount(some.Length - 7);
        again.Error.Should().BeNull();
        (await NamesAsync()).Should().HaveCount(3 + 60 + 1);
        (await Ask<string>("SELECT string_agg(note, ', ' ORDER BY id) FROM events")).Should().Be("here, far ahead");
    }

    [Fact]
    public async Task A_conversion_stops_with_all_that_is_copied_and_goes_on_when_there_is_room()
    {
        await Run($"CREATE TABLE orders (id bigint PRIMARY KEY, note text) TABLESPACE {Disk.Name}; INSERT INTO orders SELECT n, repeat('x', 100) FROM generate_series(1, 8000) n");
        var (before, stops) = (await SumAsync("orders"), Client(o => o.LockAttempts = 2));
        Disk.Fill(left: 500 * 1024);

        var refused = (await stops.Awaiting(p => p.ConvertAsync(Orders, new ConversionOptions { BatchSize = 500, Sessions = 2, Set = new PartitionSetOptions { Control = "id", IdInterval = 2000, Premake = 1 } }, cancellationToken: Token))
            .Should().ThrowAsync<PartmanServerException>()).Which;

        ShouldTell(refused);
        var open = (await Partman.ListConversionsAsync(Token)).Single();
        open.Phase.Should().Be(ConversionPhase.Copying);
        open.RowsCopied.Should().BeInRange(1000, 6000);
        (await SumAsync("orders")).Should().Be(before);
        (await Ask<string>("SELECT relkind::text FROM pg_class WHERE oid = 'orders'::regclass")).Should().Be("r");

        Disk.Free();
        await Run("UPDATE orders SET note = 'late' WHERE id IN (1, 7999)");
        var written = await SumAsync("orders");
        var done = await Partman.ResumeConversionAsync(open.Id, cancellationToken: Token);

        done.Should().Match<Conversion>(c => c.Phase == ConversionPhase.Swapped && c.RowsCopied == 8000);
        (await SumAsync("orders")).Should().Be(written).And.NotBe(before);
        (await Ask<string>("SELECT relkind::text FROM pg_class WHERE oid = 'orders'::regclass")).Should().Be("p");
    }

    [Fact]
    public async Task A_conversion_that_found_no_room_can_be_given_up_and_leaves_the_table_as_it_was()
    {
        await Run($"CREATE TABLE orders (id bigint PRIMARY KEY, note text) TABLESPACE {Disk.Name}; INSERT INTO orders SELECT n, repeat('x', 100) FROM generate_series(1, 4000) n");
        var before = await SumAsync("orders");
        Disk.Fill(left: 200 * 1024);
        await Client(o => o.LockAttempts = 1).Awaiting(p => p.ConvertAsync(Orders, new ConversionOptions { BatchSize = 500, Sessions = 1, Set = new PartitionSetOptions { Control = "id", IdInterval = 2000, Premake = 1 } }, cancellationToken: Token))
            .Should().ThrowAsync<PartmanServerException>();

        var given = await Partman.AbortConversionAsync((await Partman.ListConversionsAsync(Token)).Single().Id, Token);

        given.Phase.Should().Be(ConversionPhase.Aborted);
        (await SumAsync("orders")).Should().Be(before);
        (await Ask<string[]>("SELECT array_agg(relname::text) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')")).Should().Equal("orders");
    }

    [Fact]
    public async Task An_archive_comes_back_whole_or_not_at_all()
    {
        await Run($"CREATE TABLE events (id bigint NOT NULL, note text) PARTITION BY RANGE (id) TABLESPACE {Disk.Name}");
        var store = new MemoryObjectStore();
        var client = new PartmanClient(Database.DataSource, new PartmanOptions { LockTimeout = TimeSpan.FromMilliseconds(200), LockAttempts = 3 }, archive: store);
        await client.CreateAsync(Events, new PartitionSetOptions { Control = "id", IdInterval = 5000, Premake = 1, IdRetention = 5000, WhenExpired = ExpiredAction.Archive, DefaultPartition = false }, Token);
        await Run("INSERT INTO events SELECT n, repeat('x', 100) FROM generate_series(0, 4999) n");
        var before = await SumAsync("events_p0");
        await client.CreatePartitionsAsync(Events, [PartitionBound.Of(20_000)], cancellationToken: Token);
        await Run("INSERT INTO events VALUES (20000, 'newest')");
        (await client.MaintainAsync(Only(Events), cancellationToken: Token)).Sets.Single().Changes.Should().Contain(c => c.Partition.Name.Value == "events_p0" && c.Fate == PartitionFate.Archive);
        await Run("CHECKPOINT");
        Disk.Fill(left: 300 * 1024);

        var refused = (await client.Awaiting(c => c.RestoreAsync("public.events_p0.manifest.json", cancellationToken: Token)).Should().ThrowAsync<PartmanServerException>()).Which;

        ShouldTell(refused);
        (await Ask<long>("SELECT count(*) FROM pg_class WHERE relname LIKE 'omnipg_restore_%' OR relname = 'events_p0'")).Should().Be(0);
        (await Ask<string>("SELECT string_agg(note, ', ') FROM events")).Should().Be("newest");

        Disk.Free();
        // Files of a relation that was dropped stay until the next checkpoint.
        await Run("CHECKPOINT");
        (await client.RestoreAsync("public.events_p0.manifest.json", cancellationToken: Token)).Rows.Should().Be(5000);

        (await SumAsync("events_p0")).Should().Be(before);
    }

    [Fact]
    public async Task An_undo_leaves_every_row_in_one_of_both_tables_and_goes_on_when_there_is_room()
    {
        await IdTableAsync();
        await Run($"CREATE TABLE plain (id bigint, note text) TABLESPACE {Disk.Name}");
        await Partman.CreateAsync(Events, new PartitionSetOptions { Control = "id", IdInterval = 5000, Premake = 1 }, Token);
        await Run("INSERT INTO events SELECT n, repeat('x', 100) FROM generate_series(1, 8000) n");
        var before = await SumAsync("events");
        Disk.Fill(left: 300 * 1024);

        var refused = (await Client(o => o.LockAttempts = 2).Awaiting(p => p.UndoAsync(Events, Plain, new UndoOptions { BatchSize = 500 }, cancellationToken: Token)).Should().ThrowAsync<PartmanServerException>()).Which;

        ShouldTell(refused);
        Disk.Free();
        // With room again, because since 19 who reads a page that is all visible writes that down, and may need a page for it.
        (await Ask<long>("SELECT count(*) FROM plain")).Should().BeInRange(500, 4000);
        (await SumAsync("(SELECT * FROM events UNION ALL SELECT * FROM plain)")).Should().Be(before);

        (await Partman.UndoAsync(Events, Plain, new UndoOptions { BatchSize = 500 }, cancellationToken: Token)).Rows.Should().Be(8000);

        (await SumAsync("plain")).Should().Be(before);
    }
}
