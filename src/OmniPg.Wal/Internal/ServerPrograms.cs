namespace OmniPg.Wal;

/// <summary>Finds a program of PostgreSQL.</summary>
internal static class ServerPrograms
{
    /// <summary>Finds it.</summary>
    /// <param name="name">Its name, such as <c>postgres</c>.</param>
    /// <param name="version">Major version in whose usual places to look.</param>
    /// <param name="isFit">Whether a program of that major version will do.</param>
    /// <param name="folder">Where alone to look; null looks in the usual places and in <c>PATH</c>.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>Path of the program, null when there is none that will do; and where it was looked for in vain.</returns>
    public static async Task<(string? Path, IReadOnlyList<string> Tried)> FindAsync(string name, int version, Func<int, bool> isFit, string? folder, CancellationToken cancellationToken)
    {
        var tried = new List<string>();
        foreach (var candidate in (folder is null ? Places(version) : [folder]).Distinct(StringComparer.Ordinal))
        {
            var program = Path.Combine(Path.GetFullPath(candidate), OperatingSystem.IsWindows() ? name + ".exe" : name);
            if (!File.Exists(program))
            {
                if (folder is not null)
                    tried.Add($"'{program}' (no such file)");
                continue;
            }

            var found = await VersionAsync(program, cancellationToken).ConfigureAwait(false);
            if (found is { } major && isFit(major))
                return (program, tried);
            tried.Add($"'{program}' (version '{found}')");
        }

        return (null, tried.Count > 0 ? tried : ["the usual places and PATH"]);
    }

    private static IEnumerable<string> Places(int version) =>
    [
        $"/usr/lib/postgresql/{version}/bin",
        $"/usr/pgsql-{version}/bin",
        $"/opt/homebrew/opt/postgresql@{version}/bin",
        $"/usr/local/opt/postgresql@{version}/bin",
        $"/Library/PostgreSQL/{version}/bin",
        $"/Applications/Postgres.app/Contents/Versions/{version}/bin",
        Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.ProgramFiles), "PostgreSQL", $"{version}", "bin"),
        .. (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries).Where(Path.IsPathFullyQualified),
        "/usr/local/pgsql/bin",
    ];

    private static async Task<int?> VersionAsync(string program, CancellationToken cancellationToken)
    {
        try
        {
            var text = await ExternalProcess.RunAsync(new ExternalProcessOptions { FileName = program, Arguments = ["--version"] }, cancellationToken).ConfigureAwait(false);
            return PgServerVersion.TryParse(text.Trim(), null, out var version) ? version.Major : null;
        }
        catch (ExternalProcessException)
        {
            // Told as a program of no version.
            return null;
        }
    }
}
