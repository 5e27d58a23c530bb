using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace OmniPg.Wal;

/// <summary>Runs the resident mode as long as the host runs, and writes what happens into its log.</summary>
internal sealed class WalResidentService(WalArchiver archiver, WalResidentOptions options, ILogger<WalResidentService> logger) : BackgroundService
{
    private readonly ResidentLog _log = new(logger);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await foreach (var happened in archiver.RunResidentAsync(options, stoppingToken).ConfigureAwait(false))
            _log.Write(happened);
    }
}
