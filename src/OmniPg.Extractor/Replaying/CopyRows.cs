using System.Buffers;

namespace OmniPg.Extractor.Replaying;

/// <summary>Passes COPY rows on up to the line <c>\.</c>, in pieces: a row may be larger than any string.</summary>
internal static class CopyRows
{
    private const int BufferChars = 64 * 1024;
    private const string End = "\\.\n";

    /// <returns>Number of lines read, the last one included.</returns>
    public static async Task<int> RunAsync(TextReader reader, TextWriter target, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<char>.Shared.Rent(BufferChars);
        try
        {
            var (filled, lines, lineStart) = (0, 0, true);
            while (true)
            {
                var read = await reader.ReadAsync(buffer.AsMemory(filled), cancellationToken).ConfigureAwait(false);
                filled += read;
                var (rows, ended) = Scan(buffer.AsSpan(0, filled), read == 0, ref lineStart, ref lines);
                await target.WriteAsync(buffer.AsMemory(0, rows), cancellationToken).ConfigureAwait(false);
                if (ended || read == 0)
                    return lines;
                buffer.AsSpan(rows, filled - rows).CopyTo(buffer);
                filled -= rows;
            }
        }
        finally
        {
            ArrayPool<char>.Shared.Return(buffer);
        }
    }

    // How many characters are rows for certain. At a line start fewer than three characters may be the beginning of the end.
    private static (int Rows, bool Ended) Scan(ReadOnlySpan<char> text, bool isLast, ref bool lineStart, ref int lines)
    {
        var at = 0;
        while (at < text.Length)
        {
            var rest = text[at..];
            if (lineStart && rest.StartsWith(End, StringComparison.Ordinal))
            {
                lines++;
                return (at, true);
            }
            if (lineStart && rest.Length < End.Length && End.AsSpan().StartsWith(rest, StringComparison.Ordinal))
                return (at, isLast);
            var newLine = rest.IndexOf('\n');
            if (newLine < 0)
            {
                lineStart = false;
                return (text.Length, false);
            }
            lines++;
            lineStart = true;
            at += newLine + 1;
        }
        return (at, false);
    }
}
