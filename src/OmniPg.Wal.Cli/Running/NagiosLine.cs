using System.Globalization;
using OmniPg.Shared;

namespace OmniPg.Wal.Cli;

/// <summary>One line for Nagios and its kin, by the monitoring plugins' guidelines: <c>OMNIPG_WAL OK - text | name=value</c>.</summary>
internal static class NagiosLine
{
    public const int Ok = 0;
    public const int Warning = 1;
    public const int Critical = 2;
    public const int Unknown = 3;

    /// <summary>Runs a plugin. Trouble is told in a line too, because who reads that does not see standard error.</summary>
    public static async Task<int> GuardAsync(ProgramContext context, Func<Task<int>> work)
    {
        try
        {
            return await work();
        }
        catch (Exception trouble) when (trouble is not (OperationCanceledException or OutputLostException))
        {
            await context.Output.WriteLineAsync(Of(Unknown, trouble.Message));
            throw;
        }
    }

    public static string Of(int status, string text, params ReadOnlySpan<(string Name, double? Value, string Unit)> values)
    {
        var word = status switch { Ok => "OK", Warning => "WARNING", Critical => "CRITICAL", _ => "UNKNOWN" };
        var data = "";
        foreach (var (name, value, unit) in values)
        {
            if (value is { } known)
                data += string.Create(CultureInfo.InvariantCulture, $" {name}={known:0.###}{unit}");
        }

        // A bar would begin the values.
        return $"OMNIPG_WAL {word} - {OneLine.Of(text).Replace('|', '/')}{(data.Length > 0 ? " |" + data : "")}";
    }
}
