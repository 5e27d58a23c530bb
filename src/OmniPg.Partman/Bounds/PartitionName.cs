using System.Globalization;
using System.Text;

namespace OmniPg.Partman;

/// <summary>Names of partitions as pg_partman makes them: <c>events_p20260131</c>, <c>orders_p1000</c>, <c>events_default</c>.</summary>
internal static class PartitionName
{
    /// <summary>What stands between table and suffix unless the set says otherwise.</summary>
    public const string UsualPrefix = "_p";

    private const string DefaultSuffix = "_default";
    private const int DayLength = 8;
    private const int SecondLength = 15;

    /// <summary>Name of the partition that begins at an id.</summary>
    public static PgIdentifier OfId(PgIdentifier table, string prefix, long lower) => Fit(table.Value, prefix + lower.ToString(CultureInfo.InvariantCulture));

    /// <summary>Name of the partition that begins at a clock reading.</summary>
    /// <param name="table">The partitioned table.</param>
    /// <param name="prefix">What stands between table and suffix.</param>
    /// <param name="lower">The lower bound on the clock that names the set's partitions.</param>
    /// <param name="withTime">Whether the time of day is part of the name, as for intervals below a day.</param>
    public static PgIdentifier OfTime(PgIdentifier table, string prefix, DateTime lower, bool withTime) =>
        Fit(table.Value, prefix + lower.ToString(withTime ? "yyyyMMdd_HHmmss" : "yyyyMMdd", CultureInfo.InvariantCulture));

    /// <summary>Name of the default partition.</summary>
    public static PgIdentifier OfDefault(PgIdentifier table) => Fit(table.Value, DefaultSuffix);

    /// <summary>Whether a name has the form that this set's partitions have; the cut of a long table's name included.</summary>
    public static bool IsLike(PgIdentifier name, PgIdentifier table, string prefix, bool isTime)
    {
        if (name == OfDefault(table))
            return true;
        var at = name.Value.LastIndexOf(prefix, StringComparison.Ordinal);
        if (at <= 0)
            return false;
        var suffix = name.Value[(at + prefix.Length)..];
        var fits = isTime
            ? suffix.Length is DayLength or SecondLength && suffix.All(c => char.IsAsciiDigit(c) || c == '_')
            : long.TryParse(suffix, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _);
        return fits && name == Fit(table.Value, prefix + suffix);
    }

    /// <summary>
    /// Cuts the table's part at a whole character so that the end survives within 63 bytes (<c>check_name_length</c> of the extension): two long tables can
    /// get one name.
    /// </summary>
    public static PgIdentifier Fit(string table, string end)
    {
        var room = PgIdentifier.MaxBytes - Encoding.UTF8.GetByteCount(end);
        var length = 0;
        foreach (var rune in table.EnumerateRunes())
        {
            if (rune.Utf8SequenceLength > room)
                break;
            room -= rune.Utf8SequenceLength;
            length += rune.Utf16SequenceLength;
        }
        return PgIdentifier.Create(table[..length] + end);
    }
}
