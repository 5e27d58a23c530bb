// Pasted alone this is a program; in this project another file holds the entry point.
#pragma warning disable CS7022
#region extractor-first
using Npgsql;
using OmniPg.Extractor;

internal static class ExtractorFirstMinute
{
    public static async Task Main()
    {
        await using var dataSource = NpgsqlDataSource.Create("Host=localhost;Database=postgres;Username=postgres;Password=postgres;Persist Security Info=true");
        var extractor = new SchemaExtractor();

        var options = new ExtractionOptions { StaleFiles = StaleFiles.Delete };
        options.Filter.Tables.ExcludeRegex(@"_p\d{4}_\d{2}$");                        // generated partitions
        var result = await extractor.From(dataSource).RunAsync("schema", options);    // one file per object; a second run touches what changed
        Console.WriteLine($"{result.Account.InFiles} entries in {result.Files.Count} files, complete: {result.IsComplete}");

        var tree = extractor.OpenTree("schema");
        var drift = await tree.DiffAsync(dataSource);                                 // is the database still what the tree says?
        Console.WriteLine(drift.IsEmpty ? "no drift" : drift.ToUnifiedText());

        var proof = await extractor.VerifyAsync(tree, dataSource);                    // replays into a scratch database, compares, drops it
        Console.WriteLine($"can be built up again: {proof.IsProven}");
    }
}
#endregion
