namespace OmniPg.Jobmon;

/// <summary><c>jobmon.unavailable</c>: the server could not be reached, is read-only, or refused the write for want of resources.</summary>
public sealed class JobmonUnavailableException : JobmonException
{
    internal JobmonUnavailableException(string operation, string server, string reason, Exception? innerException = null, string subject = "job log")
        : base(
            "jobmon.unavailable",
            $"The {subject} on '{server}' could not be used for '{operation}': {reason}",
            "Check that the server is up, writable and has free connections and disk space.",
            innerException) =>
        Operation = operation;

    /// <summary>What was not done, for example <c>job start</c> or <c>check</c>.</summary>
    public string Operation { get; }

    /// <summary>Always true: the same call can succeed later.</summary>
    public override bool IsTransient => true;
}
