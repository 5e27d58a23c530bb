using System.CommandLine;
using OmniPg.Jobmon;

namespace OmniPg.Cli;

internal static class RuleCommand
{
    private static readonly Argument<string> Name = new("NAME") { Description = "Name of the job in any case" };

    private static readonly Option<string?> Warn = new("--warn") { Description = "WARNING when the job has not started for this long", HelpName = "INTERVAL" };

    private static readonly Option<string?> Error = new("--error") { Description = "CRITICAL when the job has not started for this long", HelpName = "INTERVAL" };

    private static readonly Option<short?> Sensitivity = new("--sensitivity") { Description = "Failed runs that are tolerated. Default 0", HelpName = "N" };

    private static readonly Option<int?> Escalate = new("--escalate") { Description = "Failures from which on the level rises; 0 turns it off", HelpName = "N" };

    private static readonly Option<string?> Schedule = new("--schedule") { Description = "Cron schedule of the expected starts; CRITICAL when one did not happen", HelpName = "CRON" };

    private static readonly Option<string?> TimeZone = new("--time-zone") { Description = "IANA name of the schedule's time zone. Default UTC", HelpName = "TZ" };

    private static readonly Option<string?> Grace = new("--grace") { Description = "How late a start of the schedule may be. Default not at all", HelpName = "INTERVAL" };

    private static readonly Option<string?> MinRuntime = new("--min-runtime") { Description = "WARNING when the last run succeeded in less time", HelpName = "INTERVAL" };

    private static readonly Option<string?> MaxRuntime = new("--max-runtime") { Description = "WARNING when a run takes longer", HelpName = "INTERVAL" };

    private static readonly Option<string?> Stall = new("--stall") { Description = "WARNING when a run makes no progress for this long", HelpName = "INTERVAL" };

    private static readonly Option<bool> Inactive = new("--inactive") { Description = "Turn the rule off" };

    public static Command Create(CliHost host) => CliCommand.Create(
        host, "rule", "Sets when a job counts as missing, failing, too slow or stalled; what is not named keeps its value", "omnipg jobmon rule \"nightly orders load\" --warn \"26 hours\" --error \"30 hours\"",
        RunAsync, Name, Warn, Error, Sensitivity, Escalate, Schedule, TimeZone, Grace, MinRuntime, MaxRuntime, Stall, Inactive);

    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        if (session.Get(Sensitivity) < 0)
            throw new UsageException("--sensitivity takes zero or more.");
        if (session.Get(Escalate) < 0)
            throw new UsageException("--escalate takes zero or more.");
        if (!session.Has(Schedule) && (session.Has(Grace) || session.Has(TimeZone)))
            throw new UsageException("--grace and --time-zone go with --schedule.");
        await using var jobmon = JobLog.Open(session);
        var rule = jobmon.Admin.Rule(session.NotEmpty(Name));
        if (CliSession.Interval(session.Get(Warn), Warn.Name) is { } warn)
            rule = rule.Warn(warn);
        if (CliSession.Interval(session.Get(Error), Error.Name) is { } error)
            rule = rule.Error(error);
        if (session.Get(Sensitivity) is { } sensitivity)
            rule = rule.Sensitivity(sensitivity);
        if (session.Get(Escalate) is { } escalate)
            rule = rule.Escalate(escalate == 0 ? null : escalate);
        rule = WithLimits(session, rule);

        var inactive = session.Get(Inactive);
        await (inactive ? rule.DeactivateAsync(cancellationToken) : rule.ActivateAsync(cancellationToken));
        session.WriteResult($"Rule for job '{session.Get(Name)}' is {(inactive ? "off" : "on")}", json =>
        {
            json.WriteString("jobName", session.Get(Name));
            json.WriteBoolean("active", !inactive);
        });
        return ExitCodes.Done;
    }

    private static CheckBuilder WithLimits(CliSession session, CheckBuilder rule)
    {
        if (CliSession.NotEmpty(session.Get(Schedule), Schedule.Name) is { } cron)
        {
            var zone = CliSession.NotEmpty(session.Get(TimeZone), TimeZone.Name) ?? "UTC";
            rule = CliSession.Interval(session.Get(Grace), Grace.Name) is { } grace ? rule.Schedule(cron, zone, grace) : rule.Schedule(cron, zone);
        }
        if (CliSession.Interval(session.Get(MinRuntime), MinRuntime.Name) is { } least)
            rule = rule.MinRuntime(least);
        if (CliSession.Interval(session.Get(MaxRuntime), MaxRuntime.Name) is { } most)
            rule = rule.MaxRuntime(most);
        if (CliSession.Interval(session.Get(Stall), Stall.Name) is { } stall)
            rule = rule.StallAfter(stall);
        return rule;
    }
}
