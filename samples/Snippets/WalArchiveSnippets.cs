using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using OmniPg.Wal;

namespace Snippets;

/// <summary>The code blocks of docs/wal.md.</summary>
internal static class WalArchiveSnippets
{
    public static async Task<WalArchiveResult> ArchiveAsync(CancellationToken cancellationToken)
    {
        #region wal-archive
        await using var archiver = WalArchiver.Create("/var/lib/postgresql/15/main")
            .To(d => d.Directory("zstd:3=/mnt/archive"))
            .To(d => d.Rsync("zstd:3=backup@other:/srv/wal"))
            .To(d => d.Directory("/mnt/backup-xlogs").WhenExists().Optional())
            .WithState("/var/lib/omnipg/state")
            .Build();

        WalArchiveResult result = await archiver.ArchiveAsync("pg_wal/000000010000000A000000FF", cancellationToken);
        #endregion
        return result;
    }

    public static void Register(IServiceCollection services, IConfiguration configuration)
    {
        #region wal-archive-di
        services.AddOmniPgWalArchiver("main", configuration.GetSection("OmniPg:Wal"))
            .AddResidentService(new WalResidentOptions { SpoolDirectory = "/var/spool/omnipg", SocketPath = "/run/omnipg/wal.sock" });
        #endregion
    }

    public static async Task RunAsync(WalArchiver archiver, CancellationToken cancellationToken)
    {
        #region wal-archive-resident
        await foreach (var happened in archiver.RunResidentAsync(new WalResidentOptions { SpoolDirectory = "/var/spool/omnipg" }, cancellationToken))
            Console.WriteLine($"{happened.Kind} {happened.File} {happened.Backlog}");
        #endregion
    }
}
