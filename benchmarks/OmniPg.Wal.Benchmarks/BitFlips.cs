using System.Globalization;

namespace OmniPg.Wal.Benchmarks;

/// <summary>Flips one bit after the other of a segment on its way through the copier, and of the stored copy: is each of them found?</summary>
internal static class BitFlips
{
    // Bit 2 of the flags of a page says only that its backup images may be dropped by an archiver: both values are right.
    private const int FlagsOfPage = 2;
    private const byte BackupRemovable = 0x04;
    private const int PageSize = 8192;

    /// <summary>Usage: flips DATADIR [COUNT [SEED]]</summary>
    public static async Task RunAsync(SegmentSet segments, int count, int seed)
    {
        var (first, segment, next) = (segments.Names[0], segments.Names[1], segments.Names[2]);
        var content = File.ReadAllBytes(segments.PathOf(segment));
        var following = File.ReadAllBytes(segments.PathOf(next));
        var before = Validate(first, File.ReadAllBytes(segments.PathOf(first)), segments.Expectations);
        var copier = new WalCopier(TimeProvider.System);
        var stored = new byte[Codec.Zstd.MaxCompressedBytes(content.Length)!.Value];
        stored = stored[..Codec.Zstd.CompressWhole(content, stored)];
#pragma warning disable CA5394 // A seed, so that a run can be had again.
        var random = new Random(seed);
        var (passed, publishedWrong, decodedWrong) = (0, 0, 0);
        for (var i = 0; i < count; i++)
        {
            var (offset, bit) = (random.Next(content.Length), (byte)(1 << random.Next(8)));
            if (offset % PageSize == FlagsOfPage && bit == BackupRemovable)
                continue;
            content[offset] ^= bit;
            await using var store = new MemoryObjectStore();
            passed += await PassesAsync(store) ? 1 : 0;
            content[offset] ^= bit;

            (offset, bit) = (random.Next(stored.Length), (byte)(1 << random.Next(8)));
            stored[offset] ^= bit;
            decodedWrong += DecodesToOther() ? 1 : 0;
            stored[offset] ^= bit;
        }
#pragma warning restore CA5394

        Console.WriteLine("| flips | seed | passed the copier | published all the same | stored copies that decode to something else |\n|---|---|---|---|---|");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {count} | {seed} | {passed} | {publishedWrong} | {decodedWrong} |"));

        async Task<bool> PassesAsync(MemoryObjectStore store)
        {
            try
            {
                var outcome = await copier.CopyAsync(
                    new CopyRequest
                    {
                        Source = new StreamCopySource(new MemoryStream(content), content.Length),
                        Targets = [new CopyTarget { Sink = store, Key = "copy", Codec = Codec.Zstd, Id = "copy" }],
                        Validator = new WalSegmentValidator(segment, WalValidation.Full, segments.Expectations with { Previous = before }),
                    },
                    CancellationToken.None);
                // A record that ends in the next segment can be checked only there.
                Validate(next, following, segments.Expectations with { Previous = outcome.Summary!.Next });
                return true;
            }
            catch (WalValidationException found)
            {
                publishedWrong += found.File == segment.ToString() && await store.StatAsync("copy") is not null ? 1 : 0;
                return false;
            }
        }

        bool DecodesToOther()
        {
            try
            {
                using var decoder = Codec.Zstd.Decompress(new MemoryStream(stored));
                var decoded = new byte[content.Length + 1];
                return !decoded.AsSpan(0, decoder.ReadAtLeast(decoded, decoded.Length, throwOnEndOfStream: false)).SequenceEqual(content);
            }
            catch (CorruptCompressedDataException)
            {
                return false;
            }
        }
    }

    private static WalChainState? Validate(WalFileName name, byte[] content, WalExpectations expectations)
    {
        var validator = new WalSegmentValidator(name, WalValidation.Full, expectations);
        validator.Append(content);
        return validator.Complete().Next;
    }
}
