using System.CommandLine;
using OmniPg.Jobmon;
using OmniPg.Shared;

namespace OmniPg.Cli;

internal static class CheckCommand
{
    private static readonly Option<string?> History = new("--history")
    {
        Description = "How far back to look. Default: the longest threshold, or a week", HelpName = "INTERVAL",
    };

    private static readonly Option<CheckFormat> Format = new("--format")
    {
        Description = "How to print it. Default table", HelpName = "table|nagios|json",
    };

    public static Command Create(CliHost host) => CliCommand.Create(
        host, "check", "Which jobs failed, are missing, blocked, running or dead; exit code 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN",
        "omnipg jobmon check --format nagios", RunAsync, History, Format, JobLog.PgCron);

    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        var format = session.Json ? CheckFormat.Json : session.Get(Format);
        try
        {
            await using var jobmon = JobLog.OpenWithPgCron(session);
            var report = await jobmon.Monitor.CheckAsync(CliSession.Interval(session.Get(History), History.Name), cancellationToken);
            var nagios = report.ToNagios();
            Write(session, format, report, nagios.Output);
            return nagios.ExitCode;
        }
        catch (Exception error) when (format == CheckFormat.Nagios || error is not (ArgumentException or FormatException or UsageException))
        {
            // A check that could not be made, or not be told, is neither good nor bad news: monitoring must not page for a job because of it.
            // Plugins speak on standard output only; nobody reads their standard error as long as the other can be had.
            if (format != CheckFormat.Nagios || !TryTell(session, error))
                ErrorReport.Write(session, error, cancellationToken);
            return ExitCodes.Unknown;
        }
    }

    private static bool TryTell(CliSession session, Exception error)
    {
        try
        {
            session.Out.WriteLine(Unknown(error));
            return true;
        }
        catch (OutputLostException)
        {
            return false;
        }
    }

    private static string Unknown(Exception error)
    {
        var hint = ErrorReport.HintOf(error) is { } text ? " Hint: " + text : "";
        return JobCheckResult.ToNagiosUnknown(new InvalidOperationException(ErrorReport.OneLine(error) + hint, error));
    }

    private static void Write(CliSession session, CheckFormat format, JobCheckResult report, string nagios)
    {
        switch (format)
        {
            case CheckFormat.Nagios:
                session.Out.WriteLine(nagios);
                break;
            case CheckFormat.Json:
                WriteJson(session, report);
                break;
            default:
                var alerts = report.Alerts.Select(a => new[] { LevelText(report, a.Level), a.AlertStatusText, a.JobName, JobText.Alert(a) });
                // What a standby cannot see must not pass for what is not there.
                string?[][] standby = report.OnStandby
                    ? [[LevelText(report, AlertLevel.Ok), "STANDBY", null, "Answered by a standby, where nobody is seen to run, wait or be dead"]] : [];
                session.WriteTable(
                    [new CliColumn("Level", NoWrap: true, IsStatus: true), new CliColumn("Status", NoWrap: true), "Job", "Text"], alerts.Concat(standby));
                break;
        }
    }

    private static void WriteJson(CliSession session, JobCheckResult report) => session.WriteJson(json =>
    {
        json.WriteStartObject();
        json.WriteNumber("worst", report.Worst.Code);
        json.WriteString("checkedAt", report.CheckedAt);
        json.WriteBoolean("onStandby", report.OnStandby);
        json.WriteNumber("running", report.RunningJobs);
        JobText.Write(json, "alerts", report.Alerts);
        json.WriteEndObject();
    });

    private static string LevelText(JobCheckResult report, AlertLevel level) =>
        report.StatusTexts.TryGetValue(level.Code, out var text) ? text : level.ToString();
}
