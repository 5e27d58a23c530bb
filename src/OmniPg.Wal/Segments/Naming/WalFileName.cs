using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using NpgsqlTypes;

namespace OmniPg.Wal;

/// <summary>
/// Name of a file in <c>pg_wal</c> or a WAL archive: segment, partial segment, backup history or timeline history.
/// Only such names can be made, so a value is safe as the last part of a path.
/// </summary>
/// <remarks>Lower-case digits are accepted and written in upper case, as PostgreSQL writes them. Names with a codec extension (<c>.gz</c>) are not WAL file names.</remarks>
public readonly record struct WalFileName : ISpanParsable<WalFileName>, ISpanFormattable
{
    private const int TimelineDigits = 8;
    private const int SegmentDigits = 24;
    private const string PartialSuffix = ".partial";
    private const string BackupSuffix = ".backup";
    private const string HistorySuffix = ".history";
    private const int LongestName = SegmentDigits + 1 + 8 + 7;

    private WalFileName(WalFileKind kind, uint timeline, uint logId, uint segmentPart, uint? backupOffset = null)
    {
        Kind = kind;
        Timeline = timeline;
        LogId = logId;
        SegmentPart = segmentPart;
        BackupOffset = backupOffset;
    }

    /// <summary>Which of the four kinds of file this is.</summary>
    public WalFileKind Kind { get; }

    /// <summary>Timeline (characters 1–8). 0 occurs only in the name that stands for "no restart point yet" in <c>%r</c>.</summary>
    public uint Timeline { get; }

    /// <summary>Characters 9–16: the upper 32 bits of the WAL position; 0 for a timeline history file.</summary>
    public uint LogId { get; }

    /// <summary>Characters 17–24: the number of the segment within <see cref="LogId"/>; 0 for a timeline history file.</summary>
    public uint SegmentPart { get; }

    /// <summary>Byte offset of the backup's start position in its segment, or <see langword="null"/> unless <see cref="Kind"/> is <see cref="WalFileKind.BackupHistory"/>.</summary>
    public uint? BackupOffset { get; }

    /// <summary>Characters 9–24 as one number. Orders segments of one cluster regardless of their timelines, as <c>pg_archivecleanup</c> does.</summary>
    public ulong Position => ((ulong)LogId << 32) | SegmentPart;

    /// <summary>Names the complete segment that holds a WAL position.</summary>
    /// <param name="timeline">Timeline of the segment.</param>
    /// <param name="lsn">A position in the segment; the first byte of a segment belongs to it (PostgreSQL before 17 names the segment before in <c>pg_walfile_name</c>).</param>
    /// <param name="size">Segment size of the cluster.</param>
    /// <returns>The name.</returns>
    public static WalFileName ForLsn(uint timeline, NpgsqlLogSequenceNumber lsn, WalSegmentSize size) =>
        ForSegmentNumber(timeline, (ulong)lsn / (uint)size.Bytes, size);

    /// <summary>Names the complete segment with a number.</summary>
    /// <param name="timeline">Timeline of the segment.</param>
    /// <param name="segmentNumber">WAL position divided by the segment size.</param>
    /// <param name="size">Segment size of the cluster.</param>
    /// <returns>The name.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The segment would lie beyond the last WAL position.</exception>
    public static WalFileName ForSegmentNumber(uint timeline, ulong segmentNumber, WalSegmentSize size)
    {
        var perLogId = size.SegmentsPerLogId;
        var logId = segmentNumber / perLogId;
        ArgumentOutOfRangeException.ThrowIfGreaterThan(logId, uint.MaxValue, nameof(segmentNumber));
        return new WalFileName(WalFileKind.Segment, timeline, (uint)logId, (uint)(segmentNumber % perLogId));
    }

    /// <summary>Names the history file of a timeline.</summary>
    /// <param name="timeline">The timeline whose ancestors the file lists.</param>
    /// <returns>The name <c>TTTTTTTT.history</c>.</returns>
    public static WalFileName ForHistory(uint timeline) => new(WalFileKind.TimelineHistory, timeline, 0, 0);

    /// <summary>Whether a segment of this name can exist in a cluster of that segment size.</summary>
    /// <param name="size">Segment size of the cluster.</param>
    /// <returns><see langword="false"/> for a <see cref="SegmentPart"/> that is too large, or an offset outside the segment.</returns>
    public bool Fits(WalSegmentSize size) =>
        SegmentPart < size.SegmentsPerLogId && (BackupOffset ?? 0) < (uint)size.Bytes;

    /// <summary>Number of the segment: its first WAL position divided by the segment size.</summary>
    /// <param name="size">Segment size of the cluster.</param>
    /// <returns>The number.</returns>
    /// <exception cref="InvalidOperationException">The file is a timeline history.</exception>
    /// <exception cref="ArgumentException">No segment of this name exists with that size (see <see cref="Fits"/>).</exception>
    public ulong SegmentNumber(WalSegmentSize size)
    {
        if (Kind == WalFileKind.TimelineHistory)
        {
            throw new InvalidOperationException($"'{this}' is a timeline history file and has no segment number.");
        }

        if (SegmentPart >= size.SegmentsPerLogId)
        {
            throw new ArgumentException($"'{this}' names no segment of a cluster with segments of {size}.", nameof(size));
        }

        return ((ulong)LogId * size.SegmentsPerLogId) + SegmentPart;
    }

    /// <summary>First WAL position of the segment.</summary>
    /// <param name="size">Segment size of the cluster.</param>
    /// <returns>The position of byte 0 of the segment (for a backup history file: of its segment, without <see cref="BackupOffset"/>).</returns>
    /// <exception cref="InvalidOperationException">The file is a timeline history.</exception>
    /// <exception cref="ArgumentException">No segment of this name exists with that size.</exception>
    public NpgsqlLogSequenceNumber StartLsn(WalSegmentSize size) => new(SegmentNumber(size) * (uint)size.Bytes);

    /// <summary>The complete segment after this one on the same timeline.</summary>
    /// <param name="size">Segment size of the cluster.</param>
    /// <returns>The name.</returns>
    /// <exception cref="InvalidOperationException">The file is a timeline history.</exception>
    /// <exception cref="ArgumentException">No segment of this name exists with that size.</exception>
    /// <exception cref="ArgumentOutOfRangeException">This is the last possible segment.</exception>
    public WalFileName Next(WalSegmentSize size) => ForSegmentNumber(Timeline, SegmentNumber(size) + 1, size);

    /// <summary>The segment whose name this name begins with: itself, or without <c>.partial</c> or <c>.OFFSET.backup</c>.</summary>
    /// <returns>The name of the complete segment.</returns>
    /// <exception cref="InvalidOperationException">The file is a timeline history.</exception>
    [SuppressMessage("Design", "CA1024:Use properties where appropriate", Justification = "It throws for a timeline history.")]
    public WalFileName GetSegment() => Kind == WalFileKind.TimelineHistory
        ? throw new InvalidOperationException($"'{this}' is a timeline history file and belongs to no segment.")
        : new WalFileName(WalFileKind.Segment, Timeline, LogId, SegmentPart);

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
