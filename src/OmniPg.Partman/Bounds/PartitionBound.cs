using System.Globalization;

namespace OmniPg.Partman;

/// <summary>One end of a partition: a moment, an id, or the end of everything (<c>MINVALUE</c>, <c>MAXVALUE</c>). Lower ends are inside, upper ends outside.</summary>
/// <remarks>
/// Moments have the precision of PostgreSQL, one microsecond. For a <c>timestamp</c> or <c>date</c> column, which knows no time zone, the moment is the clock
/// reading itself with offset zero. Bounds of one set compare with each other; a moment and an id do not. <see langword="default"/> is no bound.
/// </remarks>
public readonly record struct PartitionBound : IComparable<PartitionBound>
{
    private readonly Kinds _kind;
    private readonly long _value;

    private PartitionBound(Kinds kind, long value) => (_kind, _value) = (kind, value);

    private enum Kinds : byte
    {
        None,
        Min,
        Moment,
        Number,
        Max,
    }

    /// <summary>Below everything: <c>MINVALUE</c>, or a value of minus infinity.</summary>
    public static PartitionBound MinValue => new(Kinds.Min, 0);

    /// <summary>Above everything: <c>MAXVALUE</c>, or a value of infinity.</summary>
    public static PartitionBound MaxValue => new(Kinds.Max, 0);

    /// <summary>Whether this is <see cref="MinValue"/>.</summary>
    public bool IsMin => _kind == Kinds.Min;

    /// <summary>Whether this is <see cref="MaxValue"/>.</summary>
    public bool IsMax => _kind == Kinds.Max;

    /// <summary>The moment, in UTC; <see langword="null"/> for an id and for the ends of everything.</summary>
    public DateTimeOffset? Time => _kind == Kinds.Moment ? new DateTimeOffset(_value, TimeSpan.Zero) : null;

    /// <summary>The id; <see langword="null"/> for a moment and for the ends of everything.</summary>
    public long? Id => _kind == Kinds.Number ? _value : null;

    /// <summary>Takes a moment; less than a microsecond is cut off.</summary>
    /// <param name="time">The moment.</param>
    /// <returns>The bound.</returns>
    public static PartitionBound Of(DateTimeOffset time) => new(Kinds.Moment, time.UtcTicks - (time.UtcTicks % TimeSpan.TicksPerMicrosecond));

    /// <summary>Takes an id.</summary>
    /// <param name="id">The id.</param>
    /// <returns>The bound.</returns>
    public static PartitionBound Of(long id) => new(Kinds.Number, id);

    /// <summary>Takes the moment out of a UUID of version 7 (RFC 9562): its first 48 bits are milliseconds since 1970.</summary>
    /// <param name="uuid">The UUID; its version is not looked at.</param>
    /// <returns>The bound.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The moment lies behind the year 9999.</exception>
    public static PartitionBound Of(Guid uuid) =>
        Of(DateTimeOffset.FromUnixTimeMilliseconds(long.Parse(uuid.ToString("N").AsSpan(0, 12), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture)));

    /// <summary>Order of the bounds of one set.</summary>
    /// <param name="other">The other bound.</param>
    /// <returns>Negative, zero or positive.</returns>
    /// <exception cref="InvalidOperationException">One is a moment and the other an id, or one is <see langword="default"/>.</exception>
    public int CompareTo(PartitionBound other)
    {
        if (_kind == Kinds.None || other._kind == Kinds.None || (_kind, other._kind) is (Kinds.Moment, Kinds.Number) or (Kinds.Number, Kinds.Moment))
            throw new InvalidOperationException($"The bounds '{this}' and '{other}' do not compare.");
        return _kind == other._kind ? _value.CompareTo(other._value) : _kind.CompareTo(other._kind);
    }

    /// <summary>Whether the left bound is lower.</summary>
    public static bool operator <(PartitionBound left, PartitionBound right) => left.CompareTo(right) < 0;

    /// <summary>Whether the left bound is higher.</summary>
    public static bool operator >(PartitionBound left, PartitionBound right) => left.CompareTo(right) > 0;

    /// <summary>Whether the left bound is lower or equal.</summary>
    public static bool operator <=(PartitionBound left, PartitionBound right) => left.CompareTo(right) <= 0;

    /// <summary>Whether the left bound is higher or equal.</summary>
    public static bool operator >=(PartitionBound left, PartitionBound right) => left.CompareTo(right) >= 0;

    /// <summary>The moment as <c>2026-01-31 00:00:00Z</c>, the id in digits, <c>MINVALUE</c> or <c>MAXVALUE</c>.</summary>
    /// <returns>The text; empty for <see langword="default"/>.</returns>
    public override string ToString() => _kind switch
    {
        Kinds.Min => "MINVALUE",
        Kinds.Max => "MAXVALUE",
        Kinds.Number => _value.ToString(CultureInfo.InvariantCulture),
        Kinds.Moment => Time!.Value.ToString(_value % TimeSpan.TicksPerSecond == 0 ? "yyyy-MM-dd HH:mm:ss'Z'" : "yyyy-MM-dd HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture),
        _ => "",
    };
}
