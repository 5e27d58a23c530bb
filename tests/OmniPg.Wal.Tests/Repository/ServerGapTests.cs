using NpgsqlTypes;
using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Repository;

/// <summary>Gaps of an archive by what its server says, for servers that no test can be made to be; segments of 16 MiB.</summary>
public sealed class ServerGapTests : IAsyncDisposable
{
    private readonly MemoryObjectStore _archive = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => _archive.DisposeAsync();

    [Fact]
    public async Task A_timeline_that_went_elsewhere_is_missing_from_the_newest_segment_on_and_so_is_its_history()
    {
        await PutAsync(1, 1, 5);

        (await GapsAsync(Server(2, 9) with { LastArchived = Name(2, 8) })).Should().Equal("2 6-8 Lost");
    }

    [Fact]
    public async Task An_archive_without_a_segment_lacks_what_the_server_has_archived_last()
    {
        await _archive.PutAsync("00000002.history", "1\t0/4000000\tno recovery target specified\n"u8.ToArray(), Token);

        (await GapsAsync(Server(2, 9) with { LastArchived = Name(2, 6), Ready = Ready(Name(2, 8)) })).Should().Equal("2 6-7 Lost", "2 8-8 Uploading");
        (await GapsAsync(Server(1, 9))).Should().BeEmpty();
    }

    [Fact]
    public async Task A_hole_ahead_of_a_standby_or_of_a_server_that_was_set_back_is_lost_and_one_that_was_finished_meanwhile_is_not()
    {
        await PutAsync(1, 1, 5);
        await PutAsync(1, 7, 7);

        (await GapsAsync(Server(1, 4) with { IsStandby = true, LastArchived = Name(1, 3) })).Should().Equal("1 6-6 Lost");
        (await GapsAsync(Server(1, 4))).Should().Equal("1 6-6 Lost");
        (await GapsAsync(Progressed(Server(1, 6), 7))).Should().Equal("1 6-6 Uploading");
    }

    [Fact]
    public async Task What_waits_at_a_standby_is_missing()
    {
        await PutAsync(1, 1, 5);

        (await GapsAsync(Server(1, 9) with { IsStandby = true, Ready = Ready(Name(1, 7), Name(1, 8)) })).Should().Equal("1 7-7 Uploading", "1 8-8 Delayed");
    }

    [Fact]
    public async Task A_partial_segment_is_on_its_way_only_while_somebody_receives_and_has_not_gone_on_behind_it()
    {
        await PutAsync(1, 1, 5);
        await _archive.PutAsync("000000010000000000000006.partial", [], Token);

        (await GapsAsync(Sending(Server(1, 7)))).Should().Equal("1 6-6 Uploading");
        (await GapsAsync(Server(1, 7))).Should().Equal("1 6-6 Lost");
        await PutAsync(1, 7, 8);
        (await GapsAsync(Sending(Server(1, 9)))).Should().Equal("1 6-6 Lost");
    }

    [Fact]
    public async Task What_a_receiver_has_confirmed_is_lost_and_what_it_has_not_is_on_its_way()
    {
        await PutAsync(1, 1, 5);
        await PutAsync(1, 8, 8);

        (await GapsAsync(Confirmed(Server(1, 9), 7))).Should().Equal("1 6-6 Lost", "1 7-7 Uploading");
        (await GapsAsync(Confirmed(Server(1, 12), 11))).Should().Equal("1 6-7 Lost", "1 9-10 Lost");
        (await GapsAsync(Confirmed(Server(1, 12), 0))).Should().Equal("1 6-7 Uploading");
        // Nobody is behind a slot that stands still, and a server that archives holds what it has not archived.
        (await GapsAsync(Confirmed(Server(1, 12), 0, isActive: false))).Should().Equal("1 6-7 Lost");
        (await GapsAsync(Confirmed(Server(1, 12), 0) with { IsArchiving = true })).Should().Contain("1 6-7 Lost");
    }

    [Fact]
    public async Task What_lies_in_the_directory_of_the_receiver_is_on_its_way_into_the_archive_and_what_does_not_is_lost()
    {
        await PutAsync(1, 1, 5);
        using var root = new TemporaryDirectory();
        await new WalArchiveMarker { SystemIdentifier = 42, PgVersion = 15, WalSegmentSize = WalSegmentSize.Default.Bytes }.WriteAsync(new DirectoryObjectStore(root.Path), Token);
        foreach (var name in (string[])[$"{Name(1, 7)}", $"{Name(1, 8)}.partial"])
            await File.WriteAllBytesAsync(root.Combine(name), [], Token);

        var receiving = await Sending(Confirmed(Server(1, 9), 9)).WithReceivedAsync(root.Path, Token);
        var stopped = await Confirmed(Server(1, 9), 9, isActive: false).WithReceivedAsync(root.Path, Token);

        (await GapsAsync(receiving)).Should().Equal("1 6-6 Lost", "1 7-8 Uploading");
        (await GapsAsync(stopped)).Should().Equal("1 6-6 Lost", "1 7-8 Delayed");
    }

