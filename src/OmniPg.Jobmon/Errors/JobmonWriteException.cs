namespace OmniPg.Jobmon;

/// <summary><c>jobmon.write</c>: the server refused one event for a reason that a retry does not cure, such as a purged job row.</summary>
public sealed class JobmonWriteException : JobmonException
{
    internal JobmonWriteException(string operation, string reason, Exception innerException)
        : this(operation, $"The server refused the event '{operation}': {reason}", "The inner exception tells the server's reason.", innerException)
    {
    }

    private JobmonWriteException(string operation, string message, string hint, Exception? innerException)
        : base("jobmon.write", message, hint, innerException) => Operation = operation;

    internal static JobmonWriteException NoSuccessText() => new(
        "job start", "No job can succeed: table 'job_status_text' has no text for alert code '1'.",
        "Give it one by Admin.SetStatusTextAsync(AlertLevel.Ok, \"OK\").", null);

    internal static JobmonWriteException NoRow(string operation) => new(
        operation, $"The server took the event '{operation}' and has no row of it.",
        "Look for a trigger, a rule or a policy on the tables of the job log that keeps rows out.", null);

    /// <summary>Event that was refused, for example <c>step start</c>.</summary>
    public string Operation { get; }
}
