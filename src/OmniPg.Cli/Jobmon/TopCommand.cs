using System.CommandLine;
using Spectre.Console;

namespace OmniPg.Cli;

internal static class TopCommand
{
    private static readonly Option<bool> Once = new("--once") { Description = "Print it once and end" };

    private static readonly Option<double> Seconds = new("--interval") { Description = "Seconds between two looks", DefaultValueFactory = _ => 1, HelpName = "SEC" };

    public static Command Create(CliHost host) => CliCommand.Create(
        host, "top", "What runs now with its progress, the newest runs and the alerts, live", "omnipg jobmon top --once", RunAsync, Once, Seconds);

    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        if (session.Get(Seconds) is not (>= 0.1 and <= 3600) || !double.IsFinite(session.Get(Seconds)))
            throw new UsageException("--interval takes 0.1 to 3600 seconds.");
        await using var jobmon = JobLog.Open(session);
        if (session.Get(Once) || session.Json || !session.Host.IsTerminal)
        {
            (await TopView.ReadAsync(jobmon, cancellationToken)).Write(session);
            return ExitCodes.Done;
        }

        var interval = TimeSpan.FromSeconds(session.Get(Seconds));
        await session.Host.Ansi.Live(new Text("…")).StartAsync(async display =>
        {
            // Ctrl-C is how one leaves, so it is no failure.
            while (!cancellationToken.IsCancellationRequested)
            {
                display.UpdateTarget((await TopView.ReadAsync(jobmon, CancellationToken.None)).Draw());
                display.Refresh();
                await Task.Delay(interval, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        });
        return ExitCodes.Done;
    }
}
