using OmniPg.Extractor.Secrets;

namespace OmniPg.Extractor.Verifying;

/// <summary>Puts the mask itself in the place of secrets: in a scratch database nobody connects with them.</summary>
internal sealed class MaskResolver : ISecretResolver
{
    public ValueTask<string?> ResolveAsync(SchemaEntry entry, string option, CancellationToken cancellationToken = default) => new(SecretRedactor.Mask);
}
