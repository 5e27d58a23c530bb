using System.Globalization;
using OmniPg.Testing;

namespace OmniPg.Extractor.Tests.Fuzzing;

[Collection(nameof(WholeProcess))]
public sealed class DirectoryFuzzTests : IDisposable
{
    private const int Seed = 20250301;

    private readonly TemporaryDirectory _directory = new();

    private static int Count => int.TryParse(Environment.GetEnvironmentVariable("OMNIPG_FUZZ_COUNT"), CultureInfo.InvariantCulture, out var count) ? count : 10_000;

    [Fact]
    public async Task Damaged_files_of_a_directory_give_typed_errors_within_bounded_memory()
    {
        await WriteDirectoryAsync();
        (await ReadAsync(-1)).Should().Be("read");
        var originals = Directory.GetFiles(_directory.Path).Order(StringComparer.Ordinal).Select(static path => (Path: path, Bytes: File.ReadAllBytes(path))).ToArray();
        var random = new Random(Seed);
        var worst = 0L;
        var outcomes = new Dictionary<string, int>();

        for (var i = 0; i < Count; i++)
        {
            var (path, bytes) = originals[i % originals.Length];
            File.WriteAllBytes(path, Mutation.Of(bytes, random));
            var before = GC.GetTotalAllocatedBytes();
            var outcome = $"{Path.GetExtension(path)} {await ReadAsync(i)}";
            worst = Math.Max(worst, GC.GetTotalAllocatedBytes() - before);
            outcomes[outcome] = outcomes.GetValueOrDefault(outcome) + 1;
            File.WriteAllBytes(path, bytes);
        }

        TestContext.Current.SendDiagnosticMessage($"outcomes: {string.Join(", ", outcomes)}; worst allocation {worst} bytes");
        outcomes.Keys.Select(static key => key.Split(' ')[1]).Distinct().Should()
            .BeSubsetOf(["read", nameof(ArchiveFormatException)]);
        // Every compressed file and the list of large objects were damaged in ways that count.
        outcomes.Keys.Should().Contain([$".gz {nameof(ArchiveFormatException)}", $".zst {nameof(ArchiveFormatException)}", $".lz4 {nameof(ArchiveFormatException)}", $".toc {nameof(ArchiveFormatException)}"]);
        worst.Should().BeLessThan(16 * 1024 * 1024);
    }

    public void Dispose() => _directory.Dispose();

    private async Task WriteDirectoryAsync()
    {
        Assert.SkipUnless(Codec.Zstd.IsAvailable(out _) && Codec.Lz4.IsAvailable(out _), "zstd or lz4 is not available.");
        var builder = new ArchiveBuilder { FormatCode = 3, Version = new ArchiveVersion(1, 16), Compression = ArchiveCompression.Zstd };
        builder.Entries.AddRange(SampleArchives.Small(new ArchiveVersion(1, 16)).Entries.Where(static entry => entry.Section != 3));
        builder.Entries.AddRange(
        [
            new(20, "TABLE DATA", "a") { Section = 3, Namespace = "app", Copy = "COPY app.a (id) FROM stdin;\n", FileName = "20.dat" },
            new(21, "TABLE DATA", "b") { Section = 3, Namespace = "app", Copy = "COPY app.b (id) FROM stdin;\n", FileName = "21.dat" },
            new(22, "TABLE DATA", "c") { Section = 3, Namespace = "app", Copy = "COPY app.c (id) FROM stdin;\n", FileName = "22.dat" },
            new(23, "BLOBS", "BLOBS") { Section = 3, FileName = "blobs_23.toc" },
        ]);
        await File.WriteAllBytesAsync(_directory.Combine("toc.dat"), builder.Build(), TestContext.Current.CancellationToken);
        var rows = ArchiveBuilder.Rows([.. Enumerable.Range(0, 200).Select(static n => (n * 7919).ToString(CultureInfo.InvariantCulture))]);
        await WriteAsync(Codec.Gzip, "20.dat.gz", rows);
        await WriteAsync(Codec.Zstd, "21.dat.zst", rows);
        await WriteAsync(Codec.Lz4, "22.dat.lz4", rows);
        await WriteAsync(Codec.None, "blobs_23.toc", "5 blob_5.dat\n77 blob_77.dat\n"u8.ToArray());
        await WriteAsync(Codec.Zstd, "blob_5.dat.zst", new byte[3000]);
        await WriteAsync(Codec.None, "blob_77.dat", "plain"u8.ToArray());
    }

    private async Task WriteAsync(Codec codec, string name, byte[] content)
    {
        await using var file = File.Create(_directory.Combine(name));
        await using var compressed = codec.Compress(file);
        await compressed.WriteAsync(content, TestContext.Current.CancellationToken);
    }

    private async Task<string> ReadAsync(int number)
    {
        try
        {
            await using var archive = await PgArchive.OpenAsync(_directory.Path, cancellationToken: TestContext.Current.CancellationToken);
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
            throw new InvalidOperationException($"Mutation {number} of seed {Seed}", error);
        }
    }
}
