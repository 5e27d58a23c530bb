using System.Globalization;
using System.Text;

namespace OmniPg.Extractor;

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
        var script = new StringBuilder($"-- Builds the schema in an empty database: psql -X -d DATABASE -f {Name}\n\\set ON_ERROR_STOP on\n\n{ScriptPrologue.TreeSettings()}");
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
                    script.Append(ScriptPrologue.TreeDefaults);
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
                // Since 17 pg_dump counts the creation of large objects as data.
                : entry.Kind == TocKind.BlobMetadata ? Stage.Before
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

    /// <summary>Orders the files of one stage so that each comes after what it needs; a file that is needed in its middle is cut there.</summary>
    private sealed class DriverStage
    {
        private readonly List<FilePart> _parts = [];
        private readonly Dictionary<int, FilePart> _partOf = [];
        private readonly Dictionary<int, List<FilePart>> _waiting = [];
        private readonly HashSet<int> _written = [];
        private readonly PriorityQueue<FilePart, int> _ready = new();

        /// <param name="entries">Entries of the stage in replay order.</param>
        /// <param name="nameOf">Name of the file that an entry's first part gets.</param>
        public DriverStage(IReadOnlyList<PlannedEntry> entries, Func<PlannedEntry, string> nameOf)
        {
            var byName = new Dictionary<string, FilePart>(StringComparer.Ordinal);
            foreach (var entry in entries)
            {
                var name = nameOf(entry);
                if (!byName.TryGetValue(name, out var part))
                {
                    byName.Add(name, part = new FilePart(name, _parts.Count));
                    _parts.Add(part);
                }
                part.Entries.Add(entry);
                _partOf[entry.Entry.DumpId] = part;
            }
        }

        public List<(string File, IReadOnlyList<PlannedEntry> Entries)> Order()
        {
            foreach (var part in _parts)
                CountNeeds(part);
            var files = new List<(string File, IReadOnlyList<PlannedEntry> Entries)>();
            var next = 0;
            while (true)
            {
                while (_ready.TryDequeue(out var part, out _))
                    Write(part, part.Rest.Count(), files);
                while (next < _parts.Count && _parts[next].IsDone)
                    next++;
                if (next == _parts.Count)
                    return files;
                // Files that need each other: the first one that can begin is cut where it must wait.
                var (cut, count) = FirstThatCanBegin(next);
                Write(cut, count, files);
            }
        }

        private void CountNeeds(FilePart part)
        {
            foreach (var id in part.Entries.SelectMany(NeedsOf))
            {
                part.Missing++;
                if (!_waiting.TryGetValue(id, out var list))
                    _waiting.Add(id, list = []);
                list.Add(part);
            }
            if (part.Missing == 0)
                _ready.Enqueue(part, part.Number);
        }

        private IEnumerable<int> NeedsOf(PlannedEntry entry) =>
            entry.Entry.Dependencies.Where(id => _partOf.TryGetValue(id, out var part) && part != _partOf[entry.Entry.DumpId]).Distinct();

        private (FilePart Part, int Count) FirstThatCanBegin(int from)
        {
            foreach (var part in _parts.Skip(from).Where(static part => !part.IsDone))
            {
                var count = part.Rest.TakeWhile(entry => NeedsOf(entry).All(_written.Contains)).Count();
                if (count > 0)
                    return (part, count);
            }
            // Entries that need each other: replay order is as good as any.
            return (_parts[from], 1);
        }

        private void Write(FilePart part, int count, List<(string File, IReadOnlyList<PlannedEntry> Entries)> files)
        {
            var taken = part.Take(part.Fitting(count));
            files.Add(taken);
            foreach (var id in taken.Entries.Select(static entry => entry.Entry.DumpId).Where(_written.Add))
            {
                foreach (var waiting in _waiting.GetValueOrDefault(id) ?? [])
                {
                    if (--waiting.Missing == 0 && !waiting.IsDone)
                        _ready.Enqueue(waiting, waiting.Number);
                }
            }
            if (!part.IsDone && part.Missing == 0)
                _ready.Enqueue(part, part.Number);
        }
    }

    /// <summary>The entries of one file that belong to one stage of a script, with how many of them are written already.</summary>
    private sealed class FilePart(string file, int number)
    {
        private int _written;
        private int _parts;

        public List<PlannedEntry> Entries { get; } = [];

        /// <summary>Place among the parts of its stage; breaks ties.</summary>
        public int Number { get; } = number;

        /// <summary>Entries elsewhere that must come first and have not yet.</summary>
        public int Missing { get; set; }

        public bool IsDone => _written == Entries.Count;

        public IEnumerable<PlannedEntry> Rest => Entries.Skip(_written);

        public static string WithSuffix(string file, string suffix) => $"{file[..^PathPlanner.Extension.Length]}.{suffix}{PathPlanner.Extension}";

        /// <summary>Whether the entry's text sets a default that the next entry does not expect.</summary>
        public static bool LeavesSettings(TocEntry entry) => !string.IsNullOrEmpty(entry.Tablespace) || entry.TableAm is not (null or "heap");

        /// <summary>How many of the next entries can be one file: an entry that leaves settings behind ends it.</summary>
        public int Fitting(int count)
        {
            var at = Entries.FindIndex(_written, count, static entry => LeavesSettings(entry.Entry));
            return at < 0 ? count : at - _written + 1;
        }

        /// <summary>Takes the next entries as a file of their own: <c>x.sql</c> for the first ones, then <c>x.2.sql</c> and so on.</summary>
        public (string File, IReadOnlyList<PlannedEntry> Entries) Take(int count)
        {
            var taken = Entries.GetRange(_written, count);
            _written += count;
            return (++_parts == 1 ? file : WithSuffix(file, _parts.ToString(CultureInfo.InvariantCulture)), taken);
        }
    }
}
