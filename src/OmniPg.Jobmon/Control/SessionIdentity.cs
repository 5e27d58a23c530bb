using System.Diagnostics;
using System.Reflection;
using Npgsql;
using NpgsqlTypes;

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
        Value(NpgsqlDbType.Uuid, Id), Value(NpgsqlDbType.Integer, lockKey), Value(NpgsqlDbType.Text, ClientName),
        Value(NpgsqlDbType.Text, Environment.MachineName), Value(NpgsqlDbType.Integer, Environment.ProcessId),
        Value(NpgsqlDbType.TimestampTz, _processStart), Value(NpgsqlDbType.Text, liveness),
        Value(NpgsqlDbType.Text, typeof(SessionIdentity).Assembly.GetName().Version?.ToString(3)), Value(NpgsqlDbType.Boolean, self),
    ];

    private static NpgsqlParameter Value(NpgsqlDbType type, object? value) => new() { NpgsqlDbType = type, Value = value ?? DBNull.Value };

    private static DateTime ProcessStart()
    {
        using var self = Process.GetCurrentProcess();
        return self.StartTime.ToUniversalTime();
    }
}
