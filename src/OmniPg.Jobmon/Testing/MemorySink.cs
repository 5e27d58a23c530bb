namespace OmniPg.Jobmon;

/// <summary>A log in memory: does with each event what its statement does to the tables. All state is changed and read under one lock.</summary>
internal sealed class MemorySink : NullSink
{
    private readonly List<Run> _runs = [];
    private readonly Dictionary<JobRow, Run> _byRow = [];
    private readonly Dictionary<StepRow, Step> _steps = [];
    private readonly Dictionary<JobRow, RunControl> _watched = [];
    private readonly SortedDictionary<int, string> _statusTexts = [];

    public MemorySink(TimeProvider time, TextGuard texts)
    {
        (Time, Texts, Clock, Locks) = (time, texts, new ServerClock(time), new MemoryLocks(time));
        var now = Clock.Mark();
        Clock.Set(time.GetUtcNow().UtcDateTime, now, now);
    }

    public TimeProvider Time { get; }

    public TextGuard Texts { get; }

    public ServerClock Clock { get; }

    public Lock Gate { get; } = new();

    /// <summary>The recorded runs, oldest first; under the <see cref="Gate"/>.</summary>
    public IReadOnlyList<Run> Runs => _runs;

    public override string Name => "memory";

    public override object Log => this;

    public override bool? TakesLines => true;

    private MemoryLocks Locks { get; }

    public override ValueTask<(WriteFailure? Failure, Exception? Error)> SendAsync(bool async, List<LogEvent> events)
    {
        lock (Gate)
            events.ForEach(Take);
        return default;
    }

    public override void Watch(RunControl run)
    {
        lock (Gate)
        {
            _watched[run.Row] = run;
            if (_byRow.GetValueOrDefault(run.Row) is not { Seen.CancelRequestedAt: not null } asked)
                return;
            run.OnCancelRequested(asked.CancelRequestedBy);
        }
    }

    public override void Unwatch(RunControl run)
    {
        lock (Gate)
            _watched.Remove(run.Row);
    }

    public override ValueTask<bool> LockAsync(bool async, InstanceLock wanted, TimeSpan wait, CancellationToken cancellationToken) =>
        Locks.TakeAsync(async, wanted, wait, cancellationToken);

    public override ValueTask UnlockAsync(bool async, InstanceLock held)
    {
        Locks.Release(held);
        return default;
    }

    public override ValueTask<JobAlreadyRunningException> ExplainConflictAsync(bool async, InstanceLock wanted)
    {
        lock (Gate)
        {
            var holder = Locks.Holder(wanted.JobName) is { } held ? _byRow.GetValueOrDefault(held.Run.Row)?.Seen : null;
            return ValueTask.FromResult(new JobAlreadyRunningException(wanted.JobName, holder?.JobId, null, holder?.StartTime));
        }
    }

