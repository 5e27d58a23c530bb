using OmniPg.Extractor;
using Spectre.Console;

namespace SchemaToGit;

/// <summary>What a person wants to know in the morning.</summary>
internal static class Summary
{
    public static void Print(ExtractionResult report, VersionControlCommit? commit, SchemaDiff? diff)
    {
        AnsiConsole.MarkupLineInterpolated($"[bold]{report.Account.InFiles}[/] entries in [bold]{report.Files.Count}[/] files, {report.Changed.Count} changed.");
        if (diff is { IsEmpty: false })
        {
            var table = new Table().Border(TableBorder.Rounded).AddColumns("", "Kind", "Object", "What");
            foreach (var change in diff.Objects)
                table.AddRow(
                    change.Status switch { DiffStatus.Added => "[green]added[/]", DiffStatus.Removed => "[red]removed[/]", _ => "[yellow]changed[/]" },
                    Markup.Escape(change.SchemaObject.Kind), Markup.Escape(change.SchemaObject.Identity),
                    change.Classes == DiffClasses.None ? "" : change.Classes.ToString());
            AnsiConsole.Write(table);
        }
        if (commit is null)
            AnsiConsole.MarkupLine("Nothing to commit.");
        else
            AnsiConsole.MarkupLineInterpolated($"Committed {commit.Paths.Count} files as [blue]{commit.Id[..10]}[/].");
    }
}
