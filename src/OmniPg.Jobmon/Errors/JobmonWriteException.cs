namespace OmniPg.Jobmon;

/// <summary><c>jobmon.write</c>: the server refused one event for a reason that a retry does not cure, such as a purged job row.</summary>
public sealed class JobmonWriteException : JobmonException
{
    internal JobmonWriteException(string operation, string reason, Exception? innerException = null)
        : base("jobmon.write", $"The server refused the event '{operation}': {reason}", "The inner exception tells the server's reason.", innerException) =>
        Operation = operation;

    /// <summary>Event that was refused, for example <c>step start</c>.</summary>
    public string Operation { get; }
}
