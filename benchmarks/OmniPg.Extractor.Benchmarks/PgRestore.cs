using OmniPg.Testing;

namespace OmniPg.Extractor.Benchmarks;

/// <summary>The tool to compare with.</summary>
internal static class PgRestore
{
    private static readonly string Path = PgInstallations.Find().First(installation => installation.Has("pg_restore")).Program("pg_restore");

    public static async Task<long> RunAsync(params string[] arguments)
    {
        var process = ExternalProcess.Start(new ExternalProcessOptions { FileName = Path, Arguments = arguments });
        await using (process)
        {
            var buffer = new byte[128 * 1024];
            var total = 0L;
            while (await process.StandardOutput.ReadAsync(buffer) is > 0 and var read)
                total += read;
            var result = await process.WaitAsync();
            return result.ExitCode == 0 ? total : throw new InvalidOperationException(result.ErrorTail);
        }
    }
}
