using System.Diagnostics;
using OmniPg.Testing;

namespace OmniPg.Wal.Tests.ArchiveModule;

/// <summary>omnipg_archive.so, compiled once for all tests, where the server's account can read it.</summary>
internal static class BuiltModule
{
    private const int NothingToLinkWith = 77;
    private static readonly Lazy<Task<string?>> Compiled = new(CompileAsync);

    /// <summary>A copy below a directory of the server's account; null where no native code can be made.</summary>
    public static async Task<string?> TryCopyAsync(string directory)
    {
        if (await Compiled.Value is not { } file)
            return null;
        var copy = Path.Combine(directory, "omnipg_archive.so");
        File.Copy(file, copy);
        ServerAccount.Own(copy);
        return copy;
    }

    private static async Task<string?> CompileAsync()
    {
        var file = Path.Combine(AppContext.BaseDirectory, "native", "omnipg_archive.so");
        using var process = Process.Start(new ProcessStartInfo(Path.Combine(Root(), "eng", "archive-module"), [file]) { RedirectStandardOutput = true })!;
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        if (process.ExitCode == NothingToLinkWith)
            return null;
        process.ExitCode.Should().Be(0, "{0}", output);
        return file;
    }

    private static string Root()
    {
        var directory = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(directory, "OmniPg.Sdk.sln")))
            directory = Path.GetDirectoryName(directory) ?? throw new InvalidOperationException("The tests do not run inside the repository.");
        return directory;
    }
}
