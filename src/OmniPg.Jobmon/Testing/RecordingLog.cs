namespace OmniPg.Jobmon.Testing;

/// <summary>The log in memory: its runs, the numbers it gives, and the texts of the levels.</summary>
internal sealed class RecordingLog(TimeProvider time)
{
    private readonly List<RecordingRun> _withheld = [];
    private readonly List<RecordingRun> _recorded = [];
    private readonly SortedDictionary<int, string> _statusTexts = [];
    private long _steps;

    public TimeProvider Time => time;

    public TextGuard Texts { get; set; } = new(null, new JobmonOptions().MaxMessageBytes);

    public DisposeBehavior DisposeBehavior { get; set; } = new JobmonOptions().DisposeBehavior;

    public Func<string, long>? SqlAnswer { get; set; }

    public InstanceHolders Holders { get; } = new(time);

    /// <summary>Held for every change and every snapshot.</summary>
    public Lock Gate { get; } = new();

    public void Add(RecordingRun run)
    {
        lock (Gate)
        {
            if (run.Entry.Options.Record == RecordMode.ErrorsOnly)
                _withheld.Add(run);
            else
                Release(run);
        }
    }

    /// <summary>Gives a run and its steps their ids: from now on it is in the record.</summary>
    public void Release(RecordingRun run)
    {
        lock (Gate)
        {
            if (run.Entry.Id is not null)
                return;
            _withheld.Remove(run);
            _recorded.Add(run);
            run.Entry.Id = _recorded.Count;
            run.Entry.Steps.ForEach(Number);
        }
    }

    public void Number(StepEntry step) => step.Id = ++_steps;

    /// <summary>The recorded runs, oldest first.</summary>
    public List<RecordingRun> Runs()
    {
        lock (Gate)
        {
            // The client notices on its own that a run has become long; here it is found when somebody looks.
            foreach (var lasting in _withheld.FindAll(run => run.Entry is { State: JobState.Running, IsLong: true }))
                Release(lasting);
            return [.. _recorded];
        }
    }

    /// <summary>Runs that have not ended, recorded or not.</summary>
    public List<RecordingRun> Open()
    {
        lock (Gate)
            return [.. _recorded.Concat(_withheld).Where(run => run.State == JobState.Running)];
    }

    public string StatusText(AlertLevel level) => _statusTexts.GetValueOrDefault(level.Code) ?? level.ToString();

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
