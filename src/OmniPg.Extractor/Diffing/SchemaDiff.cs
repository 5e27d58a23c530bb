using OmniPg.Extractor.Diffing;

namespace OmniPg.Extractor;

/// <summary>The difference of two schemas, object by object.</summary>
public sealed record SchemaDiff
{
    internal SchemaDiff(IReadOnlyList<ObjectDiff> objects, IReadOnlyList<string> notes, string? environmentMismatch) =>
        (Objects, Notes, EnvironmentMismatch) = (objects, notes, environmentMismatch);

    /// <summary>Objects that differ, sorted by kind and identity.</summary>
    public IReadOnlyList<ObjectDiff> Objects { get; }

    /// <summary>Whether nothing differs.</summary>
    public bool IsEmpty => Objects.Count == 0;

    /// <summary>
    /// Says so when the schemas come from servers of different majors, whose texts differ without any change of the schema; null otherwise.
    /// </summary>
    public string? EnvironmentMismatch { get; }

    /// <summary>What was left aside, and what a reader should know.</summary>
    public IReadOnlyList<string> Notes { get; }

    /// <summary>Compares two schemas.</summary>
    /// <param name="from">The first one: what only it has is removed.</param>
    /// <param name="to">The second one: what only it has is added.</param>
    /// <param name="options">What to look at; null for everything.</param>
    /// <returns>The difference.</returns>
    public static SchemaDiff Between(SchemaSnapshot from, SchemaSnapshot to, DiffOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(from);
        ArgumentNullException.ThrowIfNull(to);
        return new SnapshotComparison(from, to, options ?? DiffOptions.Default).Run();
    }

    /// <summary>All differences as unified text, for people and for review tools.</summary>
    /// <returns>Empty when nothing differs.</returns>
    public string ToUnifiedText() => string.Concat(Objects.Select(static o => o.UnifiedText));

    /// <summary>One line: how many objects were added, removed and changed.</summary>
    public override string ToString() => IsEmpty
        ? "no differences"
        : $"{Objects.Count(static o => o.Status == DiffStatus.Added)} added, {Objects.Count(static o => o.Status == DiffStatus.Removed)} removed, "
            + $"{Objects.Count(static o => o.Status == DiffStatus.Changed)} changed";
}
