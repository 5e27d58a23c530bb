namespace OmniPg.Wal;

/// <summary>Why one source of a restore did not deliver.</summary>
/// <param name="Source">The source.</param>
/// <param name="Key">The file in it, or null when the source as a whole failed.</param>
/// <param name="IsCorrupt">Whether a copy was there but is not valid; otherwise the source did not answer.</param>
/// <param name="Error">The cause.</param>
public sealed record WalSourceFailure(string Source, string? Key, bool IsCorrupt, Exception Error)
{
    /// <summary>Source, key and cause on one line.</summary>
    public override string ToString() => Key is null ? $"'{Source}': {Error.Message}" : $"'{Key}' in '{Source}': {Error.Message}";
}
