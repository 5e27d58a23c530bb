namespace OmniPg.Jobmon;

/// <content>Runs of <see cref="RecordMode.ErrorsOnly"/>: kept in memory until they turn out to be worth a record.</content>
internal sealed partial class JobRun
{
    private bool IsLong => _options.RecordWhenLongerThan is { } limit && _runtime.Time.GetElapsedTime(_begun) > limit;

    /// <summary>At the end: a run in which anything went wrong, or that took long, is written after all.</summary>
    private void Decide(AlertLevel level, List<LogEvent> last) =>
        Row.Withheld = level == AlertLevel.Ok && !IsLong && !Row.Journal.HasFailure && !last.Exists(e => e is StepEndedEvent { IsSuccess: false });

    /// <summary>In between: a run that has become long is written while it still runs, so that it can be seen hanging.</summary>
    private bool ReleaseIfLong()
    {
        if (!Row.Withheld || !IsLong)
            return true;
        return SyncCall.Run(ReleaseAsync(async: false, CancellationToken.None)) is null;
    }

    /// <summary>Writes what was kept back; returns what stopped it.</summary>
    private ValueTask<Exception?> ReleaseAsync(bool async, CancellationToken cancellationToken)
    {
        Row.Withheld = false;
        return Writer.DrainAsync(async, Row, cancellationToken);
    }
}
