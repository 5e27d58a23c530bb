using System.Globalization;
using OmniPg.Jobmon;
using Spectre.Console;

namespace EtlJob;

/// <summary>Shows the last run of each job with its steps.</summary>
internal static class Report
{
    public static async Task ShowAsync(IJobmon jobmon, IReadOnlyList<string> names, CancellationToken cancellationToken)
    {
        var table = new Table().AddColumns("Job", "Step", "Status", "Seconds", "Message");
        foreach (var name in names)
        {
            await foreach (var run in jobmon.History.ListAsync(new JobQuery { Name = name, Limit = 1 }, cancellationToken))
            {
                table.AddRow($"{run.JobId} {Markup.Escape(run.JobName)}", "", Status(run.Status), Seconds(run.EndTime - run.StartTime), "");
                await foreach (var step in jobmon.History.StepsAsync(run.JobId, cancellationToken))
                    table.AddRow("", Markup.Escape(step.Action), Status(step.Status), Seconds(step.Duration), Markup.Escape(step.Message ?? ""));
            }
        }

        AnsiConsole.Write(table);
    }

    private static string Seconds(TimeSpan? time) => time?.TotalSeconds.ToString("0.000", CultureInfo.InvariantCulture) ?? "";

    private static string Status(string? status) => status switch
    {
        null => "",
        "OK" => "[green]OK[/]",
        _ => $"[red]{Markup.Escape(status)}[/]",
    };
}
