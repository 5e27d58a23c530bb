using System.Globalization;
using System.Text;

namespace OmniPg.Jobmon;

/// <summary>Output of a monitoring plugin: one line of at most 4 KiB, with performance data after <c>|</c>.</summary>
internal static class Nagios
{
    // Plugins may cut longer lines, so it is done here where it hurts least: in the middle, before the performance data.
    private const int MaxBytes = 4096;
    private const string OfStandby = "answered by a standby, where nobody is seen to run, wait or be dead";

    public static string Unknown(Exception error) => Line($"UNKNOWN({error.Message})", "");

    public static (int ExitCode, string Output) Of(JobCheckResult check)
    {
        var text = new StringBuilder();
        text.Append(check.StatusTexts.TryGetValue(check.Worst.Code, out var worst) ? worst : check.Worst.ToString()).Append('(');
        text.AppendJoin(";; ", check.Alerts.Select(Text));
        if (check.OnStandby)
            text.Append(";; ").Append(OfStandby);
        text.Append(')');
        return (Math.Clamp(check.Worst.Code - 1, 0, 2), Line(text.ToString(), PerformanceData(check)));
    }

    private static string Text(JobAlert alert) => string.Concat(
        alert.JobName is null ? "" : $"{alert.JobName}({alert.AlertStatusText}): ", alert.AlertText, alert.Lateness is { } lateness ? ". " + lateness : "",
        alert.Muted ? " [muted]" : "");

    private static string PerformanceData(JobCheckResult check)
    {
        int Count(JobAlertStatus status) => check.Alerts.Count(a => a.Status == status && !a.Muted);
        return string.Create(CultureInfo.InvariantCulture,
            $"|failed={Count(JobAlertStatus.FailedRun)};;1 missing={Count(JobAlertStatus.Missing)};;1 running={check.RunningJobs} "
            + $"blocked={Count(JobAlertStatus.Blocked)} died={Count(JobAlertStatus.Died)};;1 overdue={Count(JobAlertStatus.Overdue)};1 "
            + $"too_fast={Count(JobAlertStatus.TooFast)};1 stalled={Count(JobAlertStatus.Stalled)};1");
    }

    /// <summary>One line without control characters, cut to 4 KiB of UTF-8.</summary>
    private static string Line(string text, string performanceData)
    {
        var line = string.Create(text.Length, text, static (target, source) =>
        {
            for (var i = 0; i < source.Length; i++)
                target[i] = char.IsControl(source[i]) ? ' ' : source[i] == '|' ? '/' : source[i];
        });
        var room = MaxBytes - Encoding.UTF8.GetByteCount(performanceData);
        if (Encoding.UTF8.GetByteCount(line) > room)
            line = Cut(line, room - "...".Length) + "...";
        return line + performanceData;
    }

    private static string Cut(string line, int bytes)
    {
        var taken = 0;
        foreach (var rune in line.EnumerateRunes())
        {
            bytes -= rune.Utf8SequenceLength;
            if (bytes < 0)
                break;
            taken += rune.Utf16SequenceLength;
        }
        return line[..taken];
    }
}
