using System.Text;

namespace OmniPg.Jobmon;

/// <summary>The line that a monitoring plugin prints.</summary>
internal static class NagiosLine
{
    /// <summary>Plugins may cut longer lines, so the report does it where it hurts least: in the middle, before the performance data.</summary>
    private const int MaxBytes = 4096;

    /// <summary>One line without control characters, cut to 4 KiB of UTF-8.</summary>
    public static string Of(string text, string performanceData)
    {
        var line = string.Create(text.Length, text, static (target, source) =>
        {
            for (var i = 0; i < source.Length; i++)
                target[i] = char.IsControl(source[i]) ? ' ' : source[i] == '|' ? '/' : source[i];
        });
        var room = MaxBytes - Encoding.UTF8.GetByteCount(performanceData);
        if (Encoding.UTF8.GetByteCount(line) > room)
            line = Cut(line, room - "...".Length) + "...";
        return line + performanceData;
    }

    private static string Cut(string line, int bytes)
    {
        var taken = 0;
        foreach (var rune in line.EnumerateRunes())
        {
            bytes -= rune.Utf8SequenceLength;
            if (bytes < 0)
                break;
            taken += rune.Utf16SequenceLength;
        }
        return line[..taken];
    }
}
