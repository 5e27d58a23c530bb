namespace OmniPg.Jobmon;

/// <summary>Kind of an alert: column <c>alert_status</c> of <c>check_job_status</c>.</summary>
public enum JobAlertStatus
{
    /// <summary><c>OK</c>: nothing to report.</summary>
    Ok,

    /// <summary><c>FAILED_RUN</c>: more failed runs since the last success than allowed.</summary>
    FailedRun,

    /// <summary><c>MISSING</c>: the job did not start within its thresholds or its schedule.</summary>
    Missing,

    /// <summary><c>RUNNING</c>: overdue or failed before, and running now.</summary>
    Running,

    /// <summary><c>BLOCKED</c>: waits for a lock.</summary>
    Blocked,

    /// <summary><c>DIED</c>: the run never ended, and its process is gone.</summary>
    Died,

    /// <summary><c>OVERDUE</c>: runs longer than allowed or than usual.</summary>
    Overdue,

    /// <summary><c>TOO_FAST</c>: the last successful run was shorter than expected.</summary>
    TooFast,

    /// <summary><c>STALLED</c>: alive, but the progress value does not change.</summary>
    Stalled,

    /// <summary>Another text, such as <c>UNKNOWN</c> on a standby.</summary>
    Other,
}
