using System.Globalization;

namespace OmniPg.Partman;

/// <summary>The column that a set is partitioned by: how its values are written in SQL and read from the catalog.</summary>
/// <param name="Column">The column.</param>
/// <param name="Type">Name of its type in <c>pg_type</c>, such as <c>timestamptz</c>.</param>
/// <param name="Kind">What its values mean.</param>
internal sealed record PartitionKey(PgIdentifier Column, string Type, PartitionKeyKind Kind)
{
    // Nanoseconds run out of bigint in 2262.
    private const decimal TicksPerSecond = TimeSpan.TicksPerSecond;

    /// <summary>Whether bounds are moments.</summary>
    public bool IsTime => Kind != PartitionKeyKind.Id;

    /// <summary>Whether values are clock readings without a zone, so that no bound ever needs one.</summary>
    public bool IsWallClock => Type is "timestamp" or "date";

    /// <summary>Epoch units in a second; 0 for other kinds.</summary>
    public long UnitsPerSecond => Kind switch
    {
        PartitionKeyKind.EpochSeconds => 1,
        PartitionKeyKind.EpochMilliseconds => 1_000,
        PartitionKeyKind.EpochMicroseconds => 1_000_000,
        PartitionKeyKind.EpochNanoseconds => 1_000_000_000,
        _ => 0,
    };

    /// <summary>What a column of this type can be partitioned by; empty when by nothing that this package knows.</summary>
    public static IReadOnlyList<PartitionKeyKind> KindsOf(string type) => type switch
    {
        "timestamptz" or "timestamp" or "date" => [PartitionKeyKind.Time],
        "int8" or "numeric" => [PartitionKeyKind.Id, PartitionKeyKind.EpochSeconds, PartitionKeyKind.EpochMilliseconds, PartitionKeyKind.EpochMicroseconds, PartitionKeyKind.EpochNanoseconds],
        "int4" => [PartitionKeyKind.Id, PartitionKeyKind.EpochSeconds],
        "int2" => [PartitionKeyKind.Id],
        "uuid" => [PartitionKeyKind.UuidV7],
        _ => [],
    };

    /// <summary>The highest id that the column can hold, and that this package can count.</summary>
    public long HighestId => Type switch { "int2" => short.MaxValue, "int4" => int.MaxValue, _ => long.MaxValue };

    /// <summary>The bound as DDL takes it, the same under every <c>TimeZone</c> and <c>DateStyle</c>.</summary>
    /// <exception cref="OverflowException">The column's type cannot hold the bound.</exception>
    public string Literal(PartitionBound bound)
    {
        if (bound.IsMin || bound.IsMax)
            return bound.ToString();
        if (bound.Id is { } id)
            return Number(id);
        var time = bound.Time!.Value;
        return Kind switch
        {
            PartitionKeyKind.UuidV7 => Uuid(time),
            PartitionKeyKind.Time => Type switch
            {
                "date" => time.ToString("\\'yyyy-MM-dd\\'", CultureInfo.InvariantCulture),
                "timestamp" => Stamp(time, ""),
                _ => Stamp(time, "+00"),
            },
            _ => Number((time - DateTimeOffset.UnixEpoch).Ticks / TicksPerSecond * UnitsPerSecond),
        };

        static string Stamp(DateTimeOffset time, string zone) =>
            $"'{time.ToString(time.Ticks % TimeSpan.TicksPerSecond == 0 ? "yyyy-MM-dd HH:mm:ss" : "yyyy-MM-dd HH:mm:ss.ffffff", CultureInfo.InvariantCulture)}{zone}'";
    }

