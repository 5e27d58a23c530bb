using System.Diagnostics;

namespace OmniPg.Wal.Benchmarks;

/// <summary>A pgBackRest repository for one cluster, zstd 3, with or without asynchronous archiving.</summary>
internal sealed class PgBackRest
{
    public const string Program = "/usr/bin/pgbackrest";
    private readonly string _configuration;
    private readonly string _dataDirectory;

    public PgBackRest(string root, string dataDirectory, string mode, int processMax)
    {
        (_configuration, _dataDirectory) = (Path.Combine(root, "pgbackrest.conf"), dataDirectory);
        foreach (var folder in new[] { "repo", "spool", "lock", "log" })
            Directory.CreateDirectory(Path.Combine(root, folder));
        File.WriteAllText(_configuration, $"""
            [global]
            repo1-path={root}/repo
            spool-path={root}/spool
            lock-path={root}/lock
            log-path={root}/log
            log-level-console=off
            log-level-file=off
            compress-type=zst
            compress-level=3
            archive-async={(mode == "async" ? "y" : "n")}
            process-max={processMax}
            [main]
            pg1-path={dataDirectory}
            """);
        using var create = Process.Start(Program, [$"--config={_configuration}", "--stanza=main", "--no-online", "stanza-create"]);
        create.WaitForExit();
    }

    public Task<bool> PushAsync(WalFileName file) =>
        BacklogRun.RunAsync(Program, $"--config={_configuration}", "--stanza=main", "archive-push", Path.Combine(_dataDirectory, "pg_wal", file.ToString()));

    /// <summary>Its asynchronous process keeps working after the last push returned; timing anything beside it would be unfair.</summary>
    public static async Task WaitUntilIdleAsync()
    {
        while (Process.GetProcessesByName("pgbackrest").Any(static p => IsAlive(p.Id)))
            await Task.Delay(100);
    }

    // One that has ended stays in the list until this process, which adopted it, asks for it.
    private static bool IsAlive(int process)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{process}/stat");
            return stat[stat.LastIndexOf(')') + 2] != 'Z';
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
