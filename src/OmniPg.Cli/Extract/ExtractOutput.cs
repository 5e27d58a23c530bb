using System.Globalization;
using OmniPg.Extractor;

namespace OmniPg.Cli;

/// <summary>What an extraction tells its user.</summary>
internal static class ExtractOutput
{
    public static void Write(CliSession session, ExtractionResult report, VersionControlCommit? commit)
    {
        foreach (var warning in report.Warnings)
            session.Error.WriteLine("warning: " + warning.ReplaceLineEndings(" "));
        foreach (var item in report.UnmatchedFilters)
            session.Error.WriteLine($"warning: the filter '{item}' matches nothing");
        if (session.Json)
            WriteJson(session, report, commit);
        else
            WriteText(session, report, commit);
    }

    private static void WriteText(CliSession session, ExtractionResult report, VersionControlCommit? commit)
    {
        session.WriteTable(["", "File"], report.Files.Where(static f => f.Status != FileStatus.Unchanged).Select(static f => new[] { Word(f.Status), f.Path }));
        session.Out.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{report.Account.InFiles} entries in {report.Files.Count} files, {report.Changed.Count} changed; {report.Account.Filtered} filtered; {(report.DumpTime + report.WriteTime).TotalSeconds:0.0} s"));
        if (commit is not null)
            session.Out.WriteLine($"Committed {commit.Paths.Count} files as {commit.Id}");
    }

    private static void WriteJson(CliSession session, ExtractionResult report, VersionControlCommit? commit) => session.WriteJson(json =>
    {
        json.WriteStartObject();
        json.WriteString("directory", report.Directory);
        json.WriteNumber("entries", report.Account.Total);
        json.WriteNumber("inFiles", report.Account.InFiles);
        json.WriteNumber("filtered", report.Account.Filtered);
        json.WriteNumber("files", report.Files.Count);
        json.WriteBoolean("complete", report.IsComplete);
        json.WriteStartArray("warnings");
        foreach (var warning in report.DumpWarnings)
        {
            json.WriteStartObject();
            json.WriteString("kind", warning.Kind.ToString());
            json.WriteString("message", warning.Message);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteStartArray("changed");
        foreach (var file in report.Changed)
        {
            json.WriteStartObject();
            json.WriteString("status", Word(file.Status));
            json.WriteString("path", file.Path);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteString("commit", commit?.Id);
        json.WriteEndObject();
    });

    private static string Word(FileStatus status) => status switch
    {
        FileStatus.Created => "created",
        FileStatus.Updated => "updated",
        FileStatus.Deleted => "deleted",
        FileStatus.Stale => "stale",
        FileStatus.Unmanaged => "unmanaged",
        _ => "unchanged",
    };
}
