using OmniPg.Extractor.Composing;
using OmniPg.Extractor.Secrets;
using OmniPg.Extractor.Transforms;

namespace OmniPg.Extractor.Extraction;

/// <summary>The transforms behind the options of an extraction, in the order in which they run.</summary>
internal sealed class BuiltInTransforms
{
    private readonly ExtractionOptions _options;
    private readonly int _serverMajor;

    private readonly bool _standardStrings;

    public BuiltInTransforms(ExtractionOptions options, int serverMajor, bool standardStrings)
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
            entry = OrReplace.Apply(entry, _serverMajor);
        if (_options.IncludeSecrets || !SecretRedactor.Concerns(entry.Kind) || entry.Definition is null)
            return (entry, false);
        var redacted = SecretRedactor.Redact(entry.Definition);
        return ReferenceEquals(redacted, entry.Definition) ? (entry, false) : (entry with { Definition = redacted }, true);
    }
}
