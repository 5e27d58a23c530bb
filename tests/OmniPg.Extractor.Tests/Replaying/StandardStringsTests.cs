using System.Text;
using OmniPg.Testing;

namespace OmniPg.Extractor.Tests.Replaying;

public sealed class StandardStringsTests(PgClusterFixture fixture)
{
    private const string Schema = """
        CREATE TABLE t (p text DEFAULT E'C:\\tmp', CONSTRAINT c CHECK (p ~ E'^\\w+$'));
        COMMENT ON TABLE t IS E'one \\ two '' quote';
        CREATE VIEW v AS SELECT p, E'tab\\t' AS mark FROM t;
        CREATE FUNCTION f() RETURNS text LANGUAGE plpgsql AS $f$ BEGIN RETURN 'a\\b'; END $f$;
        INSERT INTO t VALUES ('abc');
        """;

    [Theory]
    [InlineData(@"SELECT 'C:\\tmp', E'a\\b', ""q\\q""", @"SELECT 'C:\tmp', E'a\\b', ""q\\q""")]
    [InlineData(@"'it''s \\ '''", @"'it''s \ '''")]
    [InlineData(@"'a\nb' || 'c\\d'", @"E'a\nb' || 'c\d'")]
    [InlineData(@"'a\'b; ' || '\\'", @"E'a\'b; ' || '\'")]
    [InlineData("-- it's \\\\ here\nSELECT '\\\\'", "-- it's \\\\ here\nSELECT '\\'")]
    [InlineData(@"/* '\\ /* ' */ */ '\\'", @"/* '\\ /* ' */ */ '\'")]
    [InlineData(@"AS $_$ 'a\\b' $_$, 'c\\'", @"AS $_$ 'a\\b' $_$, 'c\'")]
    [InlineData(@"name$1 '\\' $1 '\\'", @"name$1 '\' $1 '\'")]
    [InlineData(@"TABLE 'x\\' LIKE'\\'", @"TABLE 'x\' LIKE'\'")]
    public void Constants_of_off_mean_the_same_under_on(string off, string on) => StandardStrings.Conforming(off).Should().Be(on);

    [Theory]
    [InlineData(DataFormat.Copy)]
    [InlineData(DataFormat.Inserts)]
    public async Task Archive_written_under_off_is_replayed_verified_and_composed_as_what_it_means(DataFormat format)
    {
        Assert.SkipWhen(fixture.Cluster.MajorVersion >= 19, "PostgreSQL 19 knows no standard_conforming_strings = off.");
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await using var target = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await using var scripted = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await database.ExecuteAsync(Schema, TestContext.Current.CancellationToken);
        await work.ExtractAsync(database.DataSource, "on");
        await fixture.Cluster.ExecuteAsync($"ALTER DATABASE {database.Name} SET standard_conforming_strings = off", TestContext.Current.CancellationToken);
        await database.ExecuteAsync(@"ALTER TABLE t DROP CONSTRAINT c; INSERT INTO t VALUES (E'back\\slash'); ALTER TABLE t ADD CONSTRAINT c CHECK (p ~ E'^\\w+$') NOT VALID", TestContext.Current.CancellationToken);
        var archive = await work.DumpAsync(fixture.Cluster, database.Name, "off.dump", format == DataFormat.Copy ? [] : ["--inserts"]);

        await work.ExtractAsync(archive, "off", o => (o.Data, o.Kinds) = (new DataOptions { Format = format }, ObjectKinds.All & ~ObjectKinds.Database));
        await work.Tree("off").ReplayAsync(target.DataSource, cancellationToken: TestContext.Current.CancellationToken);
        var verified = await work.Extractor.VerifyAsync(work.Tree("off"), fixture.Cluster.DataSource, cancellationToken: TestContext.Current.CancellationToken);
        await using (var script = new StreamWriter(work.Path("all.sql"), false, new UTF8Encoding(false)))
            await work.Tree("off").ComposeSqlAsync(script, TestContext.Current.CancellationToken);
        await PgTools.PsqlAsync(fixture.Cluster, scripted.Name, work.Path("all.sql"));

        work.Content("off")["views/public.v.sql"].Should().Be(work.Content("on")["views/public.v.sql"]);
        verified.IsProven.Should().BeTrue();
        foreach (var built in new[] { target, scripted })
        {
            await built.ExecuteAsync("INSERT INTO t VALUES ('word')", TestContext.Current.CancellationToken);
            (await built.ScalarAsync<string>("SELECT string_agg(p, ',' ORDER BY p COLLATE \"C\") FROM t", TestContext.Current.CancellationToken)).Should().Be(@"abc,back\slash,word");
            (await built.ScalarAsync<string>("SELECT obj_description('t'::regclass)", TestContext.Current.CancellationToken)).Should().Be(@"one \ two ' quote");
        }
    }

    [Fact]
    public async Task Script_for_19_is_rewritten_and_refuses_rows_that_it_cannot_rewrite()
    {
        Assert.SkipWhen(fixture.Cluster.MajorVersion >= 19, "PostgreSQL 19 knows no standard_conforming_strings = off.");
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await database.ExecuteAsync(Schema, TestContext.Current.CancellationToken);
        await fixture.Cluster.ExecuteAsync($"ALTER DATABASE {database.Name} SET standard_conforming_strings = off", TestContext.Current.CancellationToken);
        await using var archive = await PgArchive.OpenAsync(await work.DumpAsync(fixture.Cluster, database.Name, "off.dump", "--inserts"), cancellationToken: TestContext.Current.CancellationToken);
        using var plain = new StringWriter();
        using var script = new StringWriter();

        await archive.ComposeSqlAsync(plain, new ComposeOptions { SchemaOnly = true }, TestContext.Current.CancellationToken);
        await archive.ComposeSqlAsync(script, new ComposeOptions { SchemaOnly = true, TargetMajor = 19 }, TestContext.Current.CancellationToken);
        var rows = () => archive.ComposeSqlAsync(new StringWriter(), new ComposeOptions { TargetMajor = 19 }, TestContext.Current.CancellationToken);

        plain.ToString().Should().Contain("standard_conforming_strings = off").And.Contain(@"DEFAULT 'C:\\tmp'");
        script.ToString().Should().Contain("standard_conforming_strings = on").And.Contain(@"DEFAULT 'C:\tmp'").And.NotContain("escape_string_warning");
        (await rows.Should().ThrowAsync<ExtractorOptionException>()).WithMessage("The rows of 'public.t' are INSERT statements written with standard_conforming_strings off*");
    }
}
