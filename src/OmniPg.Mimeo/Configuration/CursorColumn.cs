namespace OmniPg.Mimeo;

/// <summary>A column that only grows, and how far behind its end a refresh stays.</summary>
public sealed record CursorColumn
{
    private CursorColumn(string column, PgInterval? time, long rows) => (Column, TimeBoundary, SerialBoundary) = (column, time, rows);

    /// <summary>Name of the column.</summary>
    public string Column { get; }

    /// <summary>Rows younger than this by the source's clock wait for the next refresh; null for a column of numbers.</summary>
    public PgInterval? TimeBoundary { get; }

    /// <summary>What else a refresh stays behind. Default <see cref="BoundaryMode.Fixed"/>; the only one for a column of numbers.</summary>
    public BoundaryMode Mode { get; init; }

    /// <summary>Rows this near to the largest number wait for the next refresh; the largest always waits. 0 for a column of times.</summary>
    public long SerialBoundary { get; }

    /// <summary>A column of type <c>timestamptz</c>, <c>timestamp</c> or <c>date</c>.</summary>
    /// <param name="column">Name of the column.</param>
    /// <param name="boundary">Longest time that a transaction at the source may be open. Default null: 10 minutes.</param>
    /// <exception cref="ArgumentException">The boundary is negative.</exception>
    public static CursorColumn Time(string column, PgInterval? boundary = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(column);
        var interval = boundary ?? PgInterval.FromTimeSpan(TimeSpan.FromMinutes(10));
        return interval.Estimate < TimeSpan.Zero
            ? throw new ArgumentException($"The boundary '{interval}' must not be negative.", nameof(boundary)) : new CursorColumn(column, interval, 0);
    }

    /// <summary>A column of a whole-number type.</summary>
    /// <param name="column">Name of the column.</param>
    /// <param name="boundary">Most numbers that open transactions at the source may hold. Default 10.</param>
    /// <exception cref="ArgumentOutOfRangeException">The boundary is negative.</exception>
    public static CursorColumn Serial(string column, long boundary = 10)
    {
        ArgumentException.ThrowIfNullOrEmpty(column);
        ArgumentOutOfRangeException.ThrowIfNegative(boundary);
        return new CursorColumn(column, null, boundary);
    }
}

/// <summary>How a refresh by a column of times finds where to end.</summary>
public enum BoundaryMode
{
    /// <summary>By <see cref="CursorColumn.TimeBoundary"/> alone: a transaction at the source that is open for longer may commit rows that no refresh brings.</summary>
    Fixed,

    /// <summary>
    /// Below the begin of the oldest transaction that is open in the source's database, too, so that a column that <c>now()</c> fills misses nothing however long a transaction stays open;
    /// of one that is prepared the boundary counts from the moment when it was. The role needs <c>pg_read_all_stats</c> and the source must be no standby, else a warning says that the
    /// boundary alone counts.
    /// </summary>
    OldestTransaction,
}

/// <summary>What is done about columns of the source that the destination has not. Types that differ are refused whatever is chosen.</summary>
public enum DriftPolicy
{
    /// <summary>The refresh fails with <see cref="ColumnDriftException"/> and changes nothing.</summary>
    Fail,

    /// <summary>They are added at the destination, with their type alone, and in the queue of a logdel: the result warns of rows that have no value there until a repull.</summary>
    AddColumns,

    /// <summary>They are left out, unless <see cref="ReplicationSpec.Columns"/>, the key or the cursor name them.</summary>
    Ignore,
}
