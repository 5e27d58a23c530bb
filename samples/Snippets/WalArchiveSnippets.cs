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
        await using var archiver = new WalArchiver(new WalArchiveOptions
        {
            DataDirectory = "/var/lib/postgresql/15/main",
            StateDirectory = "/var/lib/omnipg/state",
            Destinations =
            [
                new() { Directory = "/mnt/archive", Codec = "zstd", Level = 3 },
                new() { Rsync = "backup@other:/srv/wal", Codec = "zstd", Level = 3 },
                new() { Directory = "/mnt/backup-xlogs", WhenExists = true, IsRequired = false },
            ],
        });

        WalArchiveResult result = await archiver.ArchiveAsync("pg_wal/000000010000000A000000FF", cancellationToken);
        #endregion
        return result;
    }

    public static void Register(IServiceCollection services, IConfiguration configuration)
    {
        #region wal-archive-di
        services.AddOmniPgWal()
            .AddArchiver(configuration.GetSection("OmniPg:Wal"))
            .AddResident(o => (o.SpoolDirectory, o.SocketPath) = ("/var/spool/omnipg", "/run/omnipg/wal.sock"));
        #endregion
    }

    public static void Receive(IServiceCollection services)
    {
        #region wal-receiver-di
        services.AddOmniPgWal().AddReceiver(
            _ => "Host=db1;Username=receiver",
            o =>
            {
                (o.Slot, o.CreateSlot, o.Directory) = ("omnipg", true, "/mnt/wal");
                o.Synchronous = true;
                o.Destinations = [new WalDestinationOptions { Directory = "/mnt/archive", Codec = "zstd" }];
            });
        #endregion
    }

    public static async Task RunAsync(WalArchiver archiver, CancellationToken cancellationToken)
    {
        #region wal-archive-resident
        await foreach (var happened in new WalResident(archiver, new WalResidentOptions { SpoolDirectory = "/var/spool/omnipg" }).RunAsync(cancellationToken))
            Console.WriteLine($"{happened.Kind} {happened.File} {happened.Backlog}");
        #endregion
    }
}
