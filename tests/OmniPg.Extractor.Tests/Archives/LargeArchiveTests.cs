namespace OmniPg.Extractor.Tests.Archives;

public sealed class LargeArchiveTests
{
    [Fact]
    public void A_hundred_thousand_entries_are_read_in_order()
    {
        const int Count = 100_000;
        var builder = new ArchiveBuilder();
        builder.Entries.Add(ArchiveBuilder.EncodingEntry());
        for (var id = 2; id <= Count; id++)
            builder.Entries.Add(new BuiltEntry(id, "TABLE", $"t{id}") { Namespace = "app", Definition = $"CREATE TABLE app.t{id} ();\n", Dependencies = ["1"] });

        using var archive = PgArchive.Open(new MemoryStream(builder.Build()));

        archive.Entries.Should().HaveCount(Count);
        archive.Entries[^1].Tag.Should().Be("t100000");
        archive.Entries.Select(entry => entry.DumpId).Should().BeInAscendingOrder();
        archive.Entries[5].Namespace.Should().BeSameAs(archive.Entries[^1].Namespace, "repeated names are one string");
    }

    [Fact]
    public async Task A_hundred_thousand_entries_become_a_tree_in_one_go()
    {
        const int Count = 100_000;
        using var work = new ExtractionCase();
        var builder = new ArchiveBuilder();
        builder.Entries.Add(ArchiveBuilder.EncodingEntry());
        // Nine columns' comments to a table: 10,000 files.
        for (var id = 2; id <= Count; id++)
        {
            var table = $"t{id / 10}";
            builder.Entries.Add(id % 10 == 0 || id == 2
                ? new BuiltEntry(id, "TABLE", table) { Namespace = "app", Owner = "ann", Definition = $"CREATE TABLE app.{table} (\n    c integer\n);\n", Drop = $"DROP TABLE app.{table};\n" }
                : new BuiltEntry(id, "COMMENT", $"COLUMN {table}.c{id}") { Namespace = "app", Section = 1, Definition = $"COMMENT ON COLUMN app.{table}.c{id} IS 'what it holds';\n", Dependencies = [id < 10 ? "2" : $"{id / 10 * 10}"] });
        }
        await File.WriteAllBytesAsync(work.Path("large.dump"), builder.Build(), TestContext.Current.CancellationToken);

        var report = await work.ExtractAsync(work.Path("large.dump"), "tree");
        var again = await work.ExtractAsync(work.Path("large.dump"), "tree");

        report.Account.IsClosed.Should().BeTrue();
        report.Account.InFiles.Should().Be(Count - 1);
        report.Files.Should().HaveCount(10_001).And.OnlyContain(static file => file.Status == FileStatus.Created);
        again.Changed.Should().BeEmpty();
        (await work.Tree("tree").ReadAsync(TestContext.Current.CancellationToken)).Entries.Should().HaveCount(Count - 1);
    }

    [Fact]
    public async Task A_quarter_of_a_gigabyte_of_rows_passes_in_constant_memory()
    {
        const int Repetitions = 2_500_000;
        var unit = new byte[105];
        unit[1] = 100;
        var (prefix, suffix) = AroundRows();
        using var stream = new RepeatedStream(prefix, unit, Repetitions, suffix);
        using var archive = PgArchive.Open(stream);
        var buffer = new byte[80 * 1024];
        var total = 0L;
        var before = GC.GetAllocatedBytesForCurrentThread();

        await foreach (var block in archive.ReadDataAsync(TestContext.Current.CancellationToken))
        {
            var content = block.OpenRead();
            while (content.Read(buffer) is > 0 and var read)
                total += read;
        }

        total.Should().Be(Repetitions * 100L);
        (GC.GetAllocatedBytesForCurrentThread() - before).Should().BeLessThan(1_000_000);
    }

    [Fact]
    public async Task An_entry_larger_than_the_buffer_is_read_from_small_pieces()
    {
        var definition = new string('x', 3_000_000);
        var builder = new ArchiveBuilder();
        builder.Entries.AddRange([ArchiveBuilder.EncodingEntry(), new(2, "FUNCTION", "f()") { Definition = definition }, new(3, "TABLE", "t")]);

        await using var archive = await PgArchive.OpenAsync(new PipeLikeStream(builder.Build(), piece: 333), new PgArchiveOptions { BufferBytes = 256 }, TestContext.Current.CancellationToken);

        archive.Entries[1].Definition.Should().Be(definition);
        archive.Entries[2].Tag.Should().Be("t");
    }

    // Everything before and behind the chunks of a single table's data block.
    private static (byte[] Prefix, byte[] Suffix) AroundRows()
    {
        var builder = new ArchiveBuilder();
        builder.Entries.AddRange([ArchiveBuilder.EncodingEntry(), new(2, "TABLE DATA", "t") { Section = 3, Chunks = [] }]);
        var bytes = builder.Build();
        return (bytes[..^5], bytes[^5..]);
    }
}
