namespace OmniPg.Partman;

/// <summary>Kinds of rows in the table of operations: what was begun and must not be forgotten.</summary>
internal static class OperationKind
{
    /// <summary>A conversion of a live table.</summary>
    public const string Conversion = "convert";

    /// <summary>The second step of a partition that leaves its set.</summary>
    public const string Retirement = "retire";

    /// <summary>A partition that was archived and dropped. Its row was one of <see cref="Retirement"/>.</summary>
    public const string Archive = "archive";

    /// <summary>A group of partitions that others are about to replace.</summary>
    public const string Repartitioning = "repartition";

    /// <summary>A set whose rows go to a plain table.</summary>
    public const string Undo = "undo";

    /// <summary>A table that autovacuum leaves alone for a while.</summary>
    public const string Autovacuum = "autovacuum";
}
