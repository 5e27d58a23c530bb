using System.CommandLine;

namespace OmniPg.Cli;

internal static class RuleCommand
{
    private static readonly Argument<string> Name = new("NAME") { Description = "Name of the job in any case" };

    private static readonly Option<string?> Warn = new("--warn") { Description = "WARNING when the job has not started for this long", HelpName = "INTERVAL" };

    private static readonly Option<string?> Error = new("--error") { Description = "CRITICAL when the job has not started for this long", HelpName = "INTERVAL" };

    private static readonly Option<short?> Sensitivity = new("--sensitivity") { Description = "Failed runs that are tolerated. Default 0", HelpName = "N" };

    private static readonly Option<int?> Escalate = new("--escalate") { Description = "Failures from which on the level rises; 0 turns it off", HelpName = "N" };

    private static readonly Option<bool> Inactive = new("--inactive") { Description = "Turn the rule off" };

    public static Command Create(CliHost host) => CliCommand.Create(
        host, "rule", "Sets when a job counts as missing or failing", "omnipg jobmon rule \"nightly orders load\" --warn \"26 hours\" --error \"30 hours\"",
        RunAsync, Name, Warn, Error, Sensitivity, Escalate, Inactive);

    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        if (session.Get(Sensitivity) < 0)
            throw new UsageException("--sensitivity takes zero or more.");
        if (session.Get(Escalate) < 0)
            throw new UsageException("--escalate takes zero or more.");
        await using var jobmon = JobLog.Open(session);
        var rule = jobmon.Admin.Check(session.NotEmpty(Name));
        if (session.Get(Warn) is { } warn)
            rule = rule.Warn(warn);
        if (session.Get(Error) is { } error)
            rule = rule.Error(error);
        if (session.Get(Sensitivity) is { } sensitivity)
            rule = rule.Sensitivity(sensitivity);
        if (session.Get(Escalate) is { } escalate)
            rule = rule.Escalate(escalate == 0 ? null : escalate);

        var inactive = session.Get(Inactive);
        await (inactive ? rule.DeactivateAsync(cancellationToken) : rule.ActivateAsync(cancellationToken));
        session.WriteResult($"Rule for job '{session.Get(Name)}' is {(inactive ? "off" : "on")}", json =>
        {
            json.WriteString("jobName", session.Get(Name));
            json.WriteBoolean("active", !inactive);
        });
        return ExitCodes.Done;
    }
}
