using OmniPg.Testing;
using System.Text;

namespace OmniPg.Wal.Tests.Repository;

/// <summary>Gaps by the names of files and the text of histories; segments of 16 MiB, so that 0/9000000 begins number 9.</summary>
public sealed class GapTests : IAsyncDisposable
{
    private readonly MemoryObjectStore _archive = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => _archive.DisposeAsync();

    [Fact]
    public async Task A_timeline_without_segments_hides_no_gap_behind_it()
    {
        await PutAsync(1, 1, 5);
        await PutAsync(3, 9, 9);
        await PutHistoryAsync(2, (1, "0/98B9150"));
        await PutHistoryAsync(3, (1, "0/98B9150"), (2, "0/98B9200"));

        (await GapsAsync()).Should().Equal("000000010000000000000006 000000010000000000000008 3");
        (await WindowAsync()).Should().Be((3u, "000000030000000000000009", "000000030000000000000009"));
    }

    [Fact]
    public async Task Every_timeline_on_the_way_is_charged_with_its_own_part_of_a_gap()
    {
        await PutAsync(1, 1, 8);
        await PutAsync(4, 0xE, 0x10);
        await PutHistoryAsync(4, (1, "0/A8B9150"), (2, "0/C000000"), (3, "0/E8B9200"));

        (await GapsAsync()).Should().Equal(
            "000000010000000000000009 000000010000000000000009 1", "00000002000000000000000A 00000002000000000000000B 2", "00000003000000000000000C 00000003000000000000000D 2");
    }

    [Fact]
    public async Task A_promotion_that_left_only_its_history_yet_shows_what_its_parent_lacks()
    {
        await PutAsync(1, 1, 5);
        await PutHistoryAsync(2, (1, "0/98B9150"));

        (await GapsAsync()).Should().Equal("000000010000000000000006 000000010000000000000008 3");

        await PutAsync(1, 6, 8);
        (await GapsAsync()).Should().BeEmpty();
        (await WindowAsync()).Should().Be((2u, "000000010000000000000001", "000000010000000000000008"));
    }

    [Fact]
    public async Task What_was_cleaned_up_before_the_first_archived_segment_is_no_gap()
    {
        await PutAsync(2, 0xB, 0xC);
        await PutHistoryAsync(2, (1, "0/98B9150"));

        (await GapsAsync()).Should().BeEmpty();
    }

    [Fact]
    public async Task A_gap_that_several_paths_cross_is_named_once()
    {
        await PutAsync(1, 1, 5);
        await PutAsync(1, 0xA, 0xB);
        await PutAsync(2, 9, 9);
        await PutHistoryAsync(2, (1, "0/98B9150"));

        (await GapsAsync()).Should().Equal("000000010000000000000006 000000010000000000000009 4");
    }

    [Fact]
    public async Task A_fork_that_was_left_behind_does_not_stand_for_the_path()
    {
        await PutAsync(1, 1, 0xC);
        await PutAsync(2, 0xB, 0xC);
        await PutHistoryAsync(2, (1, "0/98B9150"));

        (await GapsAsync()).Should().Equal("000000020000000000000009 00000002000000000000000A 2");
    }

    [Fact]
    public async Task A_timeline_without_its_history_beside_segments_of_an_older_one_is_no_good_and_an_archive_that_began_with_it_is()
    {
        await PutAsync(2, 9, 10);
        (await VerifyAsync()).MissingHistories.Should().BeEmpty();
        await PutAsync(1, 1, 5);

        (await VerifyAsync()).MissingHistories.Should().Equal(WalFileName.ForHistory(2));
        await PutHistoryAsync(2, (1, "0/98B9150"));
        (await VerifyAsync()).MissingHistories.Should().BeEmpty();
    }

    [Fact]
    public async Task A_name_from_the_end_of_all_wal_is_no_work()
    {
        await _archive.PutAsync("000000010000000000000001", [], Token);
        await _archive.PutAsync("00000001FFFFFFFF000000FE", [], Token);

        (await GapsAsync()).Should().Equal("000000010000000000000002 00000001FFFFFFFF000000FD 1099511627772");
    }

    private async Task PutAsync(uint timeline, ulong from, ulong to)
    {
        for (var number = from; number <= to; number++)
            await _archive.PutAsync(WalFileName.ForSegmentNumber(timeline, number, WalSegmentSize.Default).ToString(), [], Token);
    }

    private async Task PutHistoryAsync(uint timeline, params (uint Timeline, string Lsn)[] ancestors) => await _archive.PutAsync(
        WalFileName.ForHistory(timeline).ToString(), Encoding.ASCII.GetBytes(string.Concat(ancestors.Select(a => $"{a.Timeline}\t{a.Lsn}\tno recovery target specified\n"))), Token);

    private Task<WalVerifyResult> VerifyAsync() => new WalRepository(_archive).VerifyAsync(cancellationToken: Token);

    private async Task<IEnumerable<string>> GapsAsync() =>
        (await VerifyAsync()).Gaps.Select(g => $"{g.From} {g.To} {g.Count}");

    private async Task<(uint Timeline, string? From, string? To)> WindowAsync()
    {
        var window = await new WalRepository(_archive).GetRecoveryWindowAsync(Token);
        return (window.Timeline, window.From?.ToString(), window.To?.ToString());
    }
}
