using OmniPg.Wal.Tests.Segments;

namespace OmniPg.Wal.Tests.Archiving;

/// <summary>One bit is wrong, anywhere: on its way into the archive, and in the archive. Thousands of them are a command of the benchmarks (<c>flips</c>).</summary>
public sealed class FlippedBitTests(WalWorkloads workloads)
{
    private const int Flips = 200;
    private const int PageSize = 8192;

    // Bit 2 of the flags of a page says only that its backup images may be dropped by an archiver: both values are right, nothing depends on it.
    private const byte BackupRemovable = 0x04;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Flipped_bits_of_a_segment_are_each_found_in_the_one_pass_and_stored_nowhere()
    {
        var workload = await workloads.SmallSegmentsAsync();
        var before = Validate.Full(workload.Segments[0], workload.Read(workload.Segments[0]), workload.Expectations).Next;
        var (segment, after) = (workload.Segments[1], workload.Segments[2]);
        var (content, next) = (workload.Read(segment), workload.Read(after));
        var random = new Random(20261129);
        var copier = new WalCopier(TimeProvider.System);
        List<int> missed = [];

        for (var i = 0; i < Flips; i++)
        {
            var offset = random.Next(content.Length);
            var bit = (byte)(1 << random.Next(8));
            if (offset % PageSize == 2 && bit == BackupRemovable)
                continue;
            content[offset] ^= bit;
            if (!await IsFoundAsync())
                missed.Add(offset);
            content[offset] ^= bit;
        }

        missed.Should().BeEmpty();
        (await IsFoundAsync()).Should().BeFalse("the segment itself is good");

        async Task<bool> IsFoundAsync()
        {
            await using var store = new MemoryObjectStore();
            var request = new CopyRequest
            {
                Source = new StreamCopySource(new MemoryStream(content), content.Length),
                Targets = [new CopyTarget { Sink = store, Key = "copy", Codec = Codec.Zstd, Id = "copy" }],
                Validator = new WalSegmentValidator(segment, WalValidation.Full, workload.Expectations with { Previous = before }),
            };
            WholeCopy.Fits(request, WalCopier.MostAtOnce).Should().BeTrue();
            try
            {
                var summary = (await copier.CopyAsync(request, Token)).Summary!;
                // A record that ends in the next segment can be checked only there.
                Validate.Full(after, next, workload.Expectations with { Previous = summary.Next });
                return false;
            }
            catch (WalValidationException found)
            {
                return found.File == after.ToString() || await store.StatAsync("copy", Token) is null;
            }
        }
    }

    [Fact]
    public async Task Flipped_bits_of_a_stored_copy_give_its_content_or_an_error()
    {
        var workload = await workloads.SmallSegmentsAsync();
        var content = workload.Read(workload.Segments[1]);
        var stored = new byte[Codec.Zstd.MaxCompressedBytes(content.Length)!.Value];
        stored = stored[..Codec.Zstd.CompressWhole(content, stored)];
        var random = new Random(20261129);
        var decoded = new byte[content.Length + 1];
        List<int> wrong = [];

        for (var i = 0; i < Flips; i++)
        {
            var offset = random.Next(stored.Length);
            var bit = (byte)(1 << random.Next(8));
            stored[offset] ^= bit;
            try
            {
                await using var decoder = Codec.Zstd.Decompress(new MemoryStream(stored));
                var length = await decoder.ReadAtLeastAsync(decoded, decoded.Length, throwOnEndOfStream: false, Token);
                if (!decoded.AsSpan(0, length).SequenceEqual(content))
                    wrong.Add(offset);
            }
            catch (CorruptCompressedDataException)
            {
                // Found.
            }

            stored[offset] ^= bit;
        }

        wrong.Should().BeEmpty();
    }
}
