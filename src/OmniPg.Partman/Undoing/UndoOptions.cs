namespace OmniPg.Partman;

/// <summary>How gently a set is taken apart.</summary>
public sealed class UndoOptions : ICheckedOptions
{
    /// <summary>Rows that move in one transaction, and the most that move while the set is locked. Default 10,000, range 1 to 1,000,000.</summary>
    public int BatchSize { get; set; } = 10_000;

    /// <summary>Pause behind each batch. Default none, at most 1 h.</summary>
    public TimeSpan PauseBetweenBatches { get; set; }

    /// <summary>Whether an emptied partition stays as a table that belongs to nothing. Default <see langword="false"/>: it is dropped.</summary>
    public bool KeepTables { get; set; }

    /// <summary>
    /// Whether autovacuum leaves partitions and target alone while rows move. Each has its own setting back when the call ends, whatever ends it; behind a process that
    /// was killed, with the next call or the next maintenance. Default <see langword="false"/>.
    /// </summary>
    public bool SuspendAutovacuum { get; set; }

    void ICheckedOptions.Check(OptionsCheck check)
    {
        check.Range<int>(BatchSize, 1, 1_000_000);
        check.Range<TimeSpan>(PauseBetweenBatches, TimeSpan.Zero, TimeSpan.FromHours(1));
    }
}

/// <summary>How far an undo is.</summary>
/// <param name="Partition">The partition at work.</param>
/// <param name="Rows">Rows moved since the undo began, whoever began it.</param>
/// <param name="PartitionsLeft">Partitions that are not taken out yet, this one included.</param>
public sealed record UndoProgress(QualifiedName Partition, long Rows, int PartitionsLeft);

/// <summary>What an undo did since it began, interruptions included.</summary>
/// <param name="Rows">Rows that moved.</param>
/// <param name="Partitions">Partitions that were taken out.</param>
public sealed record UndoResult(long Rows, int Partitions);
