namespace OmniPg.Mimeo;

/// <summary><c>mimeo.source.logical</c>: the source's server or table cannot be followed by its log. Nothing was made there.</summary>
public sealed class LogicalSourceException : MimeoException
{
    internal LogicalSourceException(QualifiedName source, string why, string hint)
        : base("mimeo.source.logical", $"Changes of '{source}' cannot be decoded: {why}.", hint)
    {
    }
}

/// <summary><c>mimeo.slot.lost</c>: the slot or the publication of a logical table is gone, was made anew or has run ahead, so that changes are missing. The table was left as it is.</summary>
public sealed class SlotLostException : MimeoException
{
    internal SlotLostException(QualifiedName destination, string why, Exception? inner = null)
        : base("mimeo.slot.lost", $"Changes for '{destination}' are lost: {why}.", "Refresh it with Repull.All, which reads all rows and goes on from there.", inner)
    {
    }
}

/// <summary><c>mimeo.row.missing</c>: an update left out values that the destination should have, and the row is not there. Nothing was applied.</summary>
public sealed class RowMissingException : MimeoException
{
    internal RowMissingException(QualifiedName destination, long rows)
        : base("mimeo.row.missing", $"'{destination}' lacks '{rows}' rows that the source has updated in part.", "Somebody has deleted or changed rows of the destination. Refresh it with Repull.All.")
    {
    }
}
