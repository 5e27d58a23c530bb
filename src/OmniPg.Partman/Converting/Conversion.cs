namespace OmniPg.Partman;

/// <summary>A conversion as its row in the table of operations tells it.</summary>
/// <param name="Id">Its number.</param>
/// <param name="Table">The table.</param>
/// <param name="Strategy">Which way.</param>
/// <param name="Phase">How far it is.</param>
/// <param name="RowsCopied">Rows copied so far.</param>
/// <param name="StartedAt">When it began.</param>
/// <param name="UpdatedAt">When it was last at work.</param>
public sealed record Conversion(long Id, QualifiedName Table, ConversionStrategy Strategy, ConversionPhase Phase, long RowsCopied, DateTimeOffset StartedAt, DateTimeOffset UpdatedAt)
{
    /// <summary>Whether anything of it is left: tables beside the set, or a log.</summary>
    public bool IsOpen => Phase is not (ConversionPhase.Finished or ConversionPhase.Aborted);
}

/// <summary>How far a conversion is.</summary>
public enum ConversionPhase
{
    /// <summary>The partitioned table is made, beside the table; nothing touches the table yet.</summary>
    Created,

    /// <summary>Writers' keys are logged, and rows are being copied, or copied and kept up with.</summary>
    Copying,

    /// <summary>The table is the default partition of the set by now, and its rows move into partitions of their own; with <see cref="ConversionStrategy.DrainDefault"/> only.</summary>
    Draining,

    /// <summary>The table is the set. The former table is kept until <see cref="IPartman.FinishConversionAsync"/>, and <see cref="IPartman.SwapBackAsync"/> leads back.</summary>
    Swapped,

    /// <summary>The table is the former one again. <see cref="IPartman.FinishConversionAsync"/> drops the set.</summary>
    SwappedBack,

    /// <summary>Done; the former table is dropped.</summary>
    Finished,

    /// <summary>Given up before the swap; everything is as before.</summary>
    Aborted,
}

/// <summary>What a conversion is at.</summary>
/// <param name="Id">Number of the conversion.</param>
/// <param name="Step">What it does now.</param>
/// <param name="Rows">Rows that this step is through with.</param>
/// <param name="OfRows">Rows that the server last counted in the table; −1 when it never counted.</param>
public sealed record ConversionProgress(long Id, ConversionStep Step, long Rows, long OfRows);

/// <summary>A step of a conversion.</summary>
public enum ConversionStep
{
    /// <summary>Makes the partitioned table.</summary>
    Create,

    /// <summary>Copies rows.</summary>
    Copy,

    /// <summary>Copies once more what was written to meanwhile.</summary>
    CatchUp,

    /// <summary>Compares both tables, or proves that the table holds nothing that it must not hold as a partition.</summary>
    Verify,

    /// <summary>Changes their names.</summary>
    Swap,

    /// <summary>Moves rows out of the default partition. Counted are partitions, not rows.</summary>
    Drain,
}
