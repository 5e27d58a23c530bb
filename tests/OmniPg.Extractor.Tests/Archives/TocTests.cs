using System.Globalization;
using System.Text;
using Microsoft.Extensions.Options;
using OmniPg.Testing;

namespace OmniPg.Extractor.Tests.Archives;

public sealed class TocTests(AllKindsDatabase all) : IClassFixture<AllKindsDatabase>, IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    [Theory]
    [InlineData("-Fc")]
    [InlineData("-Fd")]
    public async Task Entries_are_those_that_pg_restore_lists(string format)
    {
        var path = _directory.Combine("a");
        await PgTools.DumpAsync(all.Cluster, all.Name, format, "-f", path);
        await using var archive = await PgArchive.OpenAsync(path, cancellationToken: TestContext.Current.CancellationToken);

        var listed = Encoding.UTF8.GetString(await PgTools.ListAsync(all.Cluster, path)).Split('\n');

        var entries = archive.Entries
            .Where(entry => entry.Kind is not (TocKind.Encoding or TocKind.StandardStrings or TocKind.SearchPath or TocKind.Database or TocKind.DatabaseProperties))
            .Select(entry => string.Create(CultureInfo.InvariantCulture, $"{entry.DumpId}; {entry.CatalogTableOid} {entry.CatalogOid} {entry.Desc} {entry.Namespace ?? "-"} {entry.Tag} {entry.Owner}"));
        string.Join('\n', entries).Should().Be(string.Join('\n', listed.Where(line => line.Length > 0 && line[0] != ';')));
        listed.Should().Contain(";     Dump Version: " + archive.Header.Version);
        listed.Should().Contain(string.Create(CultureInfo.InvariantCulture, $";     TOC Entries: {archive.Entries.Count}"));
        listed.Should().Contain(string.Create(CultureInfo.InvariantCulture, $"; Archive created at {archive.Header.CreatedLocal:yyyy-MM-dd HH:mm:ss} UTC"));
        archive.Header.Format.Should().Be(format == "-Fc" ? ArchiveFormat.Custom : ArchiveFormat.Directory);
    }

    [Fact]
    public async Task Every_kind_of_the_fixture_is_known()
    {
        await using var archive = await PgArchive.OpenAsync(new MemoryStream(await PgTools.DumpAsync(all.Cluster, all.Name, "-Fc")), cancellationToken: TestContext.Current.CancellationToken);

        archive.Entries.Should().NotContain(entry => entry.Kind == TocKind.Other);
        archive.Entries.Select(entry => entry.Kind).Distinct().Should().HaveCountGreaterThanOrEqualTo(55);
    }

    [Fact]
    public void Fields_keep_null_apart_from_empty()
    {
        using var archive = PgArchive.Open(new MemoryStream(SampleArchives.Small(new ArchiveVersion(1, 14)).Build()));

        var sequence = archive.Entries.Single(entry => entry.Kind == TocKind.Sequence);
        var constraint = archive.Entries.Single(entry => entry.Kind == TocKind.Constraint);
        var encoding = archive.Entries[0];
        sequence.Tablespace.Should().BeNull();
        sequence.Dependencies.Should().Equal(4, 4, 999);
        sequence.CopyStatement.Should().BeNull();
        archive.FindEntry(6).Should().BeSameAs(sequence);
        archive.FindEntry(999).Should().BeNull();
        constraint.Tablespace.Should().Be("fast disk");
        constraint.Section.Should().Be(TocSection.PostData);
        constraint.Index.Should().Be(11);
        encoding.Owner.Should().BeEmpty();
        encoding.Namespace.Should().BeNull();
        archive.Entries.Single(entry => entry.Kind == TocKind.TableData).HasData.Should().BeTrue();
    }

    [Theory]
    [InlineData("ACL", "TABLE t", TocPass.Acl)]
    [InlineData("DEFAULT ACL", "DEFAULT PRIVILEGES FOR TABLES", TocPass.Acl)]
    [InlineData("EVENT TRIGGER", "e", TocPass.PostAcl)]
    [InlineData("MATERIALIZED VIEW DATA", "m", TocPass.PostAcl)]
    [InlineData("COMMENT", "EVENT TRIGGER e", TocPass.PostAcl)]
    [InlineData("SECURITY LABEL", "EVENT TRIGGER e", TocPass.PostAcl)]
    [InlineData("COMMENT", "TABLE t", TocPass.Main)]
    [InlineData("STATISTICS DATA", "t", TocPass.PostAcl)]
    [InlineData("SOMETHING NEW", "t", TocPass.Main)]
    public void Passes_are_those_of_pg_restore(string desc, string tag, TocPass pass)
    {
        var builder = new ArchiveBuilder { Version = new ArchiveVersion(1, 16) };
        builder.Entries.AddRange([ArchiveBuilder.EncodingEntry(), new(2, desc, tag) { Section = 4 }]);

        using var archive = PgArchive.Open(new MemoryStream(builder.Build()));

        archive.Entries[1].Pass.Should().Be(pass);
        archive.Entries[1].Desc.Should().Be(desc);
        archive.Entries[1].Kind.Should().Be(desc == "SOMETHING NEW" ? TocKind.Other : archive.Entries[1].Kind);
    }

    [Fact]
    public void Limits_are_kept()
    {
        var bytes = SampleArchives.Small(new ArchiveVersion(1, 14)).Build();

        var entries = () => PgArchive.Open(new MemoryStream(bytes), new PgArchiveOptions { MaxEntries = 13 });
        var text = () => PgArchive.Open(new MemoryStream(bytes), new PgArchiveOptions { MaxTextBytes = 20 });
        var toc = () => PgArchive.Open(new MemoryStream(bytes), new PgArchiveOptions { MaxTocBytes = 500 });
        var buffer = () => PgArchive.Open(new MemoryStream(bytes), new PgArchiveOptions { BufferBytes = 16 });

        entries.Should().Throw<ArchiveFormatException>().WithMessage("*field 'entry count': the entry count '14' is not between '0' and the limit of '13'*");
        text.Should().Throw<ArchiveFormatException>().WithMessage("*entry '0', field 'defn': the text is '30' bytes long, more than the limit of '20'*");
        toc.Should().Throw<ArchiveFormatException>().WithMessage("*the table of contents is larger than the limit of '500' bytes*");
        buffer.Should().Throw<OptionsValidationException>().WithMessage("BufferBytes '16' must be between '256' and '16777216'.");
    }

    [Fact]
    public void A_claimed_length_reserves_no_memory()
    {
        var builder = new ArchiveBuilder();
        builder.Entries.Add(ArchiveBuilder.EncodingEntry());
        var bytes = builder.Build();
        var at = bytes.AsSpan().IndexOf("SET client"u8);
        BitConverter.TryWriteBytes(bytes.AsSpan(at - 4), 500_000_000);
        var before = GC.GetAllocatedBytesForCurrentThread();

        var act = () => PgArchive.Open(new MemoryStream(bytes));

        act.Should().Throw<ArchiveFormatException>().WithMessage("*entry '0', field 'defn': the archive ends where*");
        (GC.GetAllocatedBytesForCurrentThread() - before).Should().BeLessThan(2_000_000);
    }

    [Fact]
    public void An_id_that_occurs_twice_is_refused()
    {
        var builder = new ArchiveBuilder();
        builder.Entries.AddRange([ArchiveBuilder.EncodingEntry(7), new(7, "TABLE", "t")]);

        var act = () => PgArchive.Open(new MemoryStream(builder.Build()));

        act.Should().Throw<ArchiveFormatException>().WithMessage("*entry '1', field 'dumpId': the id '7' occurs twice*");
    }

    [Fact]
    public void Text_that_is_not_in_the_encoding_is_refused_with_its_place()
    {
        var builder = new ArchiveBuilder { Encoding = Encoding.Latin1 };
        builder.Entries.AddRange([ArchiveBuilder.EncodingEntry(), new(2, "TABLE", "Käse") { Definition = "CREATE TABLE" }]);
        var bytes = builder.Build();

        var act = () => PgArchive.Open(new MemoryStream(bytes));

        var error = act.Should().Throw<ArchiveFormatException>().Which;
        (error.EntryIndex, error.Field, error.Offset).Should().Be((1, "tag", bytes.AsSpan().IndexOf((byte)0xE4)));
    }

    [Fact]
    public void Sql_ascii_keeps_every_byte()
    {
        var builder = new ArchiveBuilder { Encoding = Encoding.Latin1 };
        builder.Entries.AddRange([ArchiveBuilder.EncodingEntry(1, "SQL_ASCII"), new(2, "TABLE", "x\u0080\u00FF")]);

        using var archive = PgArchive.Open(new MemoryStream(builder.Build()));

        archive.Session.Encoding.GetBytes(archive.Entries[1].Tag!).Should().Equal((byte)'x', 0x80, 0xFF);
    }

    public void Dispose() => _directory.Dispose();
}
