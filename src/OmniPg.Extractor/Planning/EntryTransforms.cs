namespace OmniPg.Extractor;

/// <summary>Changes entries before they become files: renames owners, drops tablespaces, masks, leaves out.</summary>
/// <remarks>Called once per entry in replay order, on one thread. The result must depend on the entry alone, or the tree is not reproducible.</remarks>
public interface IEntryTransform
{
    /// <summary>Returns the entry as it shall be written.</summary>
    /// <param name="entry">The entry as dumped, after the transforms before this one.</param>
    /// <returns>The same entry, a changed copy (<c>entry with { … }</c>), or null to leave it out.</returns>
    TocEntry? Transform(TocEntry entry);
}

/// <summary>The transforms behind the options of an extraction, in the order in which they run.</summary>
internal sealed class EntryTransforms
{
    private readonly ExtractionOptions _options;
    private readonly int _serverMajor;
    private readonly bool _standardStrings;

    public EntryTransforms(ExtractionOptions options, int serverMajor, bool standardStrings)
    {
        _standardStrings = standardStrings;
        _options = options;
        _serverMajor = serverMajor;
    }

    /// <returns>The entry to write, and whether secrets were taken out of it; null when a transform leaves it out.</returns>
    public (TocEntry Entry, bool Redacted)? Apply(TocEntry entry)
    {
        entry = InstanceNumbers.Remove(entry);
        if (!_standardStrings && entry.Definition is { } definition)
            entry = entry with { Definition = StandardStrings.Conforming(definition) };
        foreach (var transform in _options.Transforms)
        {
            if (transform.Transform(entry) is not { } changed)
                return null;
            entry = changed;
        }
        if (_options.NoOwner)
            entry = entry with { Owner = null };
        if (_options.OrReplace)
            entry = OrReplace(entry);
        if (_options.IncludeSecrets || !SecretRedactor.Concerns(entry.Kind) || entry.Definition is null)
            return (entry, false);
        var redacted = SecretRedactor.Redact(entry.Definition);
        return ReferenceEquals(redacted, entry.Definition) ? (entry, false) : (entry with { Definition = redacted }, true);
    }

    // CREATE becomes CREATE OR REPLACE where the server knows it: only in the first words of the definition, never inside a body.
    private TocEntry OrReplace(TocEntry entry)
    {
        if (!KnowsReplace(entry.Kind) || entry.Definition is not { } definition)
            return entry;
        var reader = new SqlTokenReader(definition);
        var create = reader.Next();
        var what = reader.Next();
        return create.IsKeyword("CREATE") && what.IsKeyword(entry.Desc)
            ? entry with { Definition = definition[..create.End] + " OR REPLACE" + definition[create.End..] }
            : entry;
    }

    // CREATE CONSTRAINT TRIGGER and CREATE RECURSIVE VIEW start with another second word and stay as they are.
    private bool KnowsReplace(TocKind kind) => kind switch
    {
        TocKind.Function or TocKind.Procedure or TocKind.Aggregate or TocKind.View => true,
        TocKind.Trigger => _serverMajor >= 14,
        _ => false,
    };
}
