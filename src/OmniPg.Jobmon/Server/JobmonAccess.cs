namespace OmniPg.Jobmon;

/// <summary>What a role may do with the job log.</summary>
public enum JobmonAccess
{
    /// <summary>Read history and run checks.</summary>
    Read,

    /// <summary>Log jobs, and read.</summary>
    Write,

    /// <summary>Change rules and texts, purge, acknowledge, reap; and log and read.</summary>
    Manage,
}
