using System.Globalization;
using System.Text;

namespace OmniPg.Wal.Cli;

/// <summary>
/// A path with strftime markers written with <c>^</c> instead of <c>%</c>, because PostgreSQL expands <c>%</c> in its settings.
/// Parsed once, formatted often; the original's <c>OmniPITR::Tools</c> path templates.
/// </summary>
internal sealed class StrftimeTemplate
{
    private const string Markers = "YmdHMSyjUZzsFT^";

    private readonly string _text;

    /// <exception cref="FormatException">The template ends with <c>^</c> or holds a marker that is not supported.</exception>
    public StrftimeTemplate(string text)
    {
        for (var i = text.IndexOf('^', StringComparison.Ordinal); i >= 0; i = text.IndexOf('^', i + 2))
        {
            if (i + 1 == text.Length)
                throw new FormatException($"template '{text}' ends with a lone '^'; write '^^' for the character itself");
            if (!Markers.Contains(text[i + 1], StringComparison.Ordinal))
                throw new FormatException($"template '{text}' has the marker '^{text[i + 1]}'; supported are ^{string.Join(" ^", Markers.ToCharArray())}");
            if (i + 2 >= text.Length)
                break;
        }

        _text = text;
    }

    /// <summary>The template as it was given.</summary>
    public string Text => _text;

    /// <summary>The text with every marker replaced by its part of <paramref name="time"/>, in that value's own offset.</summary>
    public string Format(DateTimeOffset time, TimeZoneInfo zone)
    {
        var result = new StringBuilder(_text.Length + 16);
        for (var i = 0; i < _text.Length; i++)
        {
            if (_text[i] == '^')
                result.Append(Expand(_text[++i], time, zone));
            else
                result.Append(_text[i]);
        }

        return result.ToString();
    }

    /// <summary>The offset from UTC as strftime's <c>%z</c> writes it: <c>+0530</c>.</summary>
    public static string Offset(TimeSpan offset) =>
        string.Create(CultureInfo.InvariantCulture, $"{(offset < TimeSpan.Zero ? '-' : '+')}{offset:hhmm}");

    private static string Expand(char marker, DateTimeOffset time, TimeZoneInfo zone) => marker switch
    {
        'Y' => Text4(time.Year),
        'm' => Text2(time.Month),
        'd' => Text2(time.Day),
        'H' => Text2(time.Hour),
        'M' => Text2(time.Minute),
        'S' => Text2(time.Second),
        'y' => Text2(time.Year % 100),
        'j' => time.DayOfYear.ToString("000", CultureInfo.InvariantCulture),
        'U' => Text2((time.DayOfYear + 6 - (int)time.DayOfWeek) / 7),
        'Z' => zone.IsDaylightSavingTime(time) ? zone.DaylightName : zone.StandardName,
        'z' => Offset(time.Offset),
        's' => time.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture),
        'F' => time.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture),
        'T' => time.ToString("HH:mm:ss", CultureInfo.InvariantCulture),
        _ => "^",
    };

    private static string Text2(int value) => value.ToString("00", CultureInfo.InvariantCulture);

    private static string Text4(int value) => value.ToString("0000", CultureInfo.InvariantCulture);
}
