using OmniPg.Testing;
using System.Text;

namespace OmniPg.Wal.Tests.Storage;

public sealed class WalArchiveMarkerTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_marker_has_the_documented_form_and_reads_back()
    {
        await using var store = new MemoryObjectStore();
        var marker = new WalArchiveMarker
        {
            SystemIdentifier = 7_654_321_098_765_432_109, PgVersion = 15, WalSegmentSize = 16 << 20, Layout = WalLayout.Sharded, Created = DateTimeOffset.UnixEpoch,
        };

        (await marker.WriteAsync(store, Token)).Should().BeTrue();
        (await marker.WriteAsync(store, Token)).Should().BeFalse();

        Encoding.UTF8.GetString(await store.ReadAllAsync("omnipg-archive.json", Token)).Should().Be(
            """{"format":1,"systemIdentifier":"7654321098765432109","pgVersion":15,"walSegmentSize":16777216,"layout":"sharded","created":"1970-01-01T00:00:00+00:00"}""");
        (await WalArchiveMarker.ReadAsync(store, Token)).Should().Be(marker);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{}")]
    [InlineData("""{"format":2,"systemIdentifier":"1","pgVersion":15,"walSegmentSize":16777216,"layout":"flat"}""")]
    public async Task A_marker_that_cannot_be_read_is_refused(string content)
    {
        await using var store = new MemoryObjectStore();
        await store.PutAsync("omnipg-archive.json", Encoding.UTF8.GetBytes(content), Token);

        await store.Awaiting(s => WalArchiveMarker.ReadAsync(s, Token)).Should().ThrowAsync<WalArchiveMismatchException>().WithMessage("The marker*cannot be read*");
    }

    [Fact]
    public async Task An_empty_store_has_no_marker() => (await WalArchiveMarker.ReadAsync(new MemoryObjectStore(), Token)).Should().BeNull();
}
