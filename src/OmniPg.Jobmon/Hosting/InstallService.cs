using Microsoft.Extensions.Hosting;

namespace OmniPg.Jobmon;

/// <summary>Installs the job log before any hosted service starts. Several hosts at once follow each other by the installation's own lock.</summary>
internal sealed class InstallService(IJobmon jobmon, InstallOptions install, ErrorPolicy policy, ILogger logger) : IHostedLifecycleService
{
    // The host calls this for all its services before it starts the first, in whatever order they were registered.
    public async Task StartingAsync(CancellationToken cancellationToken)
    {
        try
        {
            var result = await jobmon.Admin.InstallAsync(install, cancellationToken).ConfigureAwait(false);
            if (!result.AlreadyInstalled || result.Upgraded)
                JobmonLog.Installed(logger, result.Upgraded ? "Upgraded" : "Installed", result.Schema.Value, result.SideSchema.Value);
        }
        catch (Exception error) when (policy == ErrorPolicy.LogAndContinue && WriteFailures.IsExpected(error))
        {
            JobmonLog.InstallFailed(logger, error.Message, error);
        }
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
