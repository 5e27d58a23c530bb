namespace OmniPg.Mimeo;

/// <summary>A server to pull from.</summary>
/// <param name="Id">Its number, <c>data_source_id</c>.</param>
/// <param name="Name">Its name; the number where only the extension knows it.</param>
/// <param name="Server">Connection of libpq without credentials.</param>
/// <param name="UserName">Role at the source.</param>
public sealed record MimeoSource(int Id, string Name, string Server, string UserName);

/// <summary>What <see cref="IMimeo.CreateAsync"/> leaves out.</summary>
public sealed class CreateOptions : ICheckedOptions
{
    /// <summary>Whether the first rows are pulled. Default true.</summary>
    public bool PullData { get; set; } = true;

    /// <summary>Which indexes are built. Default <see cref="IndexCopy.All"/>.</summary>
    public IndexCopy Indexes { get; set; }

    /// <summary>
    /// Role that owns what is made at the destination; of a snapshot both tables and the view. Default null: the role of the data source, which has to be a member of the other one to go on
    /// writing. A table that is there keeps its owner, which the result says.
    /// </summary>
    public string? Owner { get; set; }

    void ICheckedOptions.Check(OptionsCheck check)
    {
        var options = this;
        check.Defined<IndexCopy>(options.Indexes);
        check.Identifier(options.Owner, "role");
    }
}

/// <summary>Which of the source's indexes a new table gets.</summary>
public enum IndexCopy
{
    /// <summary>All valid ones whose columns are copied.</summary>
    All,

    /// <summary>The one that tells rows apart.</summary>
    KeyOnly,

    /// <summary>None; kinds that need a key still get that of the key.</summary>
    None,
}

/// <summary>What is different in one refresh.</summary>
public sealed class RefreshOptions : ICheckedOptions
{
    /// <summary>Most rows; null takes <see cref="ReplicationSpec.BatchLimit"/>. Positive.</summary>
    public int? Limit { get; set; }

    /// <summary>Rows to fetch anew; null for none. Dml, logdel and logical take <see cref="Repull.All"/> only, snapshot and table none.</summary>
    public Repull? Repull { get; set; }

    /// <summary>Whether a snapshot without writes is left out; null takes <see cref="ReplicationSpec.SkipUnchanged"/>.</summary>
    public bool? SkipUnchanged { get; set; }

    /// <summary>Longest wait for another refresh of the table. Default zero: <see cref="RefreshStatus.SkippedLocked"/> at once.</summary>
    public TimeSpan LockWait { get; set; }

    /// <summary>
    /// Whether a <see cref="ReplicationKind.Table"/> is emptied by DELETE: nobody who reads waits, rows that foreign keys point at may come back in the same transaction, and the former rows
    /// take space until a vacuum. Default false: by TRUNCATE. Not for the other kinds.
    /// </summary>
    public bool KeepReaders { get; set; }

    /// <summary>What becomes of a refresh whose source has rows without a value in the cursor column, which are never copied. Default <see cref="NullCursor.Warn"/>. Inserter and updater.</summary>
    public NullCursor NullCursor { get; set; }

    void ICheckedOptions.Check(OptionsCheck check)
    {
        var options = this;
        check.AtLeast(options.Limit, 1);
        check.NotNegative(options.LockWait);
        check.Defined<NullCursor>(options.NullCursor);
    }
}

/// <summary>What is done about rows of the source that have no value in the cursor column.</summary>
public enum NullCursor
{
    /// <summary>The result warns of them.</summary>
    Warn,

    /// <summary>Nothing: the source is not asked for them.</summary>
    Ignore,

    /// <summary>The refresh fails with <see cref="NullCursorException"/>, and nothing is changed.</summary>
    Fail,
}

/// <summary>What is different in one refresh of a group.</summary>
public sealed class GroupOptions : ICheckedOptions
{
    /// <summary>Longest wait for another refresh of each table. Default zero: <see cref="RefreshStatus.SkippedLocked"/> at once.</summary>
    public TimeSpan LockWait { get; set; }