    [Fact]
    public async Task A_directory_of_another_clusters_receiver_or_of_none_tells_nothing()
    {
        using var root = new TemporaryDirectory();
        var looking = () => Server(1, 9).WithReceivedAsync(root.Path, Token);

        await looking.Should().ThrowAsync<WalArchiveAbsentException>();
        await new WalArchiveMarker { SystemIdentifier = 43, PgVersion = 15, WalSegmentSize = WalSegmentSize.Default.Bytes }.WriteAsync(new DirectoryObjectStore(root.Path), Token);
        await looking.Should().ThrowAsync<WalArchiveMismatchException>();
    }

    [Fact]
    public async Task What_the_archiver_has_brought_elsewhere_is_not_missing_from_the_directory_of_a_receiver()
    {
        await PutAsync(1, 8, 8);

        (await GapsAsync(Confirmed(Server(1, 9), 9) with { IsArchiving = true, LastArchived = Name(1, 7) })).Should().BeEmpty();
        (await GapsAsync(Server(1, 9) with { LastArchived = Name(1, 7) })).Should().Equal("1 7-7 Lost");
    }

    [Fact]
    public async Task Of_a_server_whose_WAL_nobody_takes_away_only_holes_are_missing()
    {
        await PutAsync(1, 1, 5);

        (await GapsAsync(Server(1, 9) with { IsArchiving = false, LastArchived = Name(1, 8) })).Should().BeEmpty();
        await PutAsync(1, 7, 7);
        (await GapsAsync(Server(1, 9) with { IsArchiving = false })).Should().Equal("1 6-6 Lost");
    }

    private static WalFileName Name(uint timeline, ulong number) => WalFileName.ForSegmentNumber(timeline, number, WalSegmentSize.Default);

    private static Dictionary<WalFileName, DateTimeOffset> Ready(params WalFileName[] names) => names.ToDictionary(n => n, _ => DateTimeOffset.UnixEpoch);

    private static ArchivingServer Sending(ArchivingServer server) => server with { IsSending = true };

    /// <summary>Behind a receiver that has confirmed up to somewhere in a segment.</summary>
    private static ArchivingServer Confirmed(ArchivingServer server, ulong segment, bool isActive = true) => server with
    {
        IsArchiving = false,
        Slot = new ArchivingServer.SlotState(isActive, "reserved", new NpgsqlLogSequenceNumber((segment * (ulong)WalSegmentSize.Default.Bytes) + 8)),
    };

    private static ArchivingServer Progressed(ArchivingServer server, ulong finished) => server with { LastFinishedSince = finished };

    /// <summary>A primary that writes a segment, with nothing archived and nothing waiting.</summary>
    private static ArchivingServer Server(uint timeline, ulong current) => new()
    {
        IsSending = false,
        IsStandby = false, IsArchiving = true, Lsn = new NpgsqlLogSequenceNumber((current * (ulong)WalSegmentSize.Default.Bytes) + 40), Timeline = timeline, SegmentSize = WalSegmentSize.Default, SystemIdentifier = 42,
        Now = DateTimeOffset.UnixEpoch, LastArchived = null, FailedCount = 0, LastFailed = null, LastFailedWal = null, IsFailing = false, StatsReset = null, NextXid = 0, OpenXids = [], LastReplayed = null,
        HasReplayedAll = true, Ready = Ready(), Slot = null,
    };

    private async Task PutAsync(uint timeline, ulong from, ulong to)
    {
        for (var number = from; number <= to; number++)
            await _archive.PutAsync(Name(timeline, number).ToString(), [], Token);
    }

    private async Task<IEnumerable<string>> GapsAsync(ArchivingServer server)
    {
        var map = await ArchiveMap.LoadAsync(_archive, Token);
        return GapFinder.Find(map, server).Select(g => $"{g.Timeline} {g.From.SegmentNumber(map.Size)}-{g.To.SegmentNumber(map.Size)} {g.Status}");
    }
}
