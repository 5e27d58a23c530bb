namespace OmniPg.Jobmon;

/// <summary>Turns events into lines of a spool file. This is where their texts leave the process, so the message filter is applied here.</summary>
internal sealed class SpoolEncoder(ServerClock clock, TextGuard texts)
{
    public SpoolRecord Encode(LogEvent e)
    {
        var (at, serverTime) = TimeOf(e.Mark);
        var record = new SpoolRecord { Event = e.Operation, At = at, ServerTime = serverTime, Job = e.Job.Token, JobId = e.Job.JobId };
        return e switch
        {
            JobStartedEvent start => record with
            {
                Name = start.Job.Name,
                Parent = start.Parent?.Token,
                ParentId = start.Parent?.JobId,
                TraceId = start.TraceId,
                SpanId = start.SpanId,
                Arguments = start.ArgumentsJson,
                Tags = start.Tags.Count == 0 ? null : [.. start.Tags.Select(t => texts.Clean(t)!)],
                MaxRuntime = start.MaxRuntime,
            },
            StepStartedEvent start => record with
            {
                Step = start.Step.Token,
                StepId = start.Step.StepId,
                ParentStep = start.Step.Parent?.Token,
                ParentStepId = start.Step.Parent?.StepId,
                Ordinal = start.Step.Ordinal,
                Action = texts.Clean(start.Step.Action),
            },
            StepEndedEvent end => record with
            {
                Step = end.Step.Token,
                StepId = end.Step.StepId,
                Level = end.Level.Code,
                Status = texts.Clean(end.Status),
                Message = texts.Clean(end.Message),
                Current = end.Progress?.Current,
                Total = end.Progress?.Total,
                Unit = texts.Clean(end.Progress?.Unit),
                Rows = end.RowsAffected,
                Error = end.ErrorJson,
            },
            JobEndedEvent end => record with
            {
                Level = end.Outcome.Level.Code,
                Action = end.FinalAction,
                Message = texts.Clean(end.FinalMessage),
                Error = end.ErrorJson,
                Result = end.ResultJson,
            },
            WorkerAttachedEvent attached => record with { Pid = attached.Pid, BackendStart = attached.BackendStart },
            LogLinesEvent lines => record with { First = lines.First, Lines = Array.ConvertAll(lines.Lines, Line) },
            _ => throw new ArgumentException($"Event '{e.Operation}' is never kept.", nameof(e)),
        };
    }

    private SpoolLine Line(LogLine line)
    {
        var (at, serverTime) = TimeOf(line.Mark);
        return new SpoolLine(at, serverTime, line.Step?.Token, line.Step?.StepId, line.Level, texts.Clean(line.Category), texts.Clean(line.Message)!);
    }

    // Without a first contact there is only the clock of this machine; the reader takes the difference of both into account.
    private (DateTime At, bool ServerTime) TimeOf(long mark) => clock.At(mark) is { } known ? (known, true) : (clock.WallAt(mark), false);
}
