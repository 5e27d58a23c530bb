using System.CommandLine;
using System.Globalization;
using OmniPg.Jobmon;

namespace OmniPg.Cli;

internal static class RulesCommand
{
    private static readonly CliColumn[] Head =
    [
        "Job", new("Rule", NoWrap: true), new("Warn", NoWrap: true), new("Error", NoWrap: true), new("Sensitivity", Right: true), new("Escalate", Right: true),
        "Schedule", "Limits", "Muted",
    ];

    public static Command Create(CliHost host) => CliCommand.Create(
        host, "rules", "Lists the rules of all jobs, and what is muted", "omnipg jobmon rules", RunAsync);

    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        await using var jobmon = JobLog.Open(session);
        var rules = await jobmon.Admin.ListRulesAsync(cancellationToken);
        if (session.Json)
            WriteJson(session, rules);
        else
            session.WriteTable(Head, rules.Select(Cells));
        return ExitCodes.Done;
    }

    private static string?[] Cells(JobRule rule) =>
    [
        rule.JobName, rule.Active ? "on" : "off", rule.WarnThreshold?.ToString(), rule.ErrorThreshold?.ToString(), rule.Sensitivity?.ToString(CultureInfo.InvariantCulture),
        rule.Escalate?.ToString(CultureInfo.InvariantCulture), Schedule(rule), Limits(rule),
        rule.MutedUntil is { } until ? $"until {JobText.Instant(until)} by {rule.MutedBy}{(rule.MutedWhy is { } why ? ": " + why : "")}" : null,
    ];

    private static string? Schedule(JobRule rule) => rule.Cron is null ? null
        : $"{rule.Cron} {rule.TimeZone ?? "UTC"}{(rule.StartGrace is { } grace ? $", up to {grace} late" : "")}";

    private static string Limits(JobRule rule) => string.Join(", ", new[]
    {
        rule.MinRuntime is { } least ? $"at least {least}" : null, rule.MaxRuntime is { } most ? $"at most {most}" : null,
        rule.LongerThanUsual is { } factor ? string.Create(CultureInfo.InvariantCulture, $"at most {factor} times the usual") : null,
        rule.StallAfter is { } stall ? $"progress every {stall}" : null,
    }.Where(limit => limit is not null));

    private static void WriteJson(CliSession session, IReadOnlyList<JobRule> rules) => session.WriteJson(json =>
    {
        json.WriteStartArray();
        foreach (var rule in rules)
        {
            json.WriteStartObject();
            json.WriteString("jobName", rule.JobName);
            json.WriteBoolean("active", rule.Active);
            json.WriteString("warn", rule.WarnThreshold?.ToString());
            json.WriteString("error", rule.ErrorThreshold?.ToString());
            JobText.WriteNumber(json, "sensitivity", rule.Sensitivity);
            JobText.WriteNumber(json, "escalate", rule.Escalate);
            json.WriteString("schedule", rule.Cron);
            json.WriteString("timeZone", rule.TimeZone);
            json.WriteString("grace", rule.StartGrace?.ToString());
            json.WriteString("minRuntime", rule.MinRuntime?.ToString());
            json.WriteString("maxRuntime", rule.MaxRuntime?.ToString());
            JobText.WriteNumber(json, "longerThanUsual", rule.LongerThanUsual);
            json.WriteString("stall", rule.StallAfter?.ToString());
            JobText.WriteInstant(json, "mutedUntil", rule.MutedUntil);
            json.WriteString("mutedBy", rule.MutedBy);
            json.WriteString("mutedWhy", rule.MutedWhy);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    });
}
