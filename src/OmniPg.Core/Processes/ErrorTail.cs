using System.Text;

namespace OmniPg.Processes;

/// <summary>Drains standard error so that the program never blocks on it, and keeps its end for error messages, in bounded memory.</summary>
internal sealed class ErrorTail(ExternalProcessOptions options)
{
    private readonly StringBuilder _tail = new();
    private readonly StringBuilder _line = new();

    public static async Task<string> ReadAsync(StreamReader reader, ExternalProcessOptions options)
    {
        var tail = new ErrorTail(options);
        var buffer = new char[4096];
        try
        {
            int read;
            while ((read = await reader.ReadAsync(buffer).ConfigureAwait(false)) > 0)
                tail.Take(buffer.AsSpan(0, read));
        }
        catch (Exception error) when (error is IOException or ObjectDisposedException)
        {
            // The pipe broke because the program was killed: what was read so far is all there is.
        }
        tail.EndLine();
        return tail._tail.ToString().Trim();
    }

    private void Take(ReadOnlySpan<char> text)
    {
        _tail.Append(text);
        if (_tail.Length > options.ErrorTailLimit)
            _tail.Remove(0, _tail.Length - options.ErrorTailLimit);
        if (options.OnErrorLine is not null)
            TakeLines(text);
    }

    private void TakeLines(ReadOnlySpan<char> text)
    {
        while (text.IndexOf('\n') is >= 0 and var end)
        {
            _line.Append(text[..end]);
            PassLine();
            text = text[(end + 1)..];
        }
        _line.Append(text);
        // A program that never ends its line must not fill the memory: what came so far counts as one.
        if (_line.Length > options.ErrorTailLimit)
            PassLine();
    }

    private void EndLine()
    {
        if (_line.Length > 0)
            PassLine();
    }

    private void PassLine()
    {
        options.OnErrorLine?.Invoke(_line.ToString().TrimEnd('\r'));
        _line.Clear();
    }
}
