using System.Text;

namespace OmniPg.Extractor.Filters;

/// <summary>Filter files: one item per line, trimmed; empty lines and lines that start with <c>#</c> are left out.</summary>
internal static class FilterFile
{
    public static IEnumerable<string> Read(string path, string option)
    {
        string text;
        try
        {
            text = File.ReadAllText(path, Encoding.UTF8);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new ExtractorOptionException(option, $"The {option} file '{path}' cannot be read: {error.Message}", innerException: error);
        }
        return text.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
            .Where(static line => line[0] != '#');
    }
}
