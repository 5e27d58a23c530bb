namespace OmniPg.Jobmon;

/// <summary>An open step as its run sees it.</summary>
internal interface IOpenStep
{
    StepRow Row { get; }

    ProgressCell Cell { get; }

    /// <summary>Ends the step in the same batch as its job.</summary>
    LogEvent EndWithJob(AlertLevel level, string? reason, Exception? error);
}
