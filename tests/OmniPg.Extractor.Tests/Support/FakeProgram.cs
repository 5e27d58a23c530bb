using OmniPg.Testing;

namespace OmniPg.Extractor.Tests;

/// <summary>A shell script that stands in for pg_dump. Its <c>--version</c> answers with a version of choice.</summary>
internal static class FakeProgram
{
    public static string Create(string directory, string name, string version, string body)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "The stand-in is a shell script.");
        Directory.CreateDirectory(directory);
        return TestScript.Write(Path.Combine(directory, name), $"if [ \"$1\" = --version ]; then echo '{name} (PostgreSQL) {version}'; exit 0; fi\n{body}");
    }
}
