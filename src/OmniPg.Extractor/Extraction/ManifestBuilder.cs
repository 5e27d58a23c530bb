namespace OmniPg.Extractor;

/// <summary>Describes a plan for the manifest and for snapshots.</summary>
internal sealed class ManifestBuilder
{
    private readonly IReadOnlyList<PlannedEntry> _entries;
    private readonly Dictionary<int, string> _keys;
    private readonly Dictionary<string, int> _ordinals = new(StringComparer.Ordinal);

    public ManifestBuilder(IReadOnlyList<PlannedEntry> entries)
    {
        _entries = entries;
        _keys = entries.ToDictionary(static entry => entry.Entry.DumpId, static entry => entry.Key);
    }

    /// <summary>Entries in replay order; to be called once.</summary>
    public IReadOnlyList<SchemaEntry> Describe(Func<PlannedEntry, (string Text, string Sha256)> textOf) => [.. _entries.Select(planned =>
    {
        var (text, hash) = textOf(planned);
        return new SchemaEntry
        {
            SchemaObject = planned.Root,
            Key = planned.Key,
            Desc = planned.Entry.Desc,
            Namespace = planned.Entry.Namespace,
            Tag = planned.Entry.Tag,
            Owner = string.IsNullOrEmpty(planned.Entry.Owner) ? null : planned.Entry.Owner,
            Pass = planned.Entry.Pass,
            Section = planned.Entry.Section,
            File = planned.File,
            Ordinal = NextOrdinal(planned.File),
            Sql = EntryText.Trim(text),
            Sha256 = hash,
            Dependencies = DependenciesOf(planned),
            IsRedacted = planned.Redacted,
            HasData = planned.HasData,
        };
    })];

    public static ManifestEntry ToManifest(SchemaEntry entry) => new()
    {
        Dependencies = entry.Dependencies.Count == 0 ? null : entry.Dependencies,
        Desc = entry.Desc,
        File = entry.File,
        Flags = Flags(entry),
        Key = entry.Key,
        Namespace = entry.Namespace,
        ObjectKind = entry.SchemaObject.Kind,
        ObjectName = entry.SchemaObject.Name,
        ObjectSchema = entry.SchemaObject.Schema,
        Ordinal = entry.Ordinal,
        Owner = entry.Owner,
        Pass = ManifestWords.Of(entry.Pass),
        Section = ManifestWords.Of(entry.Section),
        Sha256 = entry.Sha256,
        Tag = entry.Tag,
    };

    private int NextOrdinal(string file)
    {
        var ordinal = _ordinals.GetValueOrDefault(file);
        _ordinals[file] = ordinal + 1;
        return ordinal;
    }

    private string[] DependenciesOf(PlannedEntry planned) => [.. planned.Entry.Dependencies
        .Select(id => _keys.GetValueOrDefault(id))
        .OfType<string>()
        .Where(key => key != planned.Key)
        .Distinct(StringComparer.Ordinal)
        .Order(StringComparer.Ordinal)];

    private static string[]? Flags(SchemaEntry entry)
    {
        var flags = new List<string>();
        if (entry.HasData)
            flags.Add(ManifestWords.Data);
        if (entry.IsRedacted)
            flags.Add(ManifestWords.Redacted);
        return flags.Count == 0 ? null : [.. flags];
    }
}
