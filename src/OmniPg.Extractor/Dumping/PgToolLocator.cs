using System.Collections.Concurrent;

namespace OmniPg.Extractor;

/// <summary>Finds pg_dump and pg_dumpall and asks each program for its version, once.</summary>
/// <remarks>
/// Thread-safe; keep one instance. An explicit path or directory is taken alone. Otherwise <c>PATH</c> and the usual directories are looked
/// through, and of the lowest major that is not older than the server the newest program wins, because it writes the text that fits the server best. Debian's
/// <c>/usr/bin/pg_dump</c>, a script that picks a cluster by itself, is passed over.
/// </remarks>
/// <param name="options">Where to look; null for the defaults.</param>
internal sealed class PgToolLocator(PgToolOptions? options = null)
{
    private const string DumpName = "pg_dump";
    private const string DumpAllName = "pg_dumpall";
    private readonly PgToolOptions _options = options ?? new PgToolOptions();
    private readonly ConcurrentDictionary<string, Task<ToolProbe>> _probes = new(StringComparer.Ordinal);

    /// <summary>Finds pg_dump.</summary>
    /// <param name="server">Version of the server to dump; null takes the newest program.</param>
    /// <param name="cancellationToken">Ends the search.</param>
    /// <returns>The program.</returns>
    /// <exception cref="PgToolNotFoundException">None is usable, and the message lists what was tried; or each is older than the server.</exception>
    public Task<PgTool> FindPgDumpAsync(PgServerVersion? server = null, CancellationToken cancellationToken = default) =>
        FindAsync(DumpName, _options.PgDumpPath, server, cancellationToken);

    /// <summary>Finds pg_dumpall; as <see cref="FindPgDumpAsync"/>.</summary>
    /// <param name="server">Version of the server to dump; null takes the newest program.</param>
    /// <param name="cancellationToken">Ends the search.</param>
    /// <returns>The program.</returns>
    /// <exception cref="PgToolNotFoundException">None is usable, and the message lists what was tried; or each is older than the server.</exception>
    public Task<PgTool> FindPgDumpAllAsync(PgServerVersion? server = null, CancellationToken cancellationToken = default) =>
        FindAsync(DumpAllName, _options.PgDumpAllPath, server, cancellationToken);

    private async Task<PgTool> FindAsync(string name, string? explicitPath, PgServerVersion? server, CancellationToken cancellationToken)
    {
        var found = new List<PgTool>();
        var tried = new List<string>();
        foreach (var path in ToolPaths.Candidates(name, explicitPath, _options.BinDirectory))
        {
            cancellationToken.ThrowIfCancellationRequested();
            var probe = await _probes.GetOrAdd(path, ProbeAsync).WaitAsync(cancellationToken).ConfigureAwait(false);
            tried.Add($"'{path}' ({probe.Finding})");
            if (probe.Tool is { } tool)
                found.Add(tool);
        }
        if (found.Count == 0)
            throw new PgToolNotFoundException(name, tried);
        var newest = found.MaxBy(tool => tool.Version)!;
        if (server is not { } version)
            return newest;
        return found.Where(tool => tool.Version.Major >= version.Major).OrderBy(tool => tool.Version.Major).ThenByDescending(tool => tool.Version).FirstOrDefault()
            ?? throw new PgToolNotFoundException(newest.Path, newest.Version, version);
    }

    private static async Task<ToolProbe> ProbeAsync(string path)
    {
        if (!File.Exists(path))
            return new ToolProbe(null, "no such file");
        try
        {
            var text = await ExternalProcess.RunAsync(new ExternalProcessOptions { FileName = path, Arguments = ["--version"] }).ConfigureAwait(false);
            return PgServerVersion.TryParse(text.Trim(), null, out var version)
                ? new ToolProbe(new PgTool(path, version), $"version {version}")
                : new ToolProbe(null, "prints no version");
        }
        catch (ExternalProcessException error)
        {
            return new ToolProbe(null, error.Message.TrimEnd('.'));
        }
    }

    /// <summary>Every path at which a client program may be, the most wanted first.</summary>
    private static class ToolPaths
    {
        // Parent, pattern of the version's directory, directory of the programs in it.
        private static readonly (string Parent, string Pattern, string Bin)[] UsualPlaces =
        [
            ("/usr/lib/postgresql", "*", "bin"),
            ("/usr", "pgsql-*", "bin"),
            ("/opt/homebrew/opt", "postgresql@*", "bin"),
            ("/opt/homebrew/opt", "libpq", "bin"),
            ("/usr/local/opt", "postgresql@*", "bin"),
            ("/usr/local/opt", "libpq", "bin"),
            ("/usr/local/pgsql", "bin", ""),
            ("/Library/PostgreSQL", "*", "bin"),
            ("/Applications/Postgres.app/Contents/Versions", "*", "bin"),
        ];

        public static IReadOnlyList<string> Candidates(string name, string? explicitPath, string? binDirectory)
        {
            if (!string.IsNullOrEmpty(explicitPath))
                return [Path.GetFullPath(explicitPath)];
            var fileName = OperatingSystem.IsWindows() ? name + ".exe" : name;
            if (!string.IsNullOrEmpty(binDirectory))
                return [Path.Combine(Path.GetFullPath(binDirectory), fileName)];
            return [.. PathDirectories().Concat(UsualDirectories())
                .Select(directory => Path.Combine(directory, fileName))
                .Where(path => File.Exists(path) && !IsDebianWrapper(path))
                .Distinct(StringComparer.Ordinal)];
        }

        private static IEnumerable<string> PathDirectories() =>
            (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries).Where(Path.IsPathFullyQualified);

        private static IEnumerable<string> UsualDirectories()
        {
            (string Parent, string Pattern, string Bin)[] places = OperatingSystem.IsWindows()
                ? [(Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.ProgramFiles), "PostgreSQL"), "*", "bin")]
                : UsualPlaces;
            return places
                .Where(place => Directory.Exists(place.Parent))
                .SelectMany(place => Directory.GetDirectories(place.Parent, place.Pattern).Order(StringComparer.Ordinal).Select(directory => Path.Combine(directory, place.Bin)));
        }

        private static bool IsDebianWrapper(string path) =>
            new FileInfo(path).ResolveLinkTarget(returnFinalTarget: true)?.Name == "pg_wrapper";
    }

    /// <summary>What calling a program with <c>--version</c> told.</summary>
    private sealed record ToolProbe(PgTool? Tool, string Finding);
}

/// <summary>A client program of PostgreSQL that was found, with its full path.</summary>
internal sealed record PgTool(string Path, PgServerVersion Version);

/// <summary>Where the client programs are looked for.</summary>
public sealed class PgToolOptions
{
    /// <summary>Directory of the programs. Null, the default: <c>PATH</c>, then the usual directories of the operating system.</summary>
    public string? BinDirectory { get; set; }

    /// <summary>Path of pg_dump. Null, the default: found as <see cref="BinDirectory"/> says. Nothing else is tried when set.</summary>
    public string? PgDumpPath { get; set; }

    /// <summary>Path of pg_dumpall. Null, the default: found as <see cref="BinDirectory"/> says. Nothing else is tried when set.</summary>
    public string? PgDumpAllPath { get; set; }
}
