namespace OmniPg.Jobmon;

/// <summary>How long to wait for a server that is away: a moment after the first failure, twice as long after each further one, half a minute at most.</summary>
internal struct BackOff
{
    private static readonly TimeSpan Shortest = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(30);

    /// <summary>The pause after the last failure; zero for none since the last success.</summary>
    public TimeSpan Pause { get; private set; }

    /// <summary>One more failure; returns the pause from now on.</summary>
    public TimeSpan Next() => Pause = Pause == TimeSpan.Zero ? Shortest : Pause * 2 < Longest ? Pause * 2 : Longest;

    public void Reset() => Pause = TimeSpan.Zero;
}
