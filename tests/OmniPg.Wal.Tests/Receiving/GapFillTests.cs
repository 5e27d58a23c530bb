using Microsoft.Extensions.Logging.Abstractions;
using OmniPg.Testing;
using OmniPg.Wal.Tests.Archiving;
using OmniPg.Wal.Tests.Segments;

namespace OmniPg.Wal.Tests.Receiving;

/// <summary>Which destination gives a segment that the server has no more, and when none is known to have it.</summary>
public sealed class GapFillTests(WalWorkloads workloads) : IDisposable
{
    private readonly TemporaryDirectory _root = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _root.Dispose();

    [Fact]
    public async Task A_destination_that_does_not_answer_hides_no_copy_in_another_and_is_no_proof_that_there_is_none()
    {
        var workload = await workloads.SmallSegmentsAsync();
        var (there, missing) = (workload.Segments[1], workload.Segments[2]);
        await using var away = new FaultyStore("away", FaultAt.Read);
        WalDestinationOptions[] destinations = [new(away), new() { Directory = Folder("archive") }];
        File.Copy(workload.PathOf(there), Path.Combine(Folder("archive"), there.ToString()));

        var filled = await FillAsync(workload, there, destinations);
        var silent = () => FillAsync(workload, missing, destinations);

        filled.IsThere.Should().BeTrue();
        filled.Next!.End.Should().Be(missing.StartLsn(workload.SegmentSize));
        File.ReadAllBytes(Path.Combine(Folder("into"), there.ToString())).AsSpan().SequenceEqual(workload.Read(there)).Should().BeTrue();
        await silent.Should().ThrowAsync<IOException>();
        Directory.GetFiles(Folder("into")).Should().ContainSingle("nothing is begun that cannot be filled");
    }

    [Fact]
    public async Task A_destination_that_takes_part_only_while_it_exists_is_asked_and_not_waited_for()
    {
        var workload = await workloads.SmallSegmentsAsync();
        var (first, there, missing) = (workload.Segments[0], workload.Segments[1], workload.Segments[2]);
        WalDestinationOptions[] destinations =
            [new() { Directory = _root.Combine("absent"), WhenExists = true }, new() { Directory = Folder("empty"), WhenExists = true }, new() { Directory = Folder("xlogs"), WhenExists = true }, new() { Directory = Folder("archive") }];
        File.Copy(workload.PathOf(first), Path.Combine(Folder("archive"), first.ToString()));
        File.Copy(workload.PathOf(there), Path.Combine(Folder("xlogs"), there.ToString()));

        (await FillAsync(workload, there, destinations)).IsThere.Should().BeTrue();
        (await FillAsync(workload, missing, destinations)).IsThere.Should().BeFalse();
    }

    private string Folder(string name) => Directory.CreateDirectory(_root.Combine(name)).FullName;

    private Task<(bool IsThere, WalChainState? Next)> FillAsync(WalWorkload workload, WalFileName name, WalDestinationOptions[] destinations)
    {
        var options = new WalArchiveOptions { Destinations = destinations };
        return new GapFill([.. destinations.Select(d => new ArchiveDestination(d, options))], NullLogger.Instance).TryAsync(
            name, workload.Expectations, () => PartialSegment.Open(Folder("into"), name, workload.SegmentSize, WalValidation.Full, workload.Expectations), Token);
    }
}
