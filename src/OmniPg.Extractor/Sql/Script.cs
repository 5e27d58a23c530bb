using System.Buffers;
using System.Text;

namespace OmniPg.Extractor;

/// <summary>Where a composed script goes.</summary>
internal interface IScript
{
    /// <summary>Writes SQL text.</summary>
    ValueTask WriteAsync(StringBuilder sql, CancellationToken cancellationToken);

    /// <summary>Passes data through that is in the archive's encoding already.</summary>
    Task WriteDataAsync(Stream data, CancellationToken cancellationToken);

    ValueTask FlushAsync(CancellationToken cancellationToken);
}

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

/// <summary>A script as text: data is decoded on its way.</summary>
internal sealed class TextScript(TextWriter output, Encoding encoding) : IScript
{
    private const int CopyChars = 32 * 1024;

    public async ValueTask WriteAsync(StringBuilder sql, CancellationToken cancellationToken) =>
        await output.WriteAsync(sql, cancellationToken).ConfigureAwait(false);

    public async Task WriteDataAsync(Stream data, CancellationToken cancellationToken)
    {
        using var reader = new StreamReader(data, encoding, detectEncodingFromByteOrderMarks: false, CopyChars, leaveOpen: true);
        var buffer = ArrayPool<char>.Shared.Rent(CopyChars);
        try
        {
            while (await reader.ReadAsync(buffer, cancellationToken).ConfigureAwait(false) is > 0 and var read)
                await output.WriteAsync(buffer.AsMemory(0, read), cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            ArrayPool<char>.Shared.Return(buffer);
        }
    }

    public ValueTask FlushAsync(CancellationToken cancellationToken) => new(output.FlushAsync(cancellationToken));
}
