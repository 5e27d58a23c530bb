namespace OmniPg.Wal.Cli;

/// <summary>
/// A configuration file of the OmniPITR programs: one option per line, <c>--opt value</c>, <c>--opt=value</c>, <c>-x value</c>,
/// <c>-x=value</c> or a bare <c>--flag</c>.
/// </summary>
/// <remarks>
/// A value runs to the end of the line, is not unquoted, and loses its trailing blanks. Blank lines and lines that begin with <c>#</c>
/// are skipped. Which options exist is the reader's business: <c>omnipg-wal</c> checks them against the options of its verb.
/// </remarks>
internal static class ConfigFile
{
    /// <summary>Reads all options in the order of the file.</summary>
    /// <param name="reader">The text; read to the end, not disposed.</param>
    /// <param name="name">What to call the file in errors.</param>
    /// <returns>Name (with its hyphens) and value; a null value stands for a bare flag.</returns>
    /// <exception cref="WalConfigurationException">A line is neither an option nor blank nor a comment; the message has its number.</exception>
    public static IReadOnlyList<KeyValuePair<string, string?>> Parse(TextReader reader, string name = "configuration")
    {
        ArgumentNullException.ThrowIfNull(reader);
        var options = new List<KeyValuePair<string, string?>>();
        var number = 0;
        while (reader.ReadLine() is { } line)
        {
            number++;
            var text = line.AsSpan().Trim();
            if (text.IsEmpty || text[0] == '#')
                continue;
            options.Add(ParseLine(text) ?? throw new WalConfigurationException(
                $"Line {number} of '{name}' is not an option: '{text}'.", "Write one option per line: '--opt value', '--opt=value' or '--flag'."));
        }

        return options;
    }

    /// <summary>Reads a file.</summary>
    /// <exception cref="WalConfigurationException">The file cannot be read, or a line is not an option.</exception>
    public static IReadOnlyList<KeyValuePair<string, string?>> Read(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        try
        {
            using var reader = new StreamReader(path);
            return Parse(reader, path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new WalConfigurationException($"The configuration file '{path}' cannot be read: {e.Message}", innerException: e);
        }
    }

    private static KeyValuePair<string, string?>? ParseLine(ReadOnlySpan<char> text)
    {
        var hyphens = text.StartsWith("--") ? 2 : text[0] == '-' ? 1 : 0;
        if (hyphens == 0 || text.Length == hyphens || !char.IsAsciiLetterOrDigit(text[hyphens]) && text[hyphens] != '?')
            return null;
        var end = text.IndexOfAny("= \t");
        if (end < 0)
            return new(text.ToString(), null);
        var value = text[end] == '=' ? text[(end + 1)..] : text[end..].TrimStart();
        return new(text[..end].ToString(), value.ToString());
    }
}
