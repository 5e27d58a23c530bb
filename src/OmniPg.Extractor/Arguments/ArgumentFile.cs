namespace OmniPg.Extractor;

/// <summary>Puts the lines of <c>@file</c> arguments in their place, files within files too.</summary>
internal static class ArgumentFile
{
    private const int MaximumDepth = 10;

    public static IEnumerable<string> Expand(IEnumerable<string> arguments, int depth = 0)
    {
        foreach (var argument in arguments)
        {
            if (argument.Length < 2 || argument[0] != '@')
            {
                yield return argument;
                continue;
            }
            if (depth == MaximumDepth)
                throw new ExtractorOptionException(argument, $"Argument files are nested deeper than '{MaximumDepth}' at '{argument}'.");
            foreach (var inner in Expand(Read(argument), depth + 1))
                yield return inner;
        }
    }

    private static IEnumerable<string> Read(string argument)
    {
        try
        {
            return [.. File.ReadAllLines(argument[1..]).Where(static line => line.Length > 0)];
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new ExtractorOptionException(argument, $"The argument file '{argument[1..]}' cannot be read: {error.Message}", innerException: error);
        }
    }
}
