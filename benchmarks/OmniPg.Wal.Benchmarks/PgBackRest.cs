using System.Diagnostics;

namespace OmniPg.Wal.Benchmarks;

/// <summary>A pgBackRest repository for one cluster, zstd 3, with and without asynchronous archiving.</summary>
internal sealed class PgBackRest
{
    private const string Program = "/usr/bin/pgbackrest";
    private readonly string _root;
    private readonly string _dataDirectory;

    private PgBackRest(string root, string dataDirectory) => (_root, _dataDirectory) = (root, dataDirectory);

    public Func<WalFileName, Task<bool>> AsyncPush => Push("async");

    public Func<WalFileName, Task<bool>> SyncPush => Push("sync");

    public static PgBackRest? TryCreate(string root, string dataDirectory, int processMax)
    {
        if (!File.Exists(Program))
            return null;
        var pgBackRest = new PgBackRest(root, dataDirectory);
        foreach (var mode in new[] { "async", "sync" })
            pgBackRest.Configure(mode, processMax);
        return pgBackRest;
    }

    /// <summary>Its asynchronous process keeps working after the last push returned; timing anything beside it would be unfair.</summary>
    public static async Task WaitUntilIdleAsync()
    {
        while (Process.GetProcessesByName("pgbackrest").Length > 0)
            await Task.Delay(100);
    }

    private Func<WalFileName, Task<bool>> Push(string mode) => file =>
        BacklogRun.RunAsync(Program, $"--config={_root}/{mode}.conf", "--stanza=main", "archive-push", Path.Combine(_dataDirectory, "pg_wal", file.ToString()));

    private void Configure(string mode, int processMax)
    {
        foreach (var folder in new[] { "repo", "spool", "lock", "log" })
            Directory.CreateDirectory(Path.Combine(_root, mode, folder));
        File.WriteAllText(Path.Combine(_root, $"{mode}.conf"), $"""
            [global]
            repo1-path={_root}/{mode}/repo
            spool-path={_root}/{mode}/spool
            lock-path={_root}/{mode}/lock
            log-path={_root}/{mode}/log
            log-level-console=off
            log-level-file=off
            compress-type=zst
            compress-level=3
            archive-async={(mode == "async" ? "y" : "n")}
            process-max={processMax}
            [main]
            pg1-path={_dataDirectory}
            """);
        using var create = Process.Start(Program, [$"--config={_root}/{mode}.conf", "--stanza=main", "--no-online", "stanza-create"]);
        create.WaitForExit();
    }
}
