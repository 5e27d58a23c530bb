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
