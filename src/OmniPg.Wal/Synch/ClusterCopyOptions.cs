using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>Where the files of a running server are copied to, and how.</summary>
public sealed class ClusterCopyOptions : ICheckedOptions
{
    /// <summary>The new data directories: <c>/absolute/path</c> on this machine, or <c>[user@]host:/absolute/path</c> behind <see cref="RemoteShell"/>. All are filled from one read.</summary>
    /// <value>Default empty; at least one is needed. A folder is empty, or not there yet below one that is.</value>
    public IReadOnlyList<string> Targets { get; set; } = [];

    /// <summary>
    /// Beginnings of tablespaces' paths and what stands in their place in the copy, each applied to what the one before has made. As the original's <c>--map</c>, a beginning is any text:
    /// <c>/space</c> is one of <c>/space2</c>, too.
    /// </summary>
    /// <value>Default empty: tablespaces keep their paths, which are in use on the server's own machine.</value>
    public IReadOnlyList<KeyValuePair<string, string>> TablespaceMap { get; set; } = [];

    /// <summary>
    /// Whether a folder that holds a cluster is emptied: the stopped server of an earlier copy, with this cluster's system identifier, and the tablespaces that its links lead to; or what a failed copy left.
    /// Anything else is refused all the same.
    /// </summary>
    /// <value>Default false.</value>
    public bool Overwrite { get; set; }

    /// <summary>The server's data directory on this machine; null asks the server, which needs <c>pg_read_all_settings</c>.</summary>
    /// <value>Default null.</value>
    public string? DataDirectory { get; set; }

    /// <summary>Whether the checkpoint at the start is made at once; otherwise it is spread, for minutes.</summary>
    /// <value>Default true.</value>
    public bool FastCheckpoint { get; set; } = true;

    /// <summary>Whether the copy gets the WAL without which it is not consistent, out of <c>pg_wal</c>; otherwise it fetches it by <c>restore_command</c> or from its primary.</summary>
    /// <value>Default true. A standby cannot give it: its last segment is still being received.</value>
    public bool IncludeWal { get; set; } = true;

    /// <summary>
    /// Whether the copy starts as a standby (<c>standby.signal</c>). Without it the copy opens for writing on the server's own timeline, and archives under the same names as the server.
    /// </summary>
    /// <value>Default true.</value>
    public bool Standby { get; set; } = true;

    /// <summary>The program that runs a command on another host, called with the host and the command: by name or path.</summary>
    /// <value>Default <c>ssh</c>. It must not ask for a password; <c>~/.ssh/config</c> holds keys and ports.</value>
    public string RemoteShell { get; set; } = "ssh";

    void ICheckedOptions.Check(OptionsCheck check)
    {
        check.That(Targets is { Count: > 0 }, "Targets must name at least one place.");
        foreach (var target in Targets ?? [])
            check.That(CopyPlace.TryParse(target) is not null, $"Targets '{target}' must be an absolute path below the root, '/path' or '[user@]host:/path', in one line and without '.' and '..'.");
        foreach (var (from, to) in TablespaceMap ?? [])
            check.That(from is ['/', ..] && CopyPlace.IsFolder(to), $"TablespaceMap '{from}' to '{to}' must be two absolute paths in one line.");
        check.Path(DataDirectory);
        check.NotEmpty(RemoteShell);
    }
}

/// <summary>A place that takes a copy of a cluster.</summary>
/// <param name="Host">The host behind the remote shell, with the user where one is named; null is this machine.</param>
/// <param name="Folder">The data directory there.</param>
internal sealed record CopyPlace(string? Host, string Folder)
{
    /// <returns>Null when the text names no such place.</returns>
    public static CopyPlace? TryParse(string? text)
    {
        if (text is ['/', ..])
            return IsFolder(text) ? new CopyPlace(null, Trimmed(text)) : null;
        var at = text?.IndexOf(":/", StringComparison.Ordinal) ?? -1;
        // A host that begins with a hyphen would be an option of the remote shell.
        return at > 0 && text![0] != '-' && text.AsSpan(0, at).IndexOfAnyExcept(HostCharacters) < 0 && IsFolder(text[(at + 1)..]) ? new CopyPlace(text[..at], Trimmed(text[(at + 1)..])) : null;
    }

    /// <summary>Whether it is an absolute path that says where it leads.</summary>
    public static bool IsFolder(string? path) => path is ['/', ..] && Trimmed(path).Length > 1 && !path.Any(char.IsControl) && Array.TrueForAll(path.Split('/'), static part => part is not ("." or ".."));

    /// <summary>Whether one folder is the other, or lies in it.</summary>
    public static bool IsWithin(string folder, string other) => folder == other || folder.StartsWith(other.TrimEnd('/') + "/", StringComparison.Ordinal);

    private static System.Buffers.SearchValues<char> HostCharacters { get; } =
        System.Buffers.SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_@[]:%");

    private static string Trimmed(string path) => path.TrimEnd('/') is { Length: > 0 } trimmed ? trimmed : "/";
}