    /// <summary>A value of the catalog as a bound.</summary>
    /// <exception cref="FormatException">The value is none of this key, or beyond what this package can count.</exception>
    public PartitionBound Read(BoundText.Value value)
    {
        try
        {
            return value.Word switch
            {
                BoundText.Word.Min => PartitionBound.MinValue,
                BoundText.Word.Max => PartitionBound.MaxValue,
                BoundText.Word.Null => throw new FormatException("NULL is no end of a partition."),
                _ when Kind == PartitionKeyKind.Id => PartitionBound.Of((long)decimal.Parse(value.Text, NumberStyles.Float, CultureInfo.InvariantCulture)),
                _ when Kind == PartitionKeyKind.UuidV7 => PartitionBound.Of(Guid.Parse(value.Text)),
                _ when Kind == PartitionKeyKind.Time => Moment(value.Text),
                _ => Epoch(decimal.Parse(value.Text, NumberStyles.Float, CultureInfo.InvariantCulture)),
            };
        }
        catch (Exception error) when (error is FormatException or OverflowException or ArgumentOutOfRangeException)
        {
            throw new FormatException($"'{value.Text}' is no bound of column '{Column}' ({Type}, {Kind}) that can be counted: {error.Message}", error);
        }
    }

    /// <summary>A bound as text that <see cref="OfText"/> reads: a literal without quotes, or a word where it ends nowhere.</summary>
    public string Text(PartitionBound bound) => bound.IsMin || bound.IsMax ? bound.ToString() : Literal(bound).Trim('\'');

    /// <summary>The bound of such a text.</summary>
    /// <exception cref="FormatException">It is none of this key.</exception>
    public PartitionBound OfText(string text) => text switch
    {
        "MINVALUE" => PartitionBound.MinValue,
        "MAXVALUE" => PartitionBound.MaxValue,
        _ => Read(new BoundText.Value(text)),
    };

    /// <summary>The SQL that makes a moment of the column; for a set by id the column itself.</summary>
    public string ToMoment(string column) => Kind switch
    {
        PartitionKeyKind.EpochSeconds => $"to_timestamp({column})",
        PartitionKeyKind.EpochMilliseconds or PartitionKeyKind.EpochMicroseconds or PartitionKeyKind.EpochNanoseconds =>
            $"to_timestamp(({column} / {UnitsPerSecond.ToString(CultureInfo.InvariantCulture)})::float)",
        _ => column,
    };

    private string Number(decimal value)
    {
        var (least, most) = Type switch
        {
            "int2" => (short.MinValue, short.MaxValue),
            "int4" => (int.MinValue, int.MaxValue),
            _ => ((decimal)long.MinValue, (decimal)long.MaxValue),
        };
        value = decimal.Floor(value);
        return value >= least && value <= most
            ? $"'{value.ToString("0", CultureInfo.InvariantCulture)}'"
            : throw new OverflowException($"'{value.ToString("0", CultureInfo.InvariantCulture)}' does not fit into column '{Column}' of type '{Type}'.");
    }

    private static string Uuid(DateTimeOffset time)
    {
        var milliseconds = time.ToUnixTimeMilliseconds();
        if (milliseconds < 0)
            throw new OverflowException($"'{PartitionBound.Of(time)}' lies before 1970, where no UUID of version 7 can be.");
        var hex = milliseconds.ToString("x12", CultureInfo.InvariantCulture);
        return $"'{hex[..8]}-{hex[8..]}-0000-0000-000000000000'";
    }

    // ISO text under TimeZone UTC: 2024-01-31, 2024-01-31 12:00:00.5, 2024-01-31 12:00:00+00. Its form is told first, since a set may have thousands of them.
    private static PartitionBound Moment(string text) => text switch
    {
        "infinity" => PartitionBound.MaxValue,
        "-infinity" => PartitionBound.MinValue,
        _ => PartitionBound.Of(DateTimeOffset.ParseExact(text, (text.Contains(':', StringComparison.Ordinal), text.Contains('.', StringComparison.Ordinal), text.EndsWith("+00", StringComparison.Ordinal)) switch
        {
            (false, _, _) => "yyyy-MM-dd",
            (true, false, true) => "yyyy-MM-dd HH:mm:ssz",
            (true, false, false) => "yyyy-MM-dd HH:mm:ss",
            (true, true, true) => "yyyy-MM-dd HH:mm:ss.FFFFFFz",
            (true, true, false) => "yyyy-MM-dd HH:mm:ss.FFFFFF",
        }, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal)),
    };

    private PartitionBound Epoch(decimal value) =>
        PartitionBound.Of(DateTimeOffset.UnixEpoch.AddTicks((long)decimal.Floor(value / UnitsPerSecond * TicksPerSecond)));
}
