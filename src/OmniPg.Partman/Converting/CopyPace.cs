namespace OmniPg.Partman;

/// <summary>How many rows a transaction of a copy takes: as many as are wished, or as its time says. Long ones keep the server from cleaning up, short ones cost a commit each.</summary>
internal sealed class CopyPace(int? wished)
{
    private const int First = 10_000;
    private const int Least = 1_000;
    private const int Most = 200_000;
    private const int Growth = 4;
    private static readonly TimeSpan Goal = TimeSpan.FromSeconds(0.5);

    private readonly Lock _gate = new();

    /// <summary>Rows of the next one.</summary>
    public int Rows { get; private set; } = wished ?? First;

    /// <summary>Says how long one took.</summary>
    public void Took(int rows, TimeSpan elapsed)
    {
        // The last one of a table is as small as it happens to be.
        if (wished is not null || rows < Least)
            return;
        lock (_gate)
        {
            var fitting = rows * Math.Min(Goal / Max(elapsed), Growth);
            Rows = (int)Math.Clamp(fitting, Math.Max(Least, Rows / Growth), Most);
        }

        static TimeSpan Max(TimeSpan time) => time > TimeSpan.FromMilliseconds(1) ? time : TimeSpan.FromMilliseconds(1);
    }
}
