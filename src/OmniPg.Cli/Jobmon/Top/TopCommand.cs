using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace OmniPg.Cli;

internal static class TopCommand
{
    /// <summary>How many runs of each kind are printed where nothing limits them but sense.</summary>
    private const int PrintedRuns = 1000;

    private const int PrintedRecent = 10;

    private static readonly TimeSpan CheckEvery = TimeSpan.FromSeconds(5);

    private static readonly Option<bool> Once = new("--once") { Description = "Print it once and end" };

    private static readonly Option<double> Seconds = new("--interval")
    {
        Description = "Seconds between two looks", DefaultValueFactory = _ => 1, HelpName = "SEC", CustomParser = ReadSeconds,
    };

    public static Command Create(CliHost host) => CliCommand.Create(
        host, "top", "What runs now with its progress, the newest runs and the alerts, live; q or Ctrl-C ends it", "omnipg jobmon top --once",
        RunAsync, Once, Seconds);

    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        if (session.Get(Seconds) is not (>= 0.1 and <= 3600) || !double.IsFinite(session.Get(Seconds)))
            throw new UsageException("--interval takes 0.1 to 3600 seconds.");
        await using var jobmon = JobLog.Open(session);
        var reader = new TopReader(jobmon, CheckEvery);
        var server = ConnectionName(session);
        if (session.Get(Once) || session.Json || !session.Host.IsTerminal)
        {
            TopOutput.Write(session, await reader.ReadAsync(PrintedRuns, PrintedRecent, cancellationToken), server);
            return ExitCodes.Done;
        }

        // What is wrong from the start, a host that does not exist or a log that is not installed, is an error, not something to wait for.
        int Lines() => Math.Max(1, session.Host.WindowSize().Height);
        var first = await reader.ReadAsync(Lines(), Lines(), cancellationToken);
        var feed = new TopFeed(reader, TimeSpan.FromSeconds(session.Get(Seconds)), Lines);
        // Leaving by Ctrl-C is how one leaves, so it is no failure: exit code 0.
        await new TopScreen(session.Host, server, feed).RunAsync(first, cancellationToken);
        return ExitCodes.Done;
    }

    // The parser's own way takes 1,5 for fifteen: a comma stands between thousands there.
    private static double ReadSeconds(ArgumentResult result)
    {
        if (!double.TryParse(result.Tokens[0].Value, NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds))
            result.AddError("not a number");
        return seconds;
    }

    private static string ConnectionName(CliSession session)
    {
        var settings = new Npgsql.NpgsqlConnectionStringBuilder(session.DataSource.ConnectionString);
        return $"{settings.Database ?? settings.Username} on {settings.Host}:{JobText.Number(settings.Port)}";
    }
}
