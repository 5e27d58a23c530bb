namespace OmniPg.Extractor;

/// <summary>One object that differs.</summary>
/// <param name="Status">Added, removed or changed.</param>
/// <param name="SchemaObject">The object.</param>
/// <param name="Classes">In what way it changed; <see cref="DiffClasses.None"/> for added and removed ones.</param>
/// <param name="Entries">Keys of the entries that differ.</param>
/// <param name="UnifiedText">The difference as unified text.</param>
public sealed record ObjectDiff(DiffStatus Status, SchemaObjectId SchemaObject, DiffClasses Classes, IReadOnlyList<string> Entries, string UnifiedText);
