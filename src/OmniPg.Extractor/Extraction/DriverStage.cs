namespace OmniPg.Extractor.Extraction;

/// <summary>Orders the files of one stage so that each comes after what it needs; a file that is needed in its middle is cut there.</summary>
internal sealed class DriverStage
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

    public IReadOnlyList<(string File, IReadOnlyList<PlannedEntry> Entries)> Order()
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
