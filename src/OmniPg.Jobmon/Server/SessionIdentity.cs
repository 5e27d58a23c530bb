using System.Diagnostics;
using System.Reflection;
using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>Who this process is in table <c>session</c>: a random identity, because host names and process ids repeat.</summary>
internal sealed class SessionIdentity(JobmonOptions options)
{
    private readonly DateTime _processStart = ProcessStart();

    public Guid Id { get; } = Guid.NewGuid();

    public string ClientName { get; } = options.ClientName ?? $"{Assembly.GetEntryAssembly()?.GetName().Name ?? "dotnet"}@{Environment.MachineName}";

    public DateTime ProcessStarted => _processStart;

    public NpgsqlParameter[] Parameters(int? lockKey, string liveness, bool self) =>
    [
        PgParameter.Uuid(Id), PgParameter.Integer(lockKey), PgParameter.Text(ClientName), PgParameter.Text(Environment.MachineName),
        PgParameter.Integer(Environment.ProcessId), PgParameter.Instant(_processStart), PgParameter.Text(liveness),
        PgParameter.Text(typeof(SessionIdentity).Assembly.GetName().Version?.ToString(3)), PgParameter.Flag(self),
    ];

    private static DateTime ProcessStart()
    {
        using var self = Process.GetCurrentProcess();
        return self.StartTime.ToUniversalTime();
    }
}
