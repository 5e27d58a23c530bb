using Npgsql;
using OmniPg.Compression;
using OmniPg.Jobmon;
using OmniPg.Wal;

namespace Snippets;

/// <summary>The code blocks of the repository's readme.</summary>
internal static class ReadmeSnippets
{
    public static async Task FirstMinuteAsync(string connectionString)
    {
        #region readme-first-minute
        await using var dataSource = NpgsqlDataSource.Create(connectionString);
        await using var jobmon = new JobmonClient(dataSource);
        await jobmon.Admin.InstallAsync();

        using var job = jobmon.Start("nightly orders load");
        using (var step = job.Step("extract"))
        {
            for (var row = 0; row < 10_000; row++)
                step.Increment();
            step.Complete("Rows affected: 10000");
        }
        job.Complete();
        #endregion
    }

    public static async Task ArchiveAsync(string segment, CancellationToken cancellationToken)
    {
        #region readme-wal-archive
        var archiver = WalArchiver.Create("/var/lib/postgresql/15/main")
            .To(d => d.Directory("/mnt/archive").Compress(Codec.Zstd, 3))
            .To(d => d.Directory("/mnt/second").Compress(Codec.Zstd, 3))
            .WithState("/var/lib/omnipg/state")
            .Build();

        var result = await archiver.ArchiveAsync(segment, cancellationToken);   // returns only when every copy is durable
        #endregion
        _ = result;
    }

    public static async Task WindowAsync(CancellationToken cancellationToken)
    {
        #region readme-wal-window
        await using var store = new DirectoryWalStore("/mnt/archive");
        var repository = new WalRepository(store);
        var window = await repository.GetRecoveryWindowAsync(cancellationToken);
        Console.WriteLine($"{window.Earliest} .. {window.LatestCommit:u} on timeline {window.Timeline}, gaps: {window.Gaps.Length}");
        #endregion
    }
}
