using Npgsql;

namespace OmniPg.Mimeo;

/// <summary><c>mimeo.copy.interrupted</c>: a COPY between source and destination broke off. Nothing of it is kept at the destination.</summary>
public sealed class CopyInterruptedException : MimeoException
{
    internal CopyInterruptedException(CopySide side, string relation, long rows, string why, Exception? innerException = null)
        : base(
            "mimeo.copy.interrupted", $"Copying into '{relation}' broke off at the {(side == CopySide.Source ? "source" : "destination")} after '{rows}' rows: {why}",
            innerException switch
            {
                PostgresException => null,
                { InnerException: TimeoutException } =>
                    "The source sends nothing before its first 8 KiB are full: give its connection string 'Command Timeout=0', as this package does with its own.",
                _ => "Nothing was changed; refresh again when both servers answer.",
            }, innerException)
    {
        (Side, Rows) = (side, rows);
    }

    /// <summary>The server that broke off.</summary>
    public CopySide Side { get; }

    /// <summary>Whole rows that had left the source by then; none of them is kept.</summary>
    public long Rows { get; }
}

/// <summary>One end of a copy.</summary>
public enum CopySide
{
    /// <summary>The server that is read.</summary>
    Source,

    /// <summary>The server that is written.</summary>
    Destination,
}
