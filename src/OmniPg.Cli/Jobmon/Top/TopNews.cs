namespace OmniPg.Cli;

/// <summary>A reason to draw <c>jobmon top</c> again, or to end it.</summary>
internal sealed record TopNews
{
    /// <summary>The window has changed.</summary>
    public static readonly TopNews Redraw = new();

    /// <summary>The reader has seen enough.</summary>
    public static readonly TopNews Leave = new();

    /// <summary>A new reading.</summary>
    public TopSnapshot? Snapshot { get; init; }

    /// <summary>Why there is no new reading.</summary>
    public string? Trouble { get; init; }
}
