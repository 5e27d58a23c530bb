namespace OmniPg.Jobmon;

/// <summary>Every message of this package; ids from 3000.</summary>
internal static partial class JobmonLog
{
    [LoggerMessage(3000, LogLevel.Debug, "Started job {JobName} with id {JobId}")]
    public static partial void JobStarted(ILogger logger, string jobName, long? jobId);

    [LoggerMessage(3001, LogLevel.Debug, "Ended job {JobName} with id {JobId} as {Status}")]
    public static partial void JobEnded(ILogger logger, string jobName, long? jobId, string status);

    [LoggerMessage(3002, LogLevel.Warning, "Ignored {Operation} of job {JobName} (id {JobId}), which had ended already as {State}")]
    public static partial void EndedTwice(ILogger logger, string operation, string jobName, long? jobId, JobState state);

    [LoggerMessage(3003, LogLevel.Warning, "Job {JobName} (id {JobId}) had been ended by somebody else; its outcome {Status} was not written")]
    public static partial void EndedElsewhere(ILogger logger, string jobName, long? jobId, string status);

    [LoggerMessage(3004, LogLevel.Warning, "Skipped job {JobName}: another run holds its single-instance lock")]
    public static partial void JobSkipped(ILogger logger, string jobName);

    [LoggerMessage(3005, LogLevel.Information, "Cancellation of job {JobName} with id {JobId} was requested")]
    public static partial void CancelRequested(ILogger logger, string jobName, long? jobId);

    [LoggerMessage(3006, LogLevel.Warning, "Could not identify the backend of the work connection of job {JobName}: {Reason}")]
    public static partial void AttachFailed(ILogger logger, string jobName, string reason);

    [LoggerMessage(3100, LogLevel.Error, "The job log on {Server} did not take the event {Operation} ({Cause}): {Reason} Events are kept and written later")]
    public static partial void LogUnavailable(ILogger logger, string server, string operation, string cause, string reason, Exception error);

    [LoggerMessage(3101, LogLevel.Error, "The server refused the event {Operation} of job {JobName} for good: {Reason}")]
    public static partial void EventRefused(ILogger logger, string operation, string jobName, string reason, Exception error);

    [LoggerMessage(3102, LogLevel.Warning, "Table job_status_text has no row for alert code 1; success is written as OK")]
    public static partial void NoSuccessText(ILogger logger);

    [LoggerMessage(3103, LogLevel.Error, "Lost {Count} events of the job log at shutdown. The last reason: {Reason}")]
    public static partial void EventsLost(ILogger logger, int count, string reason);

    [LoggerMessage(3104, LogLevel.Error, "The spool file {Path} cannot be written: {Reason} Waiting events are kept in memory only")]
    public static partial void SpoolFailed(ILogger logger, string path, string reason, Exception error);

    [LoggerMessage(3105, LogLevel.Warning, "{Count} events of the job log wait in the spool file {Path} for the next client that starts a job")]
    public static partial void SpoolLeft(ILogger logger, int count, string path);

    [LoggerMessage(3106, LogLevel.Information, "Wrote {Count} events from the spool file {Path} of {Client} (process {ProcessId})")]
    public static partial void SpoolReplayed(ILogger logger, int count, string path, string client, int processId);

    [LoggerMessage(3107, LogLevel.Error, "The spool file was set aside as {Path}: {Reason}")]
    public static partial void SpoolUnreadable(ILogger logger, string path, string reason);

    [LoggerMessage(3108, LogLevel.Error, "Reading spool file {Path} failed: {Reason}")]
    public static partial void SpoolReplayFailed(ILogger logger, string path, string reason, Exception error);

    [LoggerMessage(3200, LogLevel.Debug, "Control session {SessionId} runs in backend {Pid} ({Liveness})")]
    public static partial void ControlStarted(ILogger logger, Guid sessionId, int pid, string liveness);

    [LoggerMessage(3201, LogLevel.Warning, "Control session {SessionId} was lost and is being re-established: {Reason}")]
    public static partial void ControlLost(ILogger logger, Guid sessionId, string reason, Exception error);

    [LoggerMessage(3202, LogLevel.Error, "The single-instance lock of job {JobName} (id {JobId}) was taken by another process meanwhile; the job is being cancelled")]
    public static partial void InstanceLockLost(ILogger logger, string jobName, long? jobId);

    [LoggerMessage(3203, LogLevel.Error, "Background work of the job log failed: {Reason}")]
    public static partial void BackgroundFailed(ILogger logger, string reason, Exception error);

    [LoggerMessage(3204, LogLevel.Warning, "The side schema {SideSchema} {Reason}: dead jobs, progress values, nesting and cancellation are not recorded. {NextStep}")]
    public static partial void NoSideSchema(ILogger logger, string sideSchema, string reason, string nextStep);

    [LoggerMessage(3205, LogLevel.Warning, "Role {Role} may not write the tables of schema {Schema}: events go through the functions of the extension, without dead job detection, progress values and process ids of attached work")]
    public static partial void FunctionsOnly(ILogger logger, string role, string schema);

    [LoggerMessage(3300, LogLevel.Information, "Closed {Count} runs whose process had died")]
    public static partial void Reaped(ILogger logger, int count);

    [LoggerMessage(3301, LogLevel.Error, "Reaping dead runs failed: {Reason}")]
    public static partial void ReapFailed(ILogger logger, string reason, Exception error);

    [LoggerMessage(3302, LogLevel.Information, "Purged {Count} runs by retention")]
    public static partial void Purged(ILogger logger, long count);

    [LoggerMessage(3303, LogLevel.Error, "Purging by retention failed: {Reason}")]
    public static partial void PurgeFailed(ILogger logger, string reason, Exception error);

    [LoggerMessage(3304, LogLevel.Error, "Installing the job log failed: {Reason}")]
    public static partial void InstallFailed(ILogger logger, string reason, Exception error);

    [LoggerMessage(3305, LogLevel.Information, "{Verb} the job log in schema {Schema}, side tables in {SideSchema}")]
    public static partial void Installed(ILogger logger, string verb, string schema, string sideSchema);
}
