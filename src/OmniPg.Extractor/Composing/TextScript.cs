using System.Buffers;
using System.Text;

namespace OmniPg.Extractor.Composing;

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
