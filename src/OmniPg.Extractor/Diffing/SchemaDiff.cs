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
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">The lines of context are fewer than none.</exception>
    public static SchemaDiff Between(SchemaSnapshot from, SchemaSnapshot to, DiffOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(from);
        ArgumentNullException.ThrowIfNull(to);
        return new SnapshotComparison(from, to, OptionsCheck.Require(options ?? new DiffOptions())).Run();
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

/// <summary>One object that differs.</summary>
/// <param name="Status">Added, removed or changed.</param>
/// <param name="SchemaObject">The object.</param>
/// <param name="Classes">In what way it changed; <see cref="DiffClasses.None"/> for added and removed ones.</param>
/// <param name="Entries">Keys of the entries that differ.</param>
/// <param name="UnifiedText">The difference as unified text.</param>
public sealed record ObjectDiff(DiffStatus Status, SchemaObjectId SchemaObject, DiffClasses Classes, IReadOnlyList<string> Entries, string UnifiedText);

/// <summary>What became of an object between two schemas.</summary>
public enum DiffStatus
{
    /// <summary>Only the second schema has it.</summary>
    Added,

    /// <summary>Only the first schema has it.</summary>
    Removed,

    /// <summary>Both have it, and it differs.</summary>
    Changed,
}

/// <summary>In what way an object changed; combined with <c>|</c>.</summary>
[Flags]
public enum DiffClasses
{
    /// <summary>Nothing changed.</summary>
    None = 0,

    /// <summary>Its definition, or that of something that belongs to it: an index, a constraint, a trigger.</summary>
    Definition = 1,

    /// <summary>Its owner.</summary>
    Owner = 2,

    /// <summary>Grants on it.</summary>
    Acl = 4,

    /// <summary>Comments on it.</summary>
    Comment = 8,

    /// <summary>Security labels on it.</summary>
    Label = 16,

    /// <summary>Its file: same text in another place.</summary>
    Moved = 32,

    /// <summary>The installed version of an extension.</summary>
    Version = 64,

    /// <summary>Nothing but carriage returns: a checkout or an editor converted the line ends.</summary>
    LineEnds = 128,
}
