namespace OmniPg.Extractor.Tests;

/// <summary>Takes the mask itself for the secret.</summary>
internal sealed class MaskAsSecret : ISecretResolver
{
    public ValueTask<string?> ResolveAsync(SchemaEntry entry, string option, CancellationToken cancellationToken = default) => new("********");
}
