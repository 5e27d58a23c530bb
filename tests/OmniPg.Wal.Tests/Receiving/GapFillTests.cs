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

    [Fact]
    public async Task A_copy_that_has_become_damaged_since_it_was_looked_at_does_not_become_a_segment()
    {
        var workload = await workloads.SmallSegmentsAsync();
        var name = workload.Segments[1];
        var path = Path.Combine(Folder("archive"), name.ToString());
        File.Copy(workload.PathOf(name), path);
        var bytes = workload.Read(name);
        // In the middle of a record, beyond what a look at headers sees.
        bytes[4096] ^= 1;
        await using var store = new DecayingStore(new DirectoryObjectStore(Folder("archive")), path, bytes);

        var filling = () => FillAsync(workload, name, [new(store)]);

        await filling.Should().ThrowAsync<WalValidationException>();
        File.Exists(Path.Combine(Folder("into"), name.ToString())).Should().BeFalse();
    }

    /// <summary>A folder of which one file changes when it has been opened once.</summary>
    private sealed class DecayingStore(DirectoryObjectStore inner, string path, byte[] later) : IObjectStore
    {
        private int _opened;

        public string Id => inner.Id;

        public Task<string> IdentifyAsync(CancellationToken cancellationToken = default) => inner.IdentifyAsync(cancellationToken);

        public ValueTask<IObjectWriter> CreateAsync(string key, ObjectInfo info, CancellationToken cancellationToken = default) => inner.CreateAsync(key, info, cancellationToken);

        public async Task<Stream?> OpenReadAsync(string key, CancellationToken cancellationToken = default)
        {
            if (path.EndsWith(key, StringComparison.Ordinal) && ++_opened == 2)
                await File.WriteAllBytesAsync(path, later, cancellationToken);
            return await inner.OpenReadAsync(key, cancellationToken);
        }

        public Task<ObjectEntry?> StatAsync(string key, CancellationToken cancellationToken = default) => inner.StatAsync(key, cancellationToken);

        public IAsyncEnumerable<ObjectEntry> ListAsync(string prefix, CancellationToken cancellationToken = default) => inner.ListAsync(prefix, cancellationToken);

        public Task DeleteAsync(string key, CancellationToken cancellationToken = default) => inner.DeleteAsync(key, cancellationToken);

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }

    private string Folder(string name) => Directory.CreateDirectory(_root.Combine(name)).FullName;

    private Task<(bool IsThere, WalChainState? Next)> FillAsync(WalWorkload workload, WalFileName name, WalDestinationOptions[] destinations)
    {
        var options = new WalArchiveOptions { Destinations = destinations };
        return new GapFill([.. destinations.Select(d => new ArchiveDestination(d, options))], NullLogger.Instance).TryAsync(
            name, workload.Expectations, level => PartialSegment.Open(Folder("into"), name, workload.SegmentSize, level, workload.Expectations), Token);
    }
}
