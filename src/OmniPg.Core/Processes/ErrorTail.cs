using System.Text;

namespace OmniPg.Processes;

/// <summary>Drains standard error so that the program never blocks on it, and keeps its end for error messages.</summary>
internal static class ErrorTail
{
    public static async Task<string> ReadAsync(StreamReader reader, ExternalProcessOptions options)
    {
        var tail = new StringBuilder();
        try
        {
            while (await reader.ReadLineAsync().ConfigureAwait(false) is { } line)
            {
                options.OnErrorLine?.Invoke(line);
                tail.Append(line).Append('\n');
                if (tail.Length > options.ErrorTailLimit)
                    tail.Remove(0, tail.Length - options.ErrorTailLimit);
            }
        }
        catch (Exception error) when (error is IOException or ObjectDisposedException)
        {
            // The pipe broke because the program was killed: what was read so far is all there is.
        }
        return tail.ToString().Trim();
    }
}
