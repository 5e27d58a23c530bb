namespace OmniPg.Jobmon.Testing;

/// <summary>What all entries of one record share: clock, filter, the texts of the levels, and the numbers of steps.</summary>
internal sealed class RecordingContext(TimeProvider time)
{
    private readonly SortedDictionary<int, string> _statusTexts = [];
    private long _steps;

    public TimeProvider Time => time;

    public TextGuard Texts { get; set; } = new(null, new JobmonOptions().MaxMessageBytes);

    public int MaxLogLines { get; set; } = new JobmonOptions().MaxLogLines;

    /// <summary>Held for every change and every snapshot.</summary>
    public Lock Gate { get; } = new();

    public long NextStepId() => ++_steps;

    public string StatusText(AlertLevel level)
    {
        var highest = Math.Max(AlertLevel.Critical.Code, _statusTexts.Keys.DefaultIfEmpty().Max());
        var known = _statusTexts.ContainsKey(level.Code) || level.Code is >= 1 and <= 3 ? level : new AlertLevel(highest);
        return _statusTexts.GetValueOrDefault(known.Code) ?? known.ToString();
    }

    public IReadOnlyDictionary<int, string> StatusTexts()
    {
        lock (Gate)
        {
            int[] fresh = [AlertLevel.Ok.Code, AlertLevel.Warning.Code, AlertLevel.Critical.Code];
            return new SortedDictionary<int, string>(fresh.Union(_statusTexts.Keys).ToDictionary(code => code, code => StatusText(new AlertLevel(code))));
        }
    }

    public void SetStatusText(AlertLevel level, string text)
    {
        lock (Gate)
        {
            if (StatusTexts().Any(known => known.Key != level.Code && known.Value == text))
                throw new ArgumentException($"The text '{text}' stands for another code already, and a status must mean one code.", nameof(text));
            _statusTexts[level.Code] = text;
        }
    }
}
