namespace OmniPg.Jobmon;

/// <summary>Which runs of a job are recorded.</summary>
public enum RecordMode
{
    /// <summary>Every run, as it happens.</summary>
    Always,

    /// <summary>
    /// Only runs that matter: nothing is written until the run ends and it or one of its steps had something else than success, or lasts
    /// longer than <see cref="JobOptions.RecordWhenLongerThan"/>, or <see cref="IJob.FlushAsync"/> is called. For jobs that run every second.
    /// </summary>
    /// <remarks>Until then the run has no id, no heartbeat covers it, and a killed process leaves no trace of it.</remarks>
    ErrorsOnly,
}
