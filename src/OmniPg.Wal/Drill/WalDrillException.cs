namespace OmniPg.Wal;

/// <summary>A restore drill could not run, so that it says nothing about the backup. What it says about one is a <see cref="RestoreDrillResult"/>.</summary>
/// <remarks>Codes <c>wal.drill.…</c>; docs/drill.md tells each.</remarks>
public sealed class WalDrillException : WalException
{
    internal WalDrillException(string code, string message, string? hint = null, Exception? inner = null)
        : base(code, message, hint, inner)
    {
    }

    internal static WalDrillException Scratch(string path, string what, Exception? inner = null) => new(
        "wal.drill.scratch", $"The drill cannot work in '{path}': {what}", "Name a folder with room for the whole cluster that the server's account can reach.", inner);

    internal static WalDrillException Programs(int version, string? given, IEnumerable<string> tried) => new(
        "wal.drill.programs",
        given is null ? $"No server programs of PostgreSQL {version}, of which the backup is, were found." : $"'{given}' does not hold the server programs of PostgreSQL {version}, of which the backup is.",
        $"Install that version, or name its folder. Looked at: {string.Join(", ", tried)}.");

    internal static WalDrillException Server(string what, Exception? inner = null) => new(
        "wal.drill.server", $"The server of the drill did not start: {what}", "Run the drill as the account of the server, or as root; see the message.", inner);

    internal static WalDrillException Connect(string user, string database, Exception inner) => new(
        "wal.drill.connect", $"The server of the drill runs, and the role '{user}' cannot look into its database '{database}': {inner.Message}", "Name a superuser of the cluster and a database of it.", inner);

    internal static WalDrillException Sql(string path, Exception inner) => new(
        "wal.drill.sql", $"The file of SQL '{path}' cannot be read: {inner.Message}", "Name files that this account can read.", inner);
}
