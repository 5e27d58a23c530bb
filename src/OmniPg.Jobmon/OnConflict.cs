namespace OmniPg.Jobmon;

/// <summary>What a single-instance job does when another run of its name is active.</summary>
public enum OnConflict
{
    /// <summary>Logs the attempt at warning level and hands back a job with <see cref="IJob.Acquired"/> = false.</summary>
    Skip,

    /// <summary>Waits for the other run to end, at most <see cref="JobOptions.WaitTimeout"/>, then throws.</summary>
    Wait,

    /// <summary>Throws <see cref="JobAlreadyRunningException"/> at once; nothing is recorded.</summary>
    Throw,
}
