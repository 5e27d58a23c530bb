using System.Text;
using OmniPg.Testing;

namespace OmniPg.Extractor.Tests.Archives;

public sealed class DataTests(AllKindsDatabase all) : IClassFixture<AllKindsDatabase>, IDisposable
{
    private const string Rows = "0\n7919\n15838\n";
    private readonly TemporaryDirectory _directory = new();

    public static TheoryData<int, ArchiveCompression, bool> Shapes => new()
    {
        { 12, ArchiveCompression.None, false },
        { 13, ArchiveCompression.Gzip, true },
        { 14, ArchiveCompression.None, true },
        { 14, ArchiveCompression.Gzip, false },
        { 15, ArchiveCompression.Lz4, true },
        { 15, ArchiveCompression.Zstd, false },
        { 16, ArchiveCompression.Lz4, false },
        { 16, ArchiveCompression.Zstd, true },
        { 16, ArchiveCompression.None, true },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public async Task Data_is_read_in_every_version_and_compression(int minor, ArchiveCompression compression, bool recordsPositions)
    {
        SkipWithout(compression);
        var bytes = SampleArchives.Small(new ArchiveVersion(1, minor), compression, recordsPositions).Build();
        await using var archive = await PgArchive.OpenAsync(new PipeLikeStream(bytes, piece: 7), cancellationToken: TestContext.Current.CancellationToken);
        var found = new List<string>();

        await foreach (var block in archive.ReadDataAsync(TestContext.Current.CancellationToken))
            found.Add($"{block.Entry.Desc} {block.LargeObjectOid} {(await block.OpenText().ReadToEndAsync(TestContext.Current.CancellationToken)).Length}");

        found.Should().Equal("TABLE DATA  197", "BLOBS 4242 14", "BLOBS 4294967295 300");
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public async Task Data_of_one_entry_is_opened_where_it_is_or_searched_for(int minor, ArchiveCompression compression, bool recordsPositions)
    {
        SkipWithout(compression);
        var file = _directory.Combine("a.dump");
        await File.WriteAllBytesAsync(file, SampleArchives.Small(new ArchiveVersion(1, minor), compression, recordsPositions).Build(), TestContext.Current.CancellationToken);
        await using var archive = await PgArchive.OpenAsync(file, cancellationToken: TestContext.Current.CancellationToken);
        var entry = archive.Entries.Single(entry => entry.Kind == TocKind.TableData);

        using var first = new StreamReader(archive.OpenData(entry));
        using var second = new StreamReader(archive.OpenData(entry));

        var text = await first.ReadToEndAsync(TestContext.Current.CancellationToken);
        text.Should().StartWith(Rows).And.EndWith("\\.\n\n\n");
        (await second.ReadToEndAsync(TestContext.Current.CancellationToken)).Should().Be(text);
    }

    [Fact]
    public async Task What_is_not_read_of_a_block_is_skipped()
    {
        await using var archive = await PgArchive.OpenAsync(new PipeLikeStream(SampleArchives.Small(new ArchiveVersion(1, 14), ArchiveCompression.Gzip).Build()), cancellationToken: TestContext.Current.CancellationToken);
        var found = new List<string>();
        ArchiveDataBlock? earlier = null;

        await foreach (var block in archive.ReadDataAsync(TestContext.Current.CancellationToken))
        {
            found.Add($"{block.Entry.Desc} {block.LargeObjectOid}");
            earlier ??= block;
            if (block.LargeObjectOid == 4242)
            {
                var first = new byte[3];
                await block.OpenRead().ReadExactlyAsync(first, TestContext.Current.CancellationToken);
                Encoding.ASCII.GetString(first).Should().Be("con");
            }
        }

        found.Should().Equal("TABLE DATA ", "BLOBS 4242", "BLOBS 4294967295");
        earlier!.Invoking(block => block.OpenRead()).Should().Throw<InvalidOperationException>();
    }

    [Fact]
    public async Task A_pipe_gives_its_data_once_and_in_order_only()
    {
        await using var archive = await PgArchive.OpenAsync(new PipeLikeStream(SampleArchives.Small(new ArchiveVersion(1, 14)).Build()), cancellationToken: TestContext.Current.CancellationToken);
        var entry = archive.Entries.Single(entry => entry.Kind == TocKind.TableData);
        await foreach (var _ in archive.ReadDataAsync(TestContext.Current.CancellationToken))
        {
        }

        var open = () => archive.OpenData(entry);
        var again = async () => await archive.ReadDataAsync(TestContext.Current.CancellationToken).GetAsyncEnumerator(TestContext.Current.CancellationToken).MoveNextAsync();

        open.Should().Throw<ArchiveNotSeekableException>().Which.Code.Should().Be("extractor.archive.not-seekable");
        await again.Should().ThrowAsync<InvalidOperationException>();
    }

    [Fact]
    public async Task Entries_without_a_stream_of_their_own_are_refused()
    {
        await using var archive = await PgArchive.OpenAsync(new MemoryStream(SampleArchives.Small(new ArchiveVersion(1, 14)).Build()), cancellationToken: TestContext.Current.CancellationToken);

        var schema = () => archive.OpenData(archive.Entries.Single(entry => entry.Kind == TocKind.Schema));
        var blobs = () => archive.OpenData(archive.Entries.Single(entry => entry.Kind == TocKind.Blobs));

        schema.Should().Throw<ArgumentException>().WithMessage("*has no data*");
        blobs.Should().Throw<ArgumentException>().WithMessage("*ReadDataAsync*");
    }

    [Fact]
    public async Task A_stream_is_read_from_its_position_and_left_open_on_demand()
    {
        var bytes = new byte[100].Concat(SampleArchives.Small(new ArchiveVersion(1, 14), recordsPositions: true).Build()).ToArray();
        using var stream = new MemoryStream(bytes) { Position = 100 };
        await using (var archive = await PgArchive.OpenAsync(stream, new PgArchiveOptions { LeaveOpen = true }, TestContext.Current.CancellationToken))
        {
            using var reader = new StreamReader(archive.OpenData(archive.Entries.Single(entry => entry.Kind == TocKind.TableData)));
            (await reader.ReadToEndAsync(TestContext.Current.CancellationToken)).Should().StartWith(Rows);
        }

        stream.CanRead.Should().BeTrue();
    }

    [Theory]
    [InlineData("-Fc", "-Z0")]
    [InlineData("-Fc", "-Z9")]
    [InlineData("-Fd", "-Z0")]
    [InlineData("-Fd", "-Z6")]
    public async Task Rows_and_large_objects_of_pg_dump_come_out_whole(string format, string compression)
    {
        var path = _directory.Combine("a");
        await PgTools.DumpAsync(all.Cluster, all.Name, format, compression, "-f", path);
        await using var archive = await PgArchive.OpenAsync(path, cancellationToken: TestContext.Current.CancellationToken);
        var largeObjects = new Dictionary<uint, byte[]>();
        var blocks = 0;

        await foreach (var block in archive.ReadDataAsync(TestContext.Current.CancellationToken))
        {
            using var content = new MemoryStream();
            await block.OpenRead().CopyToAsync(content, TestContext.Current.CancellationToken);
            blocks++;
            if (block.LargeObjectOid is { } oid)
                largeObjects.Add(oid, content.ToArray());
            else
                Encoding.UTF8.GetString(content.ToArray()).Should().EndWith("\\.\n\n\n");
        }

        largeObjects.Keys.Should().BeEquivalentTo([424201u, 424202u, 424203u]);
        largeObjects[424201].Should().HaveCount(27000).And.StartWith([0x00, 0xFF, 0x27]);
        Encoding.ASCII.GetString(largeObjects[424202]).Should().Be("short");
        largeObjects[424203].Should().BeEmpty();
        blocks.Should().Be(archive.Entries.Count(entry => entry.HasData && entry.Kind != TocKind.Blobs) + 3);
    }

    [Fact]
    public async Task A_missing_file_of_a_directory_is_named()
    {
        var path = _directory.Combine("a");
        await PgTools.DumpAsync(all.Cluster, all.Name, "-Fd", "-f", path);
        await using var archive = await PgArchive.OpenAsync(path, cancellationToken: TestContext.Current.CancellationToken);
        var entry = archive.Entries.First(entry => entry.Kind == TocKind.TableData);
        File.Delete(Path.Combine(path, $"{entry.DumpId}.dat.gz"));

        var act = () => archive.OpenData(entry);

        act.Should().Throw<ArchiveFormatException>().WithMessage($"*entry '{entry.Index}', field '{entry.DumpId}.dat': the file '{entry.DumpId}.dat' is missing in '{path}'*");
    }

    [Theory]
    [InlineData("../outside")]
    [InlineData("/etc/passwd")]
    [InlineData("a/b")]
    [InlineData("..")]
    public async Task A_file_outside_the_directory_is_refused(string name)
    {
        var builder = new ArchiveBuilder { FormatCode = 3 };
        builder.Entries.AddRange([ArchiveBuilder.EncodingEntry(), new(2, "TABLE DATA", "t") { FileName = name }]);
        await File.WriteAllBytesAsync(_directory.Combine("toc.dat"), builder.Build(), TestContext.Current.CancellationToken);

        var act = () => PgArchive.OpenAsync(_directory.Path, cancellationToken: TestContext.Current.CancellationToken);

        await act.Should().ThrowAsync<ArchiveFormatException>().WithMessage("*entry '1', field 'file name': the file name is not a plain name within the archive's directory*");
    }

    [Fact]
    public async Task A_directory_of_version_16_with_a_list_of_large_objects_and_zstd_is_read()
    {
        SkipWithout(ArchiveCompression.Zstd);
        var builder = new ArchiveBuilder { FormatCode = 3, Version = new ArchiveVersion(1, 16), Compression = ArchiveCompression.Zstd };
        builder.Entries.AddRange([ArchiveBuilder.EncodingEntry(), new(2, "TABLE DATA", "t") { FileName = "2.dat" }, new(3, "BLOBS", "BLOBS") { FileName = "blobs_3.toc" }]);
        await File.WriteAllBytesAsync(_directory.Combine("toc.dat"), builder.Build(), TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(_directory.Combine("blobs_3.toc"), "5 blob_5.dat\n77 blob_77.dat\n", TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(_directory.Combine("blob_77.dat"), "plain", TestContext.Current.CancellationToken);
        await CompressAsync(Codec.Zstd, "2.dat.zst", "1\n\\.\n\n\n");
        await CompressAsync(Codec.Lz4, "blob_5.dat.lz4", "five");
        await using var archive = await PgArchive.OpenAsync(_directory.Path, cancellationToken: TestContext.Current.CancellationToken);
        var found = new List<string>();

        await foreach (var block in archive.ReadDataAsync(TestContext.Current.CancellationToken))
            found.Add($"{block.LargeObjectOid} {await block.OpenText().ReadToEndAsync(TestContext.Current.CancellationToken)}");

        found.Should().Equal(" 1\n\\.\n\n\n", "5 five", "77 plain");
    }

    [Theory]
    [InlineData("blob_5.dat.zst")]
    [InlineData("blob_5.dat.lz4")]
    public async Task An_empty_file_of_zstd_or_lz4_is_an_empty_large_object_but_no_empty_table(string file)
    {
        SkipWithout(file.EndsWith("zst", StringComparison.Ordinal) ? ArchiveCompression.Zstd : ArchiveCompression.Lz4);
        var builder = new ArchiveBuilder { FormatCode = 3, Version = new ArchiveVersion(1, 16), Compression = ArchiveCompression.Zstd };
        builder.Entries.AddRange([ArchiveBuilder.EncodingEntry(), new(2, "TABLE DATA", "t") { FileName = "2.dat" }, new(3, "BLOBS", "BLOBS") { FileName = "blobs_3.toc" }]);
        await File.WriteAllBytesAsync(_directory.Combine("toc.dat"), builder.Build(), TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(_directory.Combine("blobs_3.toc"), "5 blob_5.dat\n", TestContext.Current.CancellationToken);
        await File.WriteAllBytesAsync(_directory.Combine(file), [], TestContext.Current.CancellationToken);
        await File.WriteAllBytesAsync(_directory.Combine(file.Replace("blob_5", "2", StringComparison.Ordinal)), [], TestContext.Current.CancellationToken);
        await using var archive = await PgArchive.OpenAsync(_directory.Path, cancellationToken: TestContext.Current.CancellationToken);
        var found = new List<string>();
        var refused = new List<string>();

        await foreach (var block in archive.ReadDataAsync(TestContext.Current.CancellationToken))
        {
            try
            {
                found.Add($"{block.LargeObjectOid} '{await block.OpenText().ReadToEndAsync(TestContext.Current.CancellationToken)}'");
            }
            catch (ArchiveFormatException error)
            {
                refused.Add(error.Message);
            }
        }

        found.Should().Equal("5 ''");
        refused.Should().ContainSingle().Which.Should().Contain("the compressed data is damaged");
    }

    public void Dispose() => _directory.Dispose();

    private async Task CompressAsync(Codec codec, string name, string text)
    {
        await using var file = File.Create(_directory.Combine(name));
        await using var encoder = codec.Compress(file);
        await encoder.WriteAsync(Encoding.UTF8.GetBytes(text), TestContext.Current.CancellationToken);
    }

    private static void SkipWithout(ArchiveCompression compression)
    {
        string? reason = null;
        var isAvailable = compression switch
        {
            ArchiveCompression.Lz4 => Codec.Lz4.IsAvailable(out reason),
            ArchiveCompression.Zstd => Codec.Zstd.IsAvailable(out reason),
            _ => true,
        };
        Assert.SkipUnless(isAvailable, reason ?? "");
    }
}
