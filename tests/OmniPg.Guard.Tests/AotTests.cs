using System.Diagnostics;

namespace OmniPg.Guard.Tests;

/// <summary>The libraries compile ahead of time without a warning, and the native program works.</summary>
public sealed class AotTests
{
    private const int NothingToLinkWith = 77;

    [Fact]
    public async Task Every_library_compiles_to_native_code_without_a_warning_and_runs()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "eng/aot-smoke is a shell script for Linux.");
        using var process = Process.Start(new ProcessStartInfo(Path.Combine(Repository.Root, "eng", "aot-smoke")) { RedirectStandardOutput = true })!;

        var output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);

        Assert.SkipWhen(process.ExitCode == NothingToLinkWith, "There is no C linker, or the package source has no native runtime pack for this SDK.");
        process.ExitCode.Should().Be(0, "{0}", output);
        output.Trim().Should().EndWith(" 8 codecs");
    }
}
