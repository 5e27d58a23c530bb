using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace OmniPg.Wal;

public readonly partial record struct WalFileName : ISpanParsable<WalFileName>, ISpanFormattable
{
    private const int TimelineDigits = 8;
    private const int SegmentDigits = 24;
    private const string PartialSuffix = ".partial";
    private const string BackupSuffix = ".backup";
    private const string HistorySuffix = ".history";
    private const int LongestName = SegmentDigits + 1 + 8 + 7;

    /// <summary>Reads a name. Never throws.</summary>
    /// <param name="text">A bare file name, without directory and codec extension.</param>
    /// <param name="name">The name, or the default value.</param>
    /// <returns>Whether <paramref name="text"/> is exactly a WAL file name.</returns>
    public static bool TryParse(ReadOnlySpan<char> text, out WalFileName name)
    {
        name = default;
        if (!TryHex(text, 0, out var timeline))
            return false;

        if (text[TimelineDigits..] is HistorySuffix)
        {
            name = ForHistory(timeline);
            return true;
        }

        if (!TryHex(text, 8, out var logId) || !TryHex(text, 16, out var segmentPart))
            return false;

        var rest = text[SegmentDigits..];
        if (rest.IsEmpty || rest is PartialSuffix)
        {
            name = new WalFileName(rest.IsEmpty ? WalFileKind.Segment : WalFileKind.Partial, timeline, logId, segmentPart);
            return true;
        }

        if (rest[0] != '.' || !TryHex(rest, 1, out var offset) || rest[9..] is not BackupSuffix)
            return false;

        name = new WalFileName(WalFileKind.BackupHistory, timeline, logId, segmentPart, offset);
        return true;
    }

    /// <summary>Reads a name.</summary>
    /// <param name="text">A bare file name, without directory and codec extension.</param>
    /// <returns>The name.</returns>
    /// <exception cref="FormatException"><paramref name="text"/> is not a WAL file name.</exception>
    public static WalFileName Parse(ReadOnlySpan<char> text) => TryParse(text, out var name)
        ? name
        : throw new FormatException(
            "Not the name of a WAL file: expected 24 hexadecimal digits, optionally followed by '.partial' or '.XXXXXXXX.backup', or 8 digits and '.history'.");

    /// <inheritdoc cref="Parse(ReadOnlySpan{char})"/>
    /// <param name="s">A bare file name.</param>
    /// <param name="provider">Not used: names do not depend on a culture.</param>
    public static WalFileName Parse(ReadOnlySpan<char> s, IFormatProvider? provider) => Parse(s);

    /// <inheritdoc cref="Parse(ReadOnlySpan{char}, IFormatProvider?)"/>
    public static WalFileName Parse(string s, IFormatProvider? provider)
    {
        ArgumentNullException.ThrowIfNull(s);
        return Parse(s.AsSpan());
    }

    /// <inheritdoc cref="TryParse(ReadOnlySpan{char}, out WalFileName)"/>
    /// <param name="s">A bare file name.</param>
    /// <param name="provider">Not used: names do not depend on a culture.</param>
    /// <param name="result">The name, or the default value.</param>
    public static bool TryParse(ReadOnlySpan<char> s, IFormatProvider? provider, out WalFileName result) => TryParse(s, out result);

    /// <inheritdoc cref="TryParse(ReadOnlySpan{char}, IFormatProvider?, out WalFileName)"/>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out WalFileName result) =>
        TryParse(s.AsSpan(), out result);

    /// <summary>The file name in upper case, as PostgreSQL writes it.</summary>
    /// <returns>The text.</returns>
    public override string ToString()
    {
        Span<char> buffer = stackalloc char[LongestName];
        TryFormat(buffer, out var written, default, null);
        return new string(buffer[..written]);
    }

    /// <summary>The file name in upper case; <paramref name="format"/> and <paramref name="formatProvider"/> are not used.</summary>
    /// <param name="format">Not used: there is one form.</param>
    /// <param name="formatProvider">Not used.</param>
    /// <returns>The text.</returns>
    public string ToString(string? format, IFormatProvider? formatProvider) => ToString();

    /// <summary>Writes the file name in upper case.</summary>
    /// <param name="destination">Receives the text (at most 40 characters).</param>
    /// <param name="charsWritten">Number of characters written.</param>
    /// <param name="format">Not used: there is one form.</param>
    /// <param name="provider">Not used.</param>
    /// <returns>Whether <paramref name="destination"/> was large enough.</returns>
    public bool TryFormat(Span<char> destination, out int charsWritten, ReadOnlySpan<char> format, IFormatProvider? provider)
    {
        var invariant = CultureInfo.InvariantCulture;
        return Kind switch
        {
            WalFileKind.TimelineHistory => destination.TryWrite(invariant, $"{Timeline:X8}{HistorySuffix}", out charsWritten),
            WalFileKind.Partial => destination.TryWrite(invariant, $"{Timeline:X8}{LogId:X8}{SegmentPart:X8}{PartialSuffix}", out charsWritten),
            WalFileKind.BackupHistory =>
                destination.TryWrite(invariant, $"{Timeline:X8}{LogId:X8}{SegmentPart:X8}.{BackupOffset:X8}{BackupSuffix}", out charsWritten),
            _ => destination.TryWrite(invariant, $"{Timeline:X8}{LogId:X8}{SegmentPart:X8}", out charsWritten),
        };
    }

    // By hand: the number parsers of the base library also accept blanks and signs.
    private static bool TryHex(ReadOnlySpan<char> text, int start, out uint value)
    {
        value = 0;
        if (text.Length < start + 8)
            return false;

        foreach (var digit in text.Slice(start, 8))
        {
            if (!char.IsAsciiHexDigit(digit))
                return false;

            value = (value << 4) | (uint)(digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
        }

        return true;
    }
}