    void ICheckedOptions.Check(OptionsCheck check)
    {
        var options = this;
        check.NotNegative(options.LockWait);
    }
}

/// <summary>Rows that a refresh replaces: all, or those between two cursor values, both exclusive.</summary>
public sealed record Repull
{
    private Repull(string? from, string? to) => (Start, End) = (from, to);

    /// <summary>Value below the first row, as the server reads it; null for no bound.</summary>
    public string? Start { get; }

    /// <summary>Value above the last row; null up to the boundary.</summary>
    public string? End { get; }

    /// <summary>The whole table.</summary>
    public static Repull All { get; } = new(null, null);

    /// <summary>The rows between two values of the cursor column; the values themselves stay out.</summary>
    /// <param name="start">Lower value, as text that the server reads; null for no bound.</param>
    /// <param name="end">Upper value; null up to the boundary.</param>
    public static Repull Between(string? start, string? end) => new(start, end);
}

/// <summary>How a refresh ended.</summary>
public enum RefreshStatus
{
    /// <summary>Rows were written.</summary>
    Refreshed,

    /// <summary>There was nothing to write.</summary>
    NothingNew,

    /// <summary>The source had no writes since the last one, so nothing was read.</summary>
    SkippedUnchanged,

    /// <summary>Another refresh of the table was running.</summary>
    SkippedLocked,

    /// <summary>The limit was reached; the rest waits for the next refresh.</summary>
    LimitReached,

    /// <summary>Clocks change at the destination in these hours, and the table, made by the extension, does not run then (<c>dst_active</c>).</summary>
    PausedForDst,
}

/// <summary>What one table got.</summary>
/// <param name="Destination">The table.</param>
/// <param name="Kind">The method.</param>
/// <param name="Status">How it ended.</param>
/// <param name="Rows">Rows that came from the source.</param>
/// <param name="Bytes">Bytes that came.</param>
/// <param name="Format">How they travelled.</param>
/// <param name="LastValue">Largest cursor value now; null for kinds without a cursor.</param>
/// <param name="Elapsed">Time of the whole refresh.</param>
/// <param name="Warnings">What somebody should look at; empty for nothing.</param>
public sealed record RefreshResult(
    QualifiedName Destination, ReplicationKind Kind, RefreshStatus Status, long Rows, long Bytes, CopyFormat Format, string? LastValue, TimeSpan Elapsed,
    IReadOnlyList<string> Warnings);

/// <summary>What went from the tables of the extension to the package's own, or back.</summary>
/// <param name="Sources">Number of sources.</param>
/// <param name="Tables">Managed tables, by name.</param>
public sealed record MoveResult(int Sources, IReadOnlyList<QualifiedName> Tables);

/// <summary>What was set up.</summary>
/// <param name="Spec">The table as it is stored.</param>
/// <param name="DestinationExisted">Whether the table was there before: then it got neither rows nor indexes.</param>
/// <param name="Rows">Rows that were pulled.</param>
/// <param name="Warnings">What somebody should look at; empty for nothing.</param>
public sealed record CreateResult(ReplicationSpec Spec, bool DestinationExisted, long Rows, IReadOnlyList<string> Warnings);

/// <summary>What becomes of queue and trigger, or publication and slot, at the source when the management of a table ends.</summary>
public enum SourceCleanup
{
    /// <summary>They are dropped; where that fails, nothing is changed.</summary>
    Require,

    /// <summary>The source is not contacted: <see cref="DropResult.SourceStatements"/> say what to run there.</summary>
    Skip,
}

/// <summary>What was taken away.</summary>
/// <param name="Destination">The table.</param>
/// <param name="Kept">Whether its rows are still there.</param>
/// <param name="Dropped">Relations of the destination that were dropped.</param>
/// <param name="SourceStatements">What is left to run at the source; empty for nothing.</param>
public sealed record DropResult(QualifiedName Destination, bool Kept, IReadOnlyList<QualifiedName> Dropped, IReadOnlyList<string> SourceStatements);
