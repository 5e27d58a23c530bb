using OmniPg.Testing;

namespace OmniPg.Extractor.Tests;

/// <summary>Runs the real pg_dump and pg_restore of the test cluster.</summary>
internal static class PgTools
{
    /// <summary>The client programs that <c>OMNIPG_PG_BIN</c> names first, those of the test server; without it whatever is found.</summary>
    public static PgToolOptions Tools => new() { BinDirectory = Environment.GetEnvironmentVariable("OMNIPG_PG_BIN")?.Split(Path.PathSeparator)[0] is { Length: > 0 } named ? named : null };

    public static Task<byte[]> DumpAsync(PgCluster cluster, string database, params string[] arguments) =>
        RunAsync(
            cluster.Installation.Program("pg_dump"),
            ["-h", "127.0.0.1", "-p", cluster.Port.ToString(System.Globalization.CultureInfo.InvariantCulture), "-U", "postgres", .. arguments, "-d", database]);

    public static async Task<byte[]> RestoreAsync(PgCluster cluster, string archive, params string[] arguments) =>
        PlainSql.WithoutRestrict(await RunAsync(cluster.Installation.Program("pg_restore"), ["-f", "-", .. arguments, archive]));

    public static Task<byte[]> ListAsync(PgCluster cluster, string archive) =>
        RunAsync(cluster.Installation.Program("pg_restore"), ["-l", archive]);

    public static Task<byte[]> PsqlAsync(PgCluster cluster, string database, string file) => RunAsync(
        cluster.Installation.Program("psql"),
        ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", cluster.Port.ToString(System.Globalization.CultureInfo.InvariantCulture), "-U", "postgres", "-d", database, "-f", file]);

    public static async Task<byte[]> RunAsync(string program, IReadOnlyList<string> arguments)
    {
        var process = ExternalProcess.Start(new ExternalProcessOptions
        {
            FileName = program,
            Arguments = arguments,
            Environment = new Dictionary<string, string?> { ["PGTZ"] = "UTC", ["LC_ALL"] = "C" },
        });
        await using (process)
        {
            using var output = new MemoryStream();
            await process.StandardOutput.CopyToAsync(output, TestContext.Current.CancellationToken);
            var result = await process.WaitAsync(TestContext.Current.CancellationToken);
            result.ExitCode.Should().Be(0, result.ErrorTail);
            return output.ToArray();
        }
    }
}
