namespace OmniPg.Wal;

/// <summary>The server of an archive did not say what waits to be archived.</summary>
/// <remarks>Code <c>wal.server</c>.</remarks>
public sealed class WalServerException : WalException
{
    /// <summary>What a role needs to be told what waits.</summary>
    internal const string Grant = "GRANT EXECUTE ON FUNCTION pg_catalog.pg_ls_archive_statusdir() TO the role, or GRANT pg_monitor.";

    private readonly bool _isTransient;

    private WalServerException(string message, string hint, Exception? inner)
        : base("wal.server", message, hint, inner) => _isTransient = inner is Npgsql.NpgsqlException { IsTransient: true };

    /// <summary>Whether the same question may be answered later.</summary>
    public override bool IsTransient => _isTransient;

    internal static WalServerException NotAsked(Exception inner) =>
        new($"The server of the archive cannot be asked what waits: {inner.Message}", "See that it runs and lets this role in; without a server gaps are told without a status.", inner);

    internal static WalServerException NotArchiving(bool isStandby) => new(
        $"The server {(isStandby ? "is a standby and" : "has 'archive_mode = off' and")} does not archive, so what waits there says nothing of the archive.",
        "Name the server that archives here; without a server gaps are told without a status.", null);

    internal static WalServerException Privilege() =>
        new("The server of the archive does not tell this role what waits.", Grant, null);
}
