using System.Text;
using Microsoft.Extensions.Options;
using OmniPg.Testing;

namespace OmniPg.Extractor.Tests.Composing;

public sealed class ComposeSqlTests(AllKindsDatabase all) : IClassFixture<AllKindsDatabase>, IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    [Theory]
    [InlineData("-Z0")]
    [InlineData("-Z9")]
    [InlineData("-Z0", "--schema-only")]
    [InlineData("-Z0", "--data-only")]
    [InlineData("-Z6", "--inserts")]
    [InlineData("-Z0", "--column-inserts", "--rows-per-insert=3", "--on-conflict-do-nothing")]
    [InlineData("-Z0", "--load-via-partition-root")]
    [InlineData("-Z0", "--no-owner", "--no-acl")]
    public async Task Script_of_a_custom_archive_equals_that_of_pg_restore(params string[] arguments)
    {
        var file = _directory.Combine("a.dump");
        await PgTools.DumpAsync(all.Cluster, all.Name, ["-Fc", "-f", file, .. arguments]);

        var script = await ArchiveScript.ComposeAsync(file);

        ArchiveScript.ShouldEqual(script, await PgTools.RestoreAsync(all.Cluster, file));
    }

    [Theory]
    [InlineData("-Z0")]
    [InlineData("-Z9")]
    public async Task Script_of_a_directory_archive_equals_that_of_pg_restore(string compression)
    {
        var directory = _directory.Combine("a.dir");
        await PgTools.DumpAsync(all.Cluster, all.Name, "-Fd", "-f", directory, compression);

        var script = await ArchiveScript.ComposeAsync(directory);

        ArchiveScript.ShouldEqual(script, await PgTools.RestoreAsync(all.Cluster, directory));
    }

    [Theory]
    [InlineData("-Z0")]
    [InlineData("-Z9")]
    public async Task Script_of_an_archive_from_a_pipe_equals_that_of_pg_restore(string compression)
    {
        var bytes = await PgTools.DumpAsync(all.Cluster, all.Name, "-Fc", compression);
        var file = _directory.Combine("piped.dump");
        await File.WriteAllBytesAsync(file, bytes, TestContext.Current.CancellationToken);
        await using var archive = await PgArchive.OpenAsync(new PipeLikeStream(bytes), cancellationToken: TestContext.Current.CancellationToken);

        var script = await ArchiveScript.ComposeAsync(archive);

        ArchiveScript.ShouldEqual(script, await PgTools.RestoreAsync(all.Cluster, file));
    }

    public static TheoryData<ComposeOptions, string[]> Options => new()
    {
        { new ComposeOptions { Clean = true }, ["--clean"] },
        { new ComposeOptions { Clean = true, IfExists = true }, ["--clean", "--if-exists"] },
        { new ComposeOptions { NoOwner = true }, ["--no-owner"] },
        { new ComposeOptions { NoPrivileges = true }, ["--no-acl"] },
        { new ComposeOptions { NoComments = true }, ["--no-comments"] },
        { new ComposeOptions { NoTablespaces = true }, ["--no-tablespaces"] },
        { new ComposeOptions { NoTableAccessMethod = true }, ["--no-table-access-method"] },
        { new ComposeOptions { SchemaOnly = true }, ["--schema-only"] },
        { new ComposeOptions { DataOnly = true }, ["--data-only"] },
        { new ComposeOptions { Clean = true, IfExists = true, NoOwner = true, NoPrivileges = true, SchemaOnly = true }, ["--clean", "--if-exists", "--no-owner", "--no-acl", "--schema-only"] },
    };

    [Theory]
    [MemberData(nameof(Options), DisableDiscoveryEnumeration = true)]
    public async Task Options_do_what_those_of_pg_restore_do(ComposeOptions options, string[] arguments)
    {
        var file = _directory.Combine("a.dump");
        await PgTools.DumpAsync(all.Cluster, all.Name, "-Fc", "-f", file);

        var script = await ArchiveScript.ComposeAsync(file, options);

        ArchiveScript.ShouldEqual(script, await PgTools.RestoreAsync(all.Cluster, file, arguments));
    }

    [Fact]
    public async Task Entries_can_be_left_out_as_with_a_list_file()
    {
        var file = _directory.Combine("a.dump");
        await PgTools.DumpAsync(all.Cluster, all.Name, "-Fc", "-f", file);
        var list = Encoding.UTF8.GetString(await PgTools.ListAsync(all.Cluster, file)).Split('\n').Where(line => !line.Contains(" TRIGGER ", StringComparison.Ordinal) && !line.Contains("TABLE DATA app events", StringComparison.Ordinal));
        await File.WriteAllLinesAsync(_directory.Combine("list"), list, TestContext.Current.CancellationToken);
        var options = new ComposeOptions
        {
            Include = entry => !$"{entry.Desc} ".Contains("TRIGGER ", StringComparison.Ordinal)
                && !$" {entry.Tag} ".Contains(" TRIGGER ", StringComparison.Ordinal)
                && !(entry.Kind == TocKind.TableData && entry.Tag!.StartsWith("events", StringComparison.Ordinal) && entry.Namespace == "app"),
        };

        var script = await ArchiveScript.ComposeAsync(file, options);

        ArchiveScript.ShouldEqual(script, await PgTools.RestoreAsync(all.Cluster, file, "-L", _directory.Combine("list")));
    }

    [Theory]
    [InlineData("LATIN9", "ä€ß")]
    [InlineData("WIN1251", "Жук")]
    [InlineData("EUC_JP", "日本語")]
    [InlineData("SJIS", "表ソ能")]
    [InlineData("LATIN1", "äöü")]
    public async Task Archives_in_other_encodings_keep_every_byte(string encoding, string word)
    {
        await using var database = await all.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await database.ExecuteAsync($"""CREATE TABLE "t {word}" (a text DEFAULT '{word}'); INSERT INTO "t {word}" VALUES ('{word}'); COMMENT ON TABLE "t {word}" IS '{word}'""", TestContext.Current.CancellationToken);
        var file = _directory.Combine("a.dump");
        await PgTools.DumpAsync(all.Cluster, database.Name, "-Fc", "-f", file, "--encoding=" + encoding);
        await using var archive = await PgArchive.OpenAsync(file, cancellationToken: TestContext.Current.CancellationToken);

        var script = await ArchiveScript.ComposeAsync(archive);

        archive.Session.EncodingName.Should().Be(encoding);
        archive.Entries.Should().ContainSingle(entry => entry.Kind == TocKind.Table).Which.Tag.Should().Be("t " + word);
        ArchiveScript.ShouldEqual(script, await PgTools.RestoreAsync(all.Cluster, file));
    }

    [Fact]
    public async Task Text_and_bytes_hold_the_same_script()
    {
        var file = _directory.Combine("a.dump");
        await PgTools.DumpAsync(all.Cluster, all.Name, "-Fc", "-f", file);
        await using var archive = await PgArchive.OpenAsync(file, cancellationToken: TestContext.Current.CancellationToken);
        var text = new StringWriter { NewLine = "\r\n" };

        await archive.ComposeSqlAsync(text, cancellationToken: TestContext.Current.CancellationToken);

        ArchiveScript.ShouldEqual(Encoding.UTF8.GetBytes(text.ToString()), await ArchiveScript.ComposeAsync(file));
    }

    [Fact]
    public async Task Options_that_exclude_each_other_are_refused()
    {
        await using var archive = await PgArchive.OpenAsync(new MemoryStream(await PgTools.DumpAsync(all.Cluster, all.Name, "-Fc", "--schema-only")), cancellationToken: TestContext.Current.CancellationToken);

        var act = () => archive.ComposeSqlAsync(TextWriter.Null, new ComposeOptions { SchemaOnly = true, DataOnly = true });

        (await act.Should().ThrowAsync<OptionsValidationException>()).WithMessage("SchemaOnly and DataOnly exclude each other.");
    }

    public void Dispose() => _directory.Dispose();
}
