using OmniPg.Testing;

namespace OmniPg.Extractor.Tests.Extraction;

public sealed class ExtractionMetricsTests(PgClusterFixture fixture)
{
    [Fact]
    public async Task Extraction_measures_phases_entries_and_files_of_its_database()
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await database.ExecuteAsync("CREATE TABLE a (id integer); CREATE TABLE b (id integer);", TestContext.Current.CancellationToken);
        var first = await work.ExtractAsync(database.DataSource, "tree");
        await database.ExecuteAsync("ALTER TABLE a ADD note text;", TestContext.Current.CancellationToken);
        using var recorder = new MeterRecorder("OmniPg.Extractor");
        using var spans = new ActivityRecorder("OmniPg.Extractor");

        var report = await work.ExtractAsync(database.DataSource, "tree");

        var measured = recorder.All.Where(m => (string?)m.Tags["db.namespace"] == database.Name).ToArray();
        measured.Where(m => m.Instrument == "omnipg.extractor.files").Select(m => (m.Tags["status"], m.Value))
            .Should().BeEquivalentTo(new (object?, double)[] { ("updated", 1), ("unchanged", first.Files.Count - 1) });
        measured.Where(m => m.Instrument == "omnipg.extractor.entries").Select(m => (m.Tags["outcome"], m.Value)).Should().BeEquivalentTo(
            new (object?, double)[] { ("written", report.Account.InFiles), ("filtered", report.Account.Filtered), ("consumed", report.Account.Consumed) });
        measured.Where(m => m.Instrument == "omnipg.extractor.duration").Select(m => (m.Tags["phase"], m.Value))
            .Should().BeEquivalentTo(new (object?, double)[] { ("dump", report.DumpTime.TotalSeconds), ("write", report.WriteTime.TotalSeconds) });
        spans.Ended.Select(s => s.OperationName).Should().Contain(["extractor.dump", "extractor.write"]);
    }
}