    /// <summary>Asks a run to stop: its token has fired on return, and the callbacks have run.</summary>
    public CancelResult Cancel(long jobId, string by)
    {
        RunControl? control;
        lock (Gate)
        {
            if (_runs.Find(run => run.Seen.JobId == jobId) is not { } run)
                return CancelResult.NotFound;
            if (run.Seen.EndTime is not null)
                return CancelResult.AlreadyFinished;
            run.Seen = run.Seen with { CancelRequestedAt = run.Seen.CancelRequestedAt ?? Time.GetUtcNow() };
            run.CancelRequestedBy ??= by;
            control = _watched.GetValueOrDefault(run.Row);
        }

        control?.OnCancelRequested(by, atOnce: true);
        return CancelResult.Requested;
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

    private void Take(LogEvent e)
    {
        switch (e)
        {
            case JobStartedEvent start:
                Begin(start);
                break;
            case StepStartedEvent start:
                var step = Add(_byRow[start.Job], start.Step, start.Step.Action, At(start.Mark));
                start.Accept([step.Seen.StepId]);
                break;
            case ProgressEvent moved:
                foreach (var (row, progress) in moved.Steps)
                    Move(_steps[row], progress);
                break;
            case StepEndedEvent end:
                End(_steps[end.Step], end);
                break;
            case LogLinesEvent lines:
                _byRow[lines.Job].Lines.AddRange(lines.Lines.Select(Line));
                break;
            case WorkerAttachedEvent attached:
                var worker = _byRow[attached.Job];
                worker.Seen = worker.Seen with { WorkPid = attached.Pid };
                break;
            case JobEndedEvent end:
                End(_byRow[end.Job], end);
                end.Accept([1L, true]);
                break;
        }
    }

    private void Begin(JobStartedEvent start)
    {
        var run = _byRow[start.Job] = new Run(start.Job, start.Values!, start.ArgumentsJson)
        {
            Seen = new RecordedJob
            {
                JobId = _runs.Count + 1,
                Name = start.Job.Name,
                State = JobState.Running,
                StartTime = At(start.Mark),
                ParentJobId = start.Parent?.JobId,
                Steps = [],
                Lines = [],
                Tags = [.. start.Options.Tags.Select(tag => Texts.Clean(tag)!)],
                Arguments = Clean(start.Options.Arguments),
                Results = Clean([]),
                Counters = new Dictionary<string, long>(),
                Options = start.Options,
            },
        };
        _runs.Add(run);
        start.Accept([run.Seen.JobId, true]);
    }

    private Step Add(Run run, StepRow? row, string action, DateTimeOffset at)
    {
        var parent = row?.Parent is { } above ? _steps[above].Seen : null;
        var step = new Step
        {
            Ordinal = row?.Ordinal,
            Seen = new RecordedStep
            {
                StepId = _runs.Sum(r => (long)r.Steps.Count) + 1,
                Action = Texts.Clean(action)!,
                ParentStepId = parent?.StepId,
                Depth = parent?.Depth + 1 ?? 0,
                StartTime = at,
            },
        };
        run.Steps.Add(step);
        if (row is not null)
            _steps[row] = step;
        return step;
    }

    private void Move(Step step, StepProgress progress)
    {
        if (step.Seen.EndTime is not null)
            return;
        step.ProgressAt = Time.GetUtcNow();
        step.Seen = step.Seen with { Status = "PENDING", Message = Texts.Clean(progress.ToText()), Progress = Clean(progress) };
    }

    private void End(Step step, StepEndedEvent end)
    {
        if (step.Seen.EndTime is not null)
            return;
        var at = At(end.Mark);
        if (end.Progress is not null)
            step.ProgressAt = at;
        step.ErrorJson = end.ErrorJson;
        step.Seen = step.Seen with
        {
            EndTime = at,
            Level = end.Level,
            Status = Texts.Clean(end.Status) ?? StatusText(end.Level),
            Message = Texts.Clean(end.Message) ?? step.Seen.Message,
            Progress = end.Progress is { } progress ? Clean(progress) : step.Seen.Progress,
            RowsAffected = end.RowsAffected,
            Error = end.Error,
        };
    }

    private void End(Run run, JobEndedEvent end)
    {
        var (outcome, at) = (end.Outcome, At(end.Mark));
        // Steps that began at the moment of the end.
        foreach (var open in run.Steps.FindAll(step => step.Seen.EndTime is null))
            Close(open, JobEndedEvent.OpenStep(open.Seen.Message));
        if (end.FinalAction is { } action)
            Close(Add(run, null, action, at), Texts.Clean(end.FinalMessage));

        (run.ResultJson, run.ErrorJson) = (end.ResultJson, end.ErrorJson);
        run.Seen = run.Seen with
        {
            EndTime = at,
            State = outcome.State,
            Level = outcome.Level,
            Status = StatusText(outcome.Level),
            Message = Texts.Clean(outcome.Message),
            Error = outcome.Error,
        };

        void Close(Step step, string? message) =>
            step.Seen = step.Seen with { EndTime = at, Level = outcome.Level, Status = StatusText(outcome.Level), Message = message };
    }

    private RecordedLine Line(LogLine line) => new()
    {
        Level = (LogLevel)line.Level,
        Category = Texts.Clean(line.Category),
        Message = Texts.Clean(line.Message)!,
        Time = At(line.Mark),
        StepId = line.Step?.StepId,
    };

    // A level without a text ends as the highest that has one.
    private string StatusText(AlertLevel level)
    {
        var highest = Math.Max(AlertLevel.Critical.Code, _statusTexts.Keys.DefaultIfEmpty().Max());
        var known = _statusTexts.ContainsKey(level.Code) || level.Code is >= 1 and <= 3 ? level : new AlertLevel(highest);
        return _statusTexts.GetValueOrDefault(known.Code) ?? known.ToString();
    }

    private DateTimeOffset At(long mark) => new(Clock.At(mark)!.Value, TimeSpan.Zero);

    private StepProgress Clean(StepProgress progress) => progress with { Unit = Texts.Clean(progress.Unit), Message = Texts.Clean(progress.Message) };

    private Dictionary<string, string> Clean(IEnumerable<KeyValuePair<string, string>> values) =>
        values.ToDictionary(pair => Texts.Clean(pair.Key)!, pair => Texts.Clean(pair.Value)!);

    /// <summary>A run as the tables hold it.</summary>
    internal sealed class Run(JobRow row, RunValues values, string? argumentsJson)
    {
        public JobRow Row => row;

        /// <summary>All but its steps, lines and values.</summary>
        public required RecordedJob Seen { get; set; }

        public List<Step> Steps { get; } = [];

        public List<RecordedLine> Lines { get; } = [];

        public string? ArgumentsJson => argumentsJson;

        public string? ResultJson { get; set; }

        public string? ErrorJson { get; set; }

        public string? CancelRequestedBy { get; set; }

        public RecordedJob Snapshot(MemorySink log)
        {
            var (results, counters) = values.Copy();
            return Seen with { Steps = [.. Steps.Select(step => step.Seen)], Lines = [.. Lines], Results = log.Clean(results), Counters = counters };
        }
    }

    /// <summary>A step as the tables hold it.</summary>
    internal sealed class Step
    {
        public required RecordedStep Seen { get; set; }

        /// <summary>Position among the steps that the program began, from 1; null for the one that the end of the run adds.</summary>
        public int? Ordinal { get; init; }

        public DateTimeOffset? ProgressAt { get; set; }

        public string? ErrorJson { get; set; }
    }
}
