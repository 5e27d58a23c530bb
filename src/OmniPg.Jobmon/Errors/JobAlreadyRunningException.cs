namespace OmniPg.Jobmon;

/// <summary><c>jobmon.already-running</c>: another run of a single-instance job holds its lock.</summary>
public sealed class JobAlreadyRunningException : JobmonException
{
    internal JobAlreadyRunningException(string jobName, long? holderJobId, int? holderPid, DateTimeOffset? since)
        : base(
            "jobmon.already-running",
            $"Job '{jobName}' is already running{Holder(holderJobId, holderPid, since)}.",
            "Wait for the other run, cancel it, or start with OnConflict.Skip.")
    {
        JobName = jobName;
        HolderJobId = holderJobId;
        HolderPid = holderPid;
        Since = since;
    }

    /// <summary>Name of the job, as given by the caller.</summary>
    public string JobName { get; }

    /// <summary>Id of the run that holds the lock; null when it is not in the log (a plain SQL session, for example).</summary>
    public long? HolderJobId { get; }

    /// <summary>Backend process id of the lock holder; null when it vanished meanwhile.</summary>
    public int? HolderPid { get; }

    /// <summary>Start of the run that holds the lock, in UTC; null when unknown.</summary>
    public DateTimeOffset? Since { get; }

    private static string Holder(long? jobId, int? pid, DateTimeOffset? since) =>
        string.Concat(
            jobId is { } id ? string.Create(null, $" as job id '{id}'") : "",
            pid is { } p ? string.Create(null, $" in backend '{p}'") : "",
            since is { } s ? string.Create(null, $" since '{s.UtcDateTime:yyyy-MM-dd HH:mm:ss}Z'") : "");
}
