namespace OmniPg.Jobmon;

/// <summary>What happens when the job log cannot be written.</summary>
public enum ErrorPolicy
{
    /// <summary>The job goes on: the event is kept in memory, retried in the background and written later with its true time.</summary>
    LogAndContinue,

    /// <summary>The call that wanted to write throws a <see cref="JobmonException"/>.</summary>
    Throw,
}
