namespace OmniPg.Jobmon.Testing;

/// <summary>What is recorded, in the shape of the tables.</summary>
internal static class RecordingRows
{
    public static JobRecord Job(JobEntry run, RecordingContext context) => new()
    {
        JobId = run.Id!.Value,
        Owner = RecordingHistory.Owner,
        JobName = run.Name.ToUpperInvariant(),
        StartTime = run.StartTime,
        EndTime = run.EndTime,
        Status = run.Status,
        Pid = run.WorkPid ?? 0,
        Run = Info(run, context),
    };

    public static JobStepRecord Step(JobEntry run, StepEntry step, RecordingContext context)
    {
        var seen = step.Snapshot();
        return new JobStepRecord
        {
            JobId = run.Id!.Value,
            StepId = seen.StepId,
            Action = seen.Action,
            StartTime = seen.StartTime,
            EndTime = seen.EndTime,
            ElapsedSeconds = (float?)(seen.EndTime - seen.StartTime)?.TotalSeconds,
            Status = seen.Status,
            Message = seen.Message,
            // The step that the end of a run adds stands in the log only.
            Info = step.Ordinal is null ? null : Info(step, seen, context),
        };
    }

    private static JobRunInfo Info(JobEntry run, RecordingContext context) => new()
    {
        DisplayName = run.Name,
        ParentJobId = run.Parent?.Id,
        WorkPid = run.WorkPid,
        Tags = [.. run.Options.Tags.Select(tag => context.Texts.Clean(tag)!)],
        Arguments = run.Options.Arguments.Count == 0 ? null : RunValues.Json(run.Options.Arguments, [], context.Texts),
        Result = run.EndTime is null ? null : run.Values.Json(context.Texts),
        Error = run.Outcome switch
        {
            { Error: { } error } => ErrorDocument.Json(error, context.Texts),
            { IsFailure: true, Message: { } reason } => ErrorDocument.Json(reason, context.Texts),
            _ => null,
        },
        CancelRequestedAt = run.CancelRequestedAt,
        CancelRequestedBy = run.CancelRequestedBy,
    };

    private static StepInfo Info(StepEntry step, RecordedStep seen, RecordingContext context) => new()
    {
        ParentStepId = seen.ParentStepId,
        Ordinal = step.Ordinal,
        Current = seen.Progress?.Current,
        Total = seen.Progress?.Total,
        Unit = seen.Progress?.Unit,
        ProgressAt = seen.Progress is null ? null : seen.EndTime ?? context.Time.GetUtcNow(),
        RowsAffected = seen.RowsAffected,
        Error = seen.Error is { } error ? ErrorDocument.Json(error, context.Texts) : null,
    };
}
