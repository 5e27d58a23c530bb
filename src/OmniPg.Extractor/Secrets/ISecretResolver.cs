namespace OmniPg.Extractor;

/// <summary>Supplies the secrets that an extraction replaced by <c>********</c>, when a tree is replayed.</summary>
public interface ISecretResolver
{
    /// <summary>Returns one secret.</summary>
    /// <param name="entry">The redacted entry, for example a user mapping.</param>
    /// <param name="option">Name of the option, for example <c>password</c>.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The value in clear text, or null when it is not known: the replay is refused then.</returns>
    ValueTask<string?> ResolveAsync(SchemaEntry entry, string option, CancellationToken cancellationToken = default);
}
