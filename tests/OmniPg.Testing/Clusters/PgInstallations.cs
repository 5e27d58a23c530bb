using System.Globalization;

namespace OmniPg.Testing;

/// <summary>Finds PostgreSQL server programs: named by environment, installed in the usual places, or fetched into the user's cache.</summary>
/// <remarks>
/// <c>OMNIPG_PG_BIN</c> names a bin directory (several joined with the path separator). <c>OMNIPG_PG_DOWNLOAD=0</c> forbids fetching.
/// </remarks>
public static class PgInstallations
{
    private static readonly Lazy<IReadOnlyList<PgInstallation>> Installed = new(Search);

    /// <summary>Installed servers, highest major first. Those named by <c>OMNIPG_PG_BIN</c> stand before all others.</summary>
    /// <returns>The installations; empty when there are none.</returns>
    public static IReadOnlyList<PgInstallation> Find() => Installed.Value;

    /// <summary>Further servers to test with, any version and number, whose bin directories <c>OMNIPG_TEST_PGBINS</c> names (joined with the path separator).</summary>
    /// <returns>The installations in the order given; empty when none is named.</returns>
    /// <exception cref="InvalidOperationException">A named directory holds no server: a test that passes it over would say nothing.</exception>
    public static IReadOnlyList<PgInstallation> FromEnvironment() =>
    [
        .. (Environment.GetEnvironmentVariable("OMNIPG_TEST_PGBINS") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Select(bin => Describe(bin) ?? throw new InvalidOperationException($"OMNIPG_TEST_PGBINS names '{bin}', which holds no server programs.")),
    ];

    /// <summary>One major version: installed, else fetched with the npm client.</summary>
    /// <param name="major">Major version, such as 17.</param>
    /// <param name="cancellationToken">Cancels the download.</param>
    /// <returns>The installation, or <see langword="null"/> when this machine cannot have it.</returns>
    public static async Task<PgInstallation?> TryGetAsync(int major, CancellationToken cancellationToken = default) =>
        Find().FirstOrDefault(i => i.Major == major) ?? await NpmServerBinaries.TryGetAsync(major, cancellationToken);

    private static List<PgInstallation> Search()
    {
        var named = (Environment.GetEnvironmentVariable("OMNIPG_PG_BIN") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        var found = named.Select(Describe).OfType<PgInstallation>().ToList();
        found.AddRange(UsualPlaces().Select(Describe).OfType<PgInstallation>().OrderByDescending(i => i.Major));
        return found;
    }

    private static IEnumerable<string> UsualPlaces()
    {
        string[] parents = OperatingSystem.IsWindows()
            ? [Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.ProgramFiles), "PostgreSQL")]
            : ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt", "/Library/PostgreSQL"];
        foreach (var parent in parents.Where(Directory.Exists))
        {
            foreach (var child in Directory.GetDirectories(parent))
                yield return Path.Combine(child, "bin");
        }
        foreach (var rpm in OperatingSystem.IsLinux() && Directory.Exists("/usr") ? Directory.GetDirectories("/usr", "pgsql-*") : [])
            yield return Path.Combine(rpm, "bin");
        yield return "/usr/local/pgsql/bin";
    }

    private static PgInstallation? Describe(string bin)
    {
        var installation = new PgInstallation(0, bin);
        if (!installation.Has("postgres") || !installation.Has("initdb"))
            return null;
        using var process = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo(installation.Program("postgres"), "--version")
        {
            RedirectStandardOutput = true,
        })!;
        var text = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        var number = text[(text.IndexOf(") ", StringComparison.Ordinal) + 2)..].TakeWhile(char.IsAsciiDigit).ToArray();
        return int.TryParse(number, CultureInfo.InvariantCulture, out var major) ? installation with { Major = major } : null;
    }
}
