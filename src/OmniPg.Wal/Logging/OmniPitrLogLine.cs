using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging;

namespace OmniPg.Wal;

/// <summary>The line format of OmniPITR's <c>Log.pm</c>.</summary>
internal static class OmniPitrLogLine
{
    /// <summary>The message as UTF-8 lines, each with the whole prefix and without trailing blanks.</summary>
    public static byte[] Encode(DateTimeOffset time, string program, LogLevel level, string text)
    {
        var prefix = string.Create(
            CultureInfo.InvariantCulture,
            $"{time:yyyy-MM-dd HH:mm:ss.ffffff} {StrftimeTemplate.Offset(time.Offset)} : {Environment.ProcessId} : {program} : {Word(level)} : ");
        var lines = new StringBuilder(prefix.Length + text.Length + 1);
        foreach (var line in text.TrimEnd().Split('\n'))
        {
            lines.Append(prefix);
            AppendEscaped(lines, line.AsSpan().TrimEnd());
            lines.Append('\n');
        }

        return Encoding.UTF8.GetBytes(lines.ToString());
    }

    private static string Word(LogLevel level) => level switch
    {
        LogLevel.Critical => "FATAL",
        LogLevel.Error or LogLevel.Warning => "ERROR",
        _ => "LOG",
    };

    private static void AppendEscaped(StringBuilder target, ReadOnlySpan<char> text)
    {
        foreach (var c in text)
        {
            if (char.IsControl(c) && c != '\t')
                target.Append(CultureInfo.InvariantCulture, $"\\x{(int)c:X2}");
            else
                target.Append(c);
        }
    }
}
