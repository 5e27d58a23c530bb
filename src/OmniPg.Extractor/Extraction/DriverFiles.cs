using System.Text;
using OmniPg.Extractor.Composing;

namespace OmniPg.Extractor.Extraction;

/// <summary>Lays entries out so that psql can run whole files one after the other, as <c>replay.sql</c> names them.</summary>
/// <remarks>
/// pg_dump's order goes through an object's file several times: definitions first, then rows, then indexes, constraints and grants. So each file
/// has at most a part before the rows (<c>x.sql</c>) and one after them (<c>x.post.sql</c>); more only where objects need each other in a circle.
/// </remarks>
internal static class DriverFiles
{
    public const string Name = "replay.sql";

    /// <returns>The entries in the order given, with their files, and the script that runs the files.</returns>
    public static (IReadOnlyList<PlannedEntry> Entries, string Script) Split(IReadOnlyList<PlannedEntry> entries)
    {
        var stages = Stages(entries);
        var script = new StringBuilder($"-- Builds the schema in an empty database: psql -X -d DATABASE -f {Name}\n\\set ON_ERROR_STOP on\n\n{TreePrologue.Settings()}");
        var fileOf = new Dictionary<int, string>();
        foreach (var stage in Enum.GetValues<Stage>())
        {
            var members = entries.Where(entry => stages[entry.Entry.DumpId] == stage && entry.Root.Kind != "DATABASE").ToList();
            // Within a stage grants follow the objects, and event triggers come last: what has neither goes first.
            var ordered = stage == Stage.After ? members.OrderBy(LatestPassOfFile(members)).ToList() : members;
            foreach (var (file, taken) in new DriverStage(ordered, entry => stage == Stage.After ? FilePart.WithSuffix(entry.File, "post") : entry.File).Order())
            {
                // Names of a tree's files hold neither quotes nor backslashes.
                script.Append("\\ir '").Append(file).Append("'\n");
                if (FilePart.LeavesSettings(taken[^1].Entry))
                    script.Append(TreePrologue.Defaults);
                foreach (var entry in taken)
                    fileOf[entry.Entry.DumpId] = file;
            }
        }
        return ([.. entries.Select(entry => fileOf.TryGetValue(entry.Entry.DumpId, out var file) ? entry with { File = file } : entry)], script.ToString());
    }

    private static Dictionary<int, Stage> Stages(IReadOnlyList<PlannedEntry> entries)
    {
        var stages = new Dictionary<int, Stage>();
        foreach (var planned in entries)
        {
            var entry = planned.Entry;
            // Comments and labels have no section: theirs is that of their object, which stands before them.
            var parent = entry.Dependencies.Select(id => stages.TryGetValue(id, out var stage) ? stage : (Stage?)null).FirstOrDefault(static stage => stage is not null);
            stages[entry.DumpId] = planned.HasData ? Stage.Rows
                : entry.Pass != TocPass.Main || entry.Section is TocSection.PostData or TocSection.Data ? Stage.After
                : entry.Section == TocSection.None && parent is not null ? parent.Value
                : Stage.Before;
        }
        return stages;
    }

    private static Func<PlannedEntry, TocPass> LatestPassOfFile(List<PlannedEntry> members)
    {
        var latest = members.GroupBy(static entry => entry.File, StringComparer.Ordinal)
            .ToDictionary(static group => group.Key, static group => group.Max(static entry => entry.Entry.Pass), StringComparer.Ordinal);
        return entry => latest[entry.File];
    }

    private enum Stage
    {
        /// <summary>Definitions.</summary>
        Before,

        /// <summary>Rows and the contents of large objects.</summary>
        Rows,

        /// <summary>Values of sequences, indexes, constraints, triggers, grants, refreshes.</summary>
        After,
    }
}
