using System.Text;
using OmniPg.Testing;

namespace OmniPg.Extractor.Tests.Composing;

/// <summary>Archives of versions that the installed pg_dump does not write: those it can read are compared with its pg_restore.</summary>
public sealed class OlderAndNewerArchiveTests(PgClusterFixture fixture) : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    [Theory]
    [InlineData(12, false)]
    [InlineData(12, true)]
    [InlineData(13, false)]
    [InlineData(14, true)]
    public async Task Script_of_an_old_archive_equals_that_of_pg_restore(int minor, bool isClean)
    {
        Assert.SkipUnless(fixture.Cluster.MajorVersion == 15, "The sample archives say that pg_dump 15 made them.");
        var file = _directory.Combine("old.dump");
        await File.WriteAllBytesAsync(file, SampleArchives.Small(new ArchiveVersion(1, minor), recordsPositions: true).Build(), TestContext.Current.CancellationToken);

        var script = await ArchiveScript.ComposeAsync(file, new ComposeOptions { Clean = isClean, IfExists = isClean });

        ArchiveScript.ShouldEqual(script, await PgTools.RestoreAsync(fixture.Cluster, file, isClean ? ["--clean", "--if-exists"] : []));
    }

    [Fact]
    public async Task Relations_are_called_by_their_kind_from_16_on_and_tables_before()
    {
        var before = await ComposeAsync(SampleArchives.Small(new ArchiveVersion(1, 14)));
        var after = await ComposeAsync(SampleArchives.Small(new ArchiveVersion(1, 15), dumpVersion: "16.3"));

        before.Should().Contain("ALTER TABLE app.\"user\" OWNER TO ann;\n\n").And.Contain("ALTER TABLE app.ids OWNER TO \"Ann O\";\n\n");
        after.Should().Contain("ALTER VIEW app.\"user\" OWNER TO ann;\n\n").And.Contain("ALTER SEQUENCE app.ids OWNER TO \"Ann O\";\n\n");
    }

    [Fact]
    public async Task Words_are_quoted_as_the_major_of_the_dump_does()
    {
        var table = new BuiltEntry(2, "TABLE", "json_table") { Definition = "CREATE TABLE", Drop = "DROP TABLE", Owner = "normalize" };

        (await ComposeAsync("12.1", table)).Should().Contain("ALTER TABLE json_table OWNER TO normalize;");
        (await ComposeAsync("15.18", table)).Should().Contain("ALTER TABLE json_table OWNER TO \"normalize\";");
        (await ComposeAsync("17.0", table)).Should().Contain("ALTER TABLE \"json_table\" OWNER TO \"normalize\";").And.Contain("SET transaction_timeout = 0;\n");
    }

    [Fact]
    public async Task The_access_method_of_a_partitioned_table_is_set_behind_it()
    {
        var script = await ComposeAsync("17.0", new BuiltEntry(2, "TABLE", "p") { Definition = "CREATE TABLE app.p () PARTITION BY LIST (x);\n", Drop = "DROP TABLE app.p;\n", Namespace = "app", RelKind = 'p', TableAm = "heap" });

        script.Should().EndWith("""
            --
            -- Name: p; Type: TABLE; Schema: app; Owner: postgres
            --

            CREATE TABLE app.p () PARTITION BY LIST (x);


            ALTER TABLE app.p OWNER TO postgres;

            ALTER TABLE app.p SET ACCESS METHOD heap;

            --
            -- PostgreSQL database dump complete
            --


            """.ReplaceLineEndings("\n"));
    }

    [Theory]
    [InlineData(false, "SELECT pg_catalog.lo_unlink('5');\nSELECT pg_catalog.lo_unlink('6');\n")]
    [InlineData(true, "SELECT pg_catalog.lo_unlink(oid) FROM pg_catalog.pg_largeobject_metadata WHERE oid = '5';\nSELECT pg_catalog.lo_unlink(oid) FROM pg_catalog.pg_largeobject_metadata WHERE oid = '6';\n")]
    public async Task Groups_of_large_objects_are_spelt_out(bool ifExists, string drops)
    {
        var script = await ComposeAsync(
            "17.0",
            new ComposeOptions { Clean = true, IfExists = ifExists },
            new BuiltEntry(2, "BLOB METADATA", "5..6") { Section = 3, Definition = "5\n6\n", Drop = "SELECT pg_catalog.lo_unlink", Owner = "Ann" },
            new BuiltEntry(3, "ACL", "LARGE OBJECTS 5..6") { Section = 1, Dependencies = ["2"], Definition = "REVOKE ALL ON LARGE OBJECT 5 FROM \"a;LARGE OBJECT 9\";\nGRANT SELECT ON LARGE OBJECT 5 TO bob;\n" });

        script.Should().Contain(drops);
        script.Should().Contain("SELECT pg_catalog.lo_create('5');\nSELECT pg_catalog.lo_create('6');\n\nALTER LARGE OBJECT 5 OWNER TO \"Ann\";\nALTER LARGE OBJECT 6 OWNER TO \"Ann\";\n\n");
        script.Should().Contain("REVOKE ALL ON LARGE OBJECT 5 FROM \"a;LARGE OBJECT 9\";\nREVOKE ALL ON LARGE OBJECT 6 FROM \"a;LARGE OBJECT 9\";\n\nGRANT SELECT ON LARGE OBJECT 5 TO bob;\nGRANT SELECT ON LARGE OBJECT 6 TO bob;\n\n");
    }

    [Fact]
    public async Task A_line_end_in_a_name_stays_within_the_comment()
    {
        var script = await ComposeAsync("15.1", new BuiltEntry(2, "TABLE", "a\nDROP TABLE b; --\r") { Definition = "CREATE TABLE x ();\n", Namespace = "s\n", Owner = "o\r\n" });

        script.Should().Contain("-- Name: a DROP TABLE b; -- ; Type: TABLE; Schema: s ; Owner: o  \n--\n");
    }

    [Fact]
    public async Task Bytes_are_doubled_where_strings_are_not_standard()
    {
        var builder = new ArchiveBuilder();
        builder.Entries.AddRange([
            ArchiveBuilder.EncodingEntry(),
            new(2, "STDSTRINGS", "STDSTRINGS") { Definition = "SET standard_conforming_strings = 'off';\n" },
            new(3, "BLOBS", "BLOBS") { Section = 3, LargeObjects = [(7, "ab"u8.ToArray())] },
        ]);

        var script = await ComposeAsync(builder);

        script.Should().Contain(@"SELECT pg_catalog.lowrite(0, '\\x6162');").And.Contain("SET standard_conforming_strings = off;\n").And.Contain("SET escape_string_warning = off;\n");
    }

    [Fact]
    public async Task Data_that_is_missing_is_an_error()
    {
        var bytes = SampleArchives.Small(new ArchiveVersion(1, 14)).Build();
        var at = bytes.AsSpan().IndexOf("7919\n"u8);
        await using var archive = await PgArchive.OpenAsync(new MemoryStream(bytes[..(at - 18)]), cancellationToken: TestContext.Current.CancellationToken);

        var act = () => ArchiveScript.ComposeAsync(archive);

        await act.Should().ThrowAsync<ArchiveFormatException>().WithMessage("*entry '7', field 'data': the archive holds no data block of entry '8'*");
    }

    public void Dispose() => _directory.Dispose();

    private static Task<string> ComposeAsync(string dumpVersion, params BuiltEntry[] entries) => ComposeAsync(dumpVersion, new ComposeOptions(), entries);

    private static Task<string> ComposeAsync(string dumpVersion, ComposeOptions options, params BuiltEntry[] entries)
    {
        var builder = new ArchiveBuilder { Version = new ArchiveVersion(1, 16), DumpVersion = dumpVersion };
        builder.Entries.AddRange([ArchiveBuilder.EncodingEntry(), .. entries]);
        return ComposeAsync(builder, options);
    }

    private static async Task<string> ComposeAsync(ArchiveBuilder builder, ComposeOptions? options = null)
    {
        await using var archive = await PgArchive.OpenAsync(new MemoryStream(builder.Build()), cancellationToken: TestContext.Current.CancellationToken);
        return Encoding.UTF8.GetString(await ArchiveScript.ComposeAsync(archive, options));
    }
}
