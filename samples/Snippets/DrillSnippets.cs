using Microsoft.Extensions.DependencyInjection;
using OmniPg;
using OmniPg.Wal;

namespace Snippets;

/// <summary>The code blocks of docs/drill.md.</summary>
internal static class DrillSnippets
{
    public static async Task DrillAsync()
    {
        #region drill
        var drill = new RestoreDrill(
            new DirectoryObjectStore("/mnt/backup/base"),
            new DirectoryObjectStore("/mnt/archive"),
            new RestoreDrillOptions { RestoreCommand = "omnipg-wal restore --source /mnt/archive \"%f\" \"%p\"", SqlFiles = ["/etc/omnipg/no-orphans.sql"], Database = "app" });
        RestoreDrillResult result = await drill.RunAsync();
        Console.WriteLine($"{result.Verdict}: {result.ReachedTime:u} after {result.Restore + result.Replay}");
        #endregion
    }

    public static void Host(IServiceCollection services)
    {
        #region drill-host
        services.AddOmniPgWal().AddDrill(
            _ => new DirectoryObjectStore("/mnt/backup/base"),
            _ => new DirectoryObjectStore("/mnt/archive"),
            options => options.RestoreCommand = "omnipg-wal restore --source /mnt/archive \"%f\" \"%p\"",
            every: TimeSpan.FromDays(1));
        services.AddHealthChecks().AddOmniPgDrill();
        #endregion
    }
}
