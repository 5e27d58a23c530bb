using System.Globalization;
using Npgsql;

namespace OmniPg.Cli;

/// <summary>One setting of a connection, as a variable or a URI writes it.</summary>
internal static class ConnectionSetting
{
    /// <summary>Sets one keyword; a value that it does not take is reported without being shown.</summary>
    public static void Set(NpgsqlConnectionStringBuilder settings, string keyword, string value, string source)
    {
        try
        {
            settings[keyword] = keyword == "SSL Mode" ? value.Replace("-", "", StringComparison.Ordinal)
                : keyword is "Port" or "Timeout" ? int.Parse(value, NumberStyles.None, CultureInfo.InvariantCulture) : value;
        }
        catch (Exception error) when (error is ArgumentException or FormatException or OverflowException or KeyNotFoundException)
        {
            throw new UsageException($"'{source}' has no valid value for a connection.");
        }
    }
}
