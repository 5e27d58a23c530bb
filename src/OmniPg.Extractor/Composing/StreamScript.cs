using System.Buffers;
using System.Text;

namespace OmniPg.Extractor.Composing;

/// <summary>A script as bytes: text is encoded in pieces, data is copied as it is.</summary>
internal sealed class StreamScript(Stream output, Encoding encoding) : IScript
{
    private const int CopyBytes = 80 * 1024;

    public async ValueTask WriteAsync(StringBuilder sql, CancellationToken cancellationToken)
    {
        var encoder = encoding.GetEncoder();
        var buffer = ArrayPool<byte>.Shared.Rent(CopyBytes);
        try
        {
            foreach (var chunk in sql.GetChunks())
            {
                for (var rest = chunk; !rest.IsEmpty;)
                {
                    encoder.Convert(rest.Span, buffer, flush: false, out var chars, out var bytes, out _);
                    await output.WriteAsync(buffer.AsMemory(0, bytes), cancellationToken).ConfigureAwait(false);
                    rest = rest[chars..];
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    public Task WriteDataAsync(Stream data, CancellationToken cancellationToken) => data.CopyToAsync(output, CopyBytes, cancellationToken);

    public ValueTask FlushAsync(CancellationToken cancellationToken) => new(output.FlushAsync(cancellationToken));
}
