using System.Globalization;
using OmniPg.Jobmon;
using Spectre.Console;

namespace EtlJob;

/// <summary>Shows the runs of this program with their steps.</summary>
internal static class Report
{
    /// <param name="jobmon">The job log.</param>
    /// <param name="since">Runs that started earlier are left out.</param>
    /// <param name="cancellationToken">Cancels the reading.</param>
    public static async Task ShowAsync(IJobmon jobmon, DateTimeOffset since, CancellationToken cancellationToken)
    {
        var table = new Table().Border(TableBorder.Rounded).AddColumns("Job and steps", "Status");
        table.AddColumn(new TableColumn("Seconds").RightAligned()).AddColumn("Message");
        foreach (var run in await jobmon.History.ListAsync(new JobQuery { Since = since }, cancellationToken).Reverse().ToListAsync(cancellationToken))
        {
            table.AddRow($"[bold]{run.JobId} {Markup.Escape(run.DisplayName ?? run.JobName)}[/]", Status(run.Status), Seconds(run.Duration), "");
            await foreach (var step in jobmon.History.StepsAsync(run.JobId, cancellationToken))
                table.AddRow("  " + Markup.Escape(step.Action), Status(step.Status), Seconds(step.Duration), Markup.Escape(FirstLine(step.Message)));
        }

        AnsiConsole.Write(table);
    }

    private static string Seconds(TimeSpan? time) => time?.TotalSeconds.ToString("0.000", CultureInfo.InvariantCulture) ?? "";

    // Below the reason stands the type of the exception; omnipg jobmon detail shows both.
    private static string FirstLine(string? message) => message?.Split('\n')[0] ?? "";

    private static string Status(string? status) => status switch
    {
        null => "unfinished",
        "OK" => "[green]OK[/]",
        _ => $"[red]{Markup.Escape(status)}[/]",
    };
}
