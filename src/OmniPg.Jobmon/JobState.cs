namespace OmniPg.Jobmon;

/// <summary>Where a job handle stands, as this process knows it.</summary>
public enum JobState
{
    /// <summary>Started and not ended.</summary>
    Running,

    /// <summary>Not run, because another run of the same name holds the single-instance lock.</summary>
    Skipped,

    /// <summary>Ended with success.</summary>
    Completed,

    /// <summary>Ended by <c>Fail</c> at any level, by an exception, or by a dispose without an end.</summary>
    Failed,

    /// <summary>Ended after a cancellation request or by the caller's token.</summary>
    Cancelled,

    /// <summary>Somebody else (cancel, reaper, another client) ended the row first; this handle's outcome was not written.</summary>
    EndedElsewhere,
}
