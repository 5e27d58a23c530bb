using OmniPg.Extractor;

namespace Snippets;

/// <summary>The pieces of code that docs/pg-archive.md shows.</summary>
internal static class ArchiveSnippets
{
    public static async Task ListAsync()
    {
        #region archive-list
        await using var archive = await PgArchive.OpenAsync("nightly.dump");
        Console.WriteLine($"{archive.Header.Database}, made by pg_dump {archive.Header.DumpVersion}");
        foreach (var entry in archive.Entries.Where(entry => entry.Kind == TocKind.Table))
            Console.WriteLine($"{entry.Namespace}.{entry.Tag} belongs to {entry.Owner}");
        #endregion
    }

    public static async Task ComposeAsync(PgArchive archive)
    {
        #region archive-compose
        await using var output = File.Create("nightly.sql");
        await archive.ComposeSqlAsync(output, new ComposeOptions { NoOwner = true, NoPrivileges = true });
        #endregion
    }

    public static async Task ReadAsync(PgArchive archive, Stream target)
    {
        #region archive-data
        await foreach (var block in archive.ReadDataAsync())
        {
            if (block.Entry.Kind == TocKind.TableData)
                await block.OpenRead().CopyToAsync(target); // COPY text, with its closing \. line
        }
        #endregion
    }

    public static async Task DumpAsync(string connectionString)
    {
        #region archive-dump
        var source = PgDumpSource.FromConnectionString(connectionString);
        await using var run = await new PgDumpRunner().StartAsync(source, new PgDumpOptions { SchemaOnly = true });
        Console.WriteLine($"{run.Archive.Entries.Count} entries by pg_dump {run.ToolVersion}");
        foreach (var warning in await run.CompleteAsync())
            Console.WriteLine($"{warning.Kind}: {warning.Message}");
        #endregion
    }
}
