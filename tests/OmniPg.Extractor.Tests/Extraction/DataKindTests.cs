namespace OmniPg.Extractor.Tests.Extraction;

public sealed class DataKindTests
{
    [Theory]
    [InlineData(false, false, "other/unheard_of/x.sql tables/public.t.sql")]
    [InlineData(true, false, "other/column_hint_data/public.t.sql other/unheard_of/x.sql tables/public.t.sql")]
    [InlineData(false, true, "other/unheard_of/x.sql statistics/public.s.sql statistics/public.t.sql tables/public.t.sql")]
    public async Task Kinds_that_are_data_are_left_out_and_unknown_others_are_warned_of(bool data, bool statistics, string expected)
    {
        using var work = new ExtractionCase();
        var archive = new ArchiveBuilder
        {
            Version = new(1, 16), DumpVersion = "19rc1",
            Entries =
            {
                ArchiveBuilder.EncodingEntry(), ArchiveBuilder.StringsEntry(), ArchiveBuilder.SearchPathEntry(),
                new BuiltEntry(4, "TABLE", "t") { Namespace = "public", Definition = "CREATE TABLE public.t (\n    a integer\n);\n", Drop = "DROP TABLE public.t;\n" },
                new BuiltEntry(5, "STATISTICS DATA", "t") { Namespace = "public", Section = 3, Definition = "SELECT 1;\n" },
                new BuiltEntry(6, "EXTENDED STATISTICS DATA", "s") { Namespace = "public", Section = 4, Definition = "SELECT 'a value of a column';\n" },
                new BuiltEntry(7, "COLUMN HINT DATA", "t") { Namespace = "public", Section = 2, Definition = "SELECT 'another';\n" },
                new BuiltEntry(8, "UNHEARD OF", "x") { Definition = "CREATE SOMETHING x;\n" },
            },
        };
        await File.WriteAllBytesAsync(work.Path("a.dump"), archive.Build(), TestContext.Current.CancellationToken);

        var report = await work.ExtractAsync(work.Path("a.dump"), "tree", o => (o.Data, o.StatisticsData) = (data ? new DataOptions() : null, statistics));

        report.Files.Select(static f => f.Path).Should().Equal(expected.Split(' '));
        report.Warnings.Should().ContainSingle().Which.Should().EndWith("entries have types unknown to this version; they are in 'other/'.");
        report.Account.IsClosed.Should().BeTrue();
    }
}
