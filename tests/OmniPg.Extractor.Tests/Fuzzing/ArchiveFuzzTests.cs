using System.Globalization;

namespace OmniPg.Extractor.Tests.Fuzzing;

[Collection(nameof(WholeProcess))]
public sealed class ArchiveFuzzTests
{
    private const int Seed = 20240229;

    private static readonly byte[][] Archives =
    [
        SampleArchives.Small(new ArchiveVersion(1, 14)).Build(),
        SampleArchives.Small(new ArchiveVersion(1, 14), ArchiveCompression.Gzip, recordsPositions: true).Build(),
        SampleArchives.Small(new ArchiveVersion(1, 16), ArchiveCompression.Zstd).Build(),
        SampleArchives.Small(new ArchiveVersion(1, 15), ArchiveCompression.Lz4, recordsPositions: true).Build(),
        SampleArchives.Small(new ArchiveVersion(1, 12)).Build(),
    ];

    private static int Count => int.TryParse(Environment.GetEnvironmentVariable("OMNIPG_FUZZ_COUNT"), CultureInfo.InvariantCulture, out var count) ? count : 100_000;

    [Fact]
    public async Task Mutated_archives_give_typed_errors_within_bounded_memory()
    {
        var random = new Random(Seed);
        var worst = 0L;
        var outcomes = new Dictionary<string, int>();

        for (var i = 0; i < Count; i++)
        {
            var bytes = Mutation.Of(Archives[i % Archives.Length], random);
            var before = GC.GetTotalAllocatedBytes();
            var outcome = await ReadAsync(bytes, i);
            worst = Math.Max(worst, GC.GetTotalAllocatedBytes() - before);
            outcomes[outcome] = outcomes.GetValueOrDefault(outcome) + 1;
        }

        TestContext.Current.SendDiagnosticMessage($"outcomes: {string.Join(", ", outcomes)}; worst allocation {worst} bytes");
        outcomes.Keys.Should().BeSubsetOf(["read", nameof(ArchiveFormatException)]);
        outcomes.Should().ContainKeys("read", nameof(ArchiveFormatException));
        worst.Should().BeLessThan(16 * 1024 * 1024);
    }

    [Fact]
    public async Task An_archive_cut_at_any_byte_is_an_error()
    {
        foreach (var archive in Archives)
        {
            for (var length = 0; length < archive.Length; length++)
                (await ReadAsync(archive[..length], length)).Should().Be(nameof(ArchiveFormatException), "{0} of {1} bytes are no archive", length, archive.Length);
            (await ReadAsync(archive, -1)).Should().Be("read");
        }
    }

    // Reads as a stranger's file is read: table of contents, then everything into a script, synchronously opened or from a pipe by turns.
    private static async Task<string> ReadAsync(byte[] bytes, int number)
    {
        try
        {
            await using var archive = number % 2 == 0
                ? PgArchive.Open(new MemoryStream(bytes), new PgArchiveOptions { BufferBytes = 512 })
                : await PgArchive.OpenAsync(new PipeLikeStream(bytes, piece: 4096), cancellationToken: TestContext.Current.CancellationToken);
            await archive.ComposeSqlAsync(Stream.Null, cancellationToken: TestContext.Current.CancellationToken);
            return "read";
        }
        catch (ExtractorException error)
        {
            error.Message.Should().NotBeNullOrEmpty();
            return error.GetType().Name;
        }
        catch (Exception error) when (error is not OperationCanceledException)
        {
            throw new InvalidOperationException($"Mutation {number} of seed {Seed} ({Convert.ToHexString(bytes)})", error);
        }
    }
}
