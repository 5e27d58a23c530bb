namespace OmniPg.Jobmon;

/// <summary>Which runs to list. All conditions that are set must hold; the newest run (highest id) comes first.</summary>
public sealed record JobQuery
{
    private readonly int? _limit = 10;

    /// <summary>Exact name of the job in any case (<c>show_job</c>).</summary>
    public string? Name { get; init; }

    /// <summary>
    /// POSIX regular expression that the name must match somewhere, in any case (<c>show_job_like</c>; the original matched the
    /// upper-cased pattern with case). A pattern that the server refuses gives <see cref="ArgumentException"/>.
    /// </summary>
    public string? NameMatches { get; init; }

    /// <summary>Exact text of the outcome, with case (<c>show_job_status</c>).</summary>
    public string? Status { get; init; }

    /// <summary>A tag that the run carries. Without the side schema nothing carries one.</summary>
    public string? Tag { get; init; }

    /// <summary>Runs that started at this instant or later.</summary>
    public DateTimeOffset? Since { get; init; }

    /// <summary>Runs that started before this instant.</summary>
    public DateTimeOffset? Before { get; init; }

    /// <summary><see langword="true"/>: only runs without an end; <see langword="false"/>: only ended ones.</summary>
    public bool? Unfinished { get; init; }

    /// <summary>How many runs at most. Default 10; <see langword="null"/> means all.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative.</exception>
    public int? Limit
    {
        get => _limit;
        init => _limit = value is >= 0 or null ? value : throw new ArgumentOutOfRangeException(nameof(value), value, "A limit is zero or more, or null for all.");
    }
}
