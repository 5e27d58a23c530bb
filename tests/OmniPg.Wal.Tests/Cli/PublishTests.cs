using System.Diagnostics;
using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Cli;

/// <summary>Which way <c>eng/publish</c> takes by what the compiler says; the compiler is a script here.</summary>
public sealed class PublishTests : IDisposable
{
    private readonly TemporaryDirectory _root = new();

    public void Dispose() => _root.Dispose();

    [Theory]
    [InlineData("error NETSDK1204: Ahead-of-time compilation is not supported on the current platform", 0, "r2r")]
    [InlineData("error NU1101: Unable to find package runtime.linux-x64.Microsoft.DotNet.ILCompiler", 0, "r2r")]
    [InlineData("src/Program.cs(1,1): error IL2026: Using member requires unreferenced code", 1, null)]
    [InlineData("src/Program.cs(1,1): error CA1822: Mark members as static", 1, null)]
    public async Task What_the_compiler_says_of_the_code_is_told_and_published_in_no_other_way(string said, int exitCode, string? way)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "A shell script.");
        foreach (var script in (string[])["publish", "rid"])
        {
            Directory.CreateDirectory(_root.Combine("eng"));
            TestScript.Copy(Path.Combine(Root(), "eng", script), _root.Combine("eng", script));
        }

        Directory.CreateDirectory(_root.Combine("bin"));
        // dotnet publish PROJECT … -o FOLDER … with PublishAot for native code.
        TestScript.Write(_root.Combine("bin", "dotnet"), $"case \"$*\" in *PublishAot=true*) echo '{said}'; exit 1;; esac; while [ \"$1\" != -o ]; do shift; done; mkdir -p \"$2\"; printf '#!/bin/sh\\necho r2r\\n' > \"$2/omnipg-wal\"; chmod 755 \"$2/omnipg-wal\"");
        var start = new ProcessStartInfo(_root.Combine("eng", "publish"), ["omnipg-wal"]) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["PATH"] = $"{_root.Combine("bin")}:{Environment.GetEnvironmentVariable("PATH")}";
        start.Environment.Remove("OMNIPG_PUBLISH");
        start.Environment.Remove("OMNIPG_RID");

        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        var output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);

        (process.ExitCode, output.Contains("r2r", StringComparison.Ordinal)).Should().Be((exitCode, way is not null), "{0}{1}", output, await error);
        if (way is null)
            (await error).Should().Contain(said);
    }

    private static string Root()
    {
        var at = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(at, "OmniPg.Sdk.sln")))
            at = Path.GetDirectoryName(at) ?? throw new InvalidOperationException("The tests do not run inside the repository.");
        return at;
    }
}
