using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using OmniPg;
using OmniPg.Wal;

namespace Snippets;

/// <summary>The code blocks of docs/monitor.md.</summary>
internal static class MonitorSnippets
{
    public static async Task LookAsync(NpgsqlDataSource dataSource)
    {
        #region monitor
        var monitor = new WalMonitor(dataSource, new DirectoryObjectStore("/mnt/archive"), new DirectoryObjectStore("/mnt/backup/base"), new WalMonitorOptions { Slot = "omnipg" });
        WalMonitorResult result = await monitor.RunAsync();
        foreach (var check in result.Checks.Where(c => c.Level != WalCheckLevel.Ok))
            Console.WriteLine($"{check.Level} {check.Name} {check.Value} {check.Unit}: {check.Text} {check.Hint}");
        #endregion
    }

    public static void Host(IServiceCollection services)
    {
        #region monitor-host
        services.AddOmniPgWal().AddMonitor(
            provider => provider.GetRequiredService<NpgsqlDataSource>(),
            _ => new DirectoryObjectStore("/mnt/archive"),
            _ => new DirectoryObjectStore("/mnt/backup/base"));
        services.AddHealthChecks().AddOmniPgMonitor();
        #endregion
    }
}
