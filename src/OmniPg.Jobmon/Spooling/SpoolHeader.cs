namespace OmniPg.Jobmon;

/// <summary>First line of a spool file: which process wrote it, and for which job log.</summary>
internal sealed record SpoolHeader
{
    public const int CurrentVersion = 1;

    public required int Version { get; init; }

    /// <summary>Host, port and database as the connection string names them. Events are never written to another one.</summary>
    public required string Server { get; init; }

    /// <summary>Schema option; null where it was left to detection.</summary>
    public string? Schema { get; init; }

    public required string SideSchema { get; init; }

    public required Guid Session { get; init; }

    public required string Client { get; init; }

    public required string Host { get; init; }

    public required int Process { get; init; }

    public required DateTime ProcessStart { get; init; }

    /// <summary>The header of this process's own file.</summary>
    public static SpoolHeader Of(SessionIdentity identity, string server, JobmonOptions options) => new()
    {
        Version = CurrentVersion,
        Server = server,
        Schema = options.Schema,
        SideSchema = options.SideSchema,
        Session = identity.Id,
        Client = identity.ClientName,
        Host = Environment.MachineName,
        Process = Environment.ProcessId,
        ProcessStart = identity.ProcessStarted,
    };

    /// <summary>Whether both describe the same job log; the version is of the file's format.</summary>
    public bool IsSameLog(SpoolHeader other) =>
        Version == CurrentVersion && Server == other.Server && Schema == other.Schema && SideSchema == other.SideSchema;
}
