namespace OmniPg.Extractor.Tests.Archives;

public sealed class ArchiveHeaderTests
{
    [Fact]
    public void Header_and_session_are_read()
    {
        using var archive = PgArchive.Open(new MemoryStream(SampleArchives.Small(new ArchiveVersion(1, 14), ArchiveCompression.Gzip).Build()));

        archive.Header.Should().Be(new ArchiveHeader
        {
            Version = new ArchiveVersion(1, 14),
            Format = ArchiveFormat.Custom,
            IntegerSize = 4,
            OffsetSize = 8,
            Compression = ArchiveCompression.Gzip,
            CompressionLevel = -1,
            CreatedLocal = new DateTime(2023, 12, 31, 12, 34, 56, DateTimeKind.Unspecified),
            Database = "shop",
            ServerVersion = "15.18 (test)",
            DumpVersion = "15.18",
        });
        archive.Session.EncodingName.Should().Be("UTF8");
        archive.Session.StandardConformingStrings.Should().BeTrue();
        archive.Session.SearchPathStatement.Should().Be("SELECT pg_catalog.set_config('search_path', '', false);\n");
    }

    [Theory]
    [InlineData(1, 11, "Restore it with the pg_restore of its time and dump again.")]
    [InlineData(1, 10, "Restore it with the pg_restore of its time and dump again.")]
    [InlineData(1, 17, "Update OmniPg.Extractor, or dump with an older pg_dump.")]
    [InlineData(2, 0, "Update OmniPg.Extractor, or dump with an older pg_dump.")]
    public void Other_versions_are_refused_by_number(int major, int minor, string hint)
    {
        var bytes = SampleArchives.Small(new ArchiveVersion(major, minor)).Build();

        var act = () => PgArchive.Open(new MemoryStream(bytes));

        var error = act.Should().Throw<ArchiveFormatException>().Which;
        error.Code.Should().Be("extractor.archive.version");
        error.Message.Should().Be($"The archive has format version '{major}.{minor}-0'; this reader knows '1.12-0' to '1.16-0'. Hint: {hint}");
        error.Version.Should().Be(new ArchiveVersion(major, minor));
    }

    [Theory]
    [InlineData(12)]
    [InlineData(13)]
    [InlineData(14)]
    [InlineData(15)]
    [InlineData(16)]
    public void Versions_from_12_to_16_are_read(int minor)
    {
        using var archive = PgArchive.Open(new MemoryStream(SampleArchives.Small(new ArchiveVersion(1, minor)).Build()));

        var table = archive.Entries.Single(entry => entry.Kind == TocKind.Table);
        table.Tag.Should().Be("Käse");
        table.TableAm.Should().Be(minor >= 14 ? "heap" : null);
        table.RelKind.Should().Be(minor >= 16 ? 'r' : '\0');
        archive.Session.SearchPathStatement.Should().Be(minor >= 13 ? "SELECT pg_catalog.set_config('search_path', '', false);\n" : null);
    }

    [Theory]
    [InlineData(2, 4)]
    [InlineData(8, 8)]
    [InlineData(12, 16)]
    public void Other_widths_of_numbers_are_read(int integerSize, int offsetSize)
    {
        var small = SampleArchives.Small(new ArchiveVersion(1, 14));
        var builder = new ArchiveBuilder { IntegerSize = integerSize, OffsetSize = offsetSize };
        // A large object's OID needs 32 bits.
        builder.Entries.AddRange(small.Entries.Where(entry => entry.Desc != "BLOBS"));

        using var archive = PgArchive.Open(new MemoryStream(builder.Build()));

        archive.Entries.Select(entry => entry.DumpId).Should().Equal(builder.Entries.Select(entry => entry.DumpId));
    }

    [Theory]
    [InlineData("", 0, "magic", "the archive ends where '1' more bytes are needed")]
    [InlineData("PGDM", 4, "magic", "the archive ends where '1' more bytes are needed")]
    [InlineData("--\n-- PostgreSQL database dump", 0, "magic", "the byte is '2d' instead of '50': this is no pg_dump custom or directory archive")]
    public void What_is_no_archive_is_refused(string text, long offset, string field, string problem)
    {
        var act = () => PgArchive.Open(new MemoryStream(System.Text.Encoding.ASCII.GetBytes(text)));

        var error = act.Should().Throw<ArchiveFormatException>().Which;
        error.Code.Should().Be("extractor.archive.format");
        error.Message.Should().StartWith($"The archive cannot be read at byte '{offset}', field '{field}': {problem}.");
        (error.Offset, error.Field, error.EntryIndex).Should().Be((offset, field, null));
    }

    [Theory]
    [InlineData(8, 0, "integer size", "the width '0' is not between '1' and '32'")]
    [InlineData(8, 33, "integer size", "the width '33' is not between '1' and '32'")]
    [InlineData(9, 0, "offset size", "the width '0' is not between '1' and '32'")]
    [InlineData(10, 3, "format", "the format code is '3' instead of '1'")]
    public void Impossible_header_values_are_refused_with_their_place(int position, byte value, string field, string problem)
    {
        var bytes = SampleArchives.Small(new ArchiveVersion(1, 14)).Build();
        bytes[position] = value;

        var act = () => PgArchive.Open(new MemoryStream(bytes));

        act.Should().Throw<ArchiveFormatException>().Which.Message.Should().StartWith($"The archive cannot be read at byte '{position}', field '{field}': {problem}.");
    }

    [Fact]
    public void An_unknown_compression_is_refused()
    {
        var bytes = SampleArchives.Small(new ArchiveVersion(1, 16)).Build();
        bytes[11] = 9;

        var act = () => PgArchive.Open(new MemoryStream(bytes));

        act.Should().Throw<ArchiveFormatException>().WithMessage("*byte '11', field 'compression': the compression code '9' is not between '0' and '3'*");
    }
}
