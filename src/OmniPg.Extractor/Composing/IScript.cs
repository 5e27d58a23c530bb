using System.Text;

namespace OmniPg.Extractor.Composing;

/// <summary>Where a composed script goes.</summary>
internal interface IScript
{
    /// <summary>Writes SQL text.</summary>
    ValueTask WriteAsync(StringBuilder sql, CancellationToken cancellationToken);

    /// <summary>Passes data through that is in the archive's encoding already.</summary>
    Task WriteDataAsync(Stream data, CancellationToken cancellationToken);

    ValueTask FlushAsync(CancellationToken cancellationToken);
}
