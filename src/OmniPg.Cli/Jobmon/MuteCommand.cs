using System.CommandLine;

namespace OmniPg.Cli;

internal static class MuteCommand
{
    private static readonly Argument<string> Name = new("NAME") { Description = "Name of the job in any case" };

    private static readonly Option<string> For = new("--for") { Description = "How long from now on", HelpName = "INTERVAL", Required = true };

    private static readonly Option<string?> Message = new("--message", "-m") { Description = "Why; recorded with your name", HelpName = "TEXT" };

    public static Command Create(CliHost host) => CliCommand.Create(
        host, "mute", "Shows a job's alerts for some time without counting them", "omnipg jobmon mute \"nightly orders load\" --for \"2 hours\" -m maintenance",
        RunAsync, Name, For, Message);

    public static Command CreateUnmute(CliHost host) => CliCommand.Create(
        host, "unmute", "Lets a job's alerts count again", "omnipg jobmon unmute \"nightly orders load\"", UnmuteAsync, Name);

    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        await using var jobmon = JobLog.Open(session);
        var name = session.NotEmpty(Name);
        var length = CliSession.Interval(CliSession.NotEmpty(session.Get(For), For.Name), For.Name)!.Value;
        var until = await jobmon.Admin.MuteForAsync(
            name, length, JobLog.Operator, CliSession.NotEmpty(session.Get(Message), Message.Name), cancellationToken);
        session.WriteResult($"Job '{name}' is muted until {JobText.Instant(until)}", json =>
        {
            json.WriteString("jobName", name);
            json.WriteString("mutedUntil", until);
        });
        return ExitCodes.Done;
    }

    private static async Task<int> UnmuteAsync(CliSession session, CancellationToken cancellationToken)
    {
        await using var jobmon = JobLog.Open(session);
        var name = session.NotEmpty(Name);
        await jobmon.Admin.MuteAsync(name, null, JobLog.Operator, null, cancellationToken);
        session.WriteResult($"Job '{name}' is not muted", json =>
        {
            json.WriteString("jobName", name);
            json.WriteNull("mutedUntil");
        });
        return ExitCodes.Done;
    }
}
