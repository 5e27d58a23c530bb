using System.Globalization;
using Spectre.Console;

namespace Tour;

/// <summary>The screen: colours, bars and tables on a terminal, plain lines when somebody pipes the output.</summary>
internal sealed class Stage
{
    private readonly bool _plain = Console.IsOutputRedirected || Environment.GetEnvironmentVariable("NO_COLOR") is { Length: > 0 };

    public void Title(string text)
    {
        if (_plain)
            Console.WriteLine($"== {text} ==");
        else
            AnsiConsole.Write(new Rule($"[bold]{Markup.Escape(text)}[/]").LeftJustified());
    }

    public void Say(string text)
    {
        if (_plain)
            Console.WriteLine(text);
        else
            AnsiConsole.MarkupLine($"[green]✓[/] {Markup.Escape(text)}");
    }

    public void Fail(string text)
    {
        if (_plain)
            Console.WriteLine($"FAILED: {text}");
        else
            AnsiConsole.MarkupLine($"[red]✗ {Markup.Escape(text)}[/]");
    }

    /// <summary>Runs work that reports its share of completion, from 0 to 1, with a word about where it is.</summary>
    public async Task<T> WorkAsync<T>(string title, Func<Action<double, string>, Task<T>> work)
    {
        if (_plain)
        {
            Console.WriteLine($"{title} …");
            return await work((_, _) => { });
        }

        return await AnsiConsole.Progress()
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new ElapsedTimeColumn())
            .StartAsync(async context =>
            {
                var bar = context.AddTask(Markup.Escape(title), maxValue: 1);
                var result = await work((share, word) =>
                {
                    bar.Value = share;
                    bar.Description = Markup.Escape(word.Length == 0 ? title : $"{title}: {word}");
                });
                bar.Value = 1;
                return result;
            });
    }

    public void Table(string[] headings, IEnumerable<string[]> rows)
    {
        if (_plain)
        {
            string[][] lines = [headings, .. rows];
            var widths = headings.Select((_, column) => lines.Max(l => l[column].Length)).ToArray();
            foreach (var line in lines)
                Console.WriteLine("  " + string.Join("  ", line.Select((cell, column) => cell.PadRight(widths[column]))).TrimEnd());
            return;
        }

        var table = new Table().Border(TableBorder.Rounded);
        foreach (var heading in headings)
            table.AddColumn(heading);
        foreach (var row in rows)
            table.AddRow(row.Select(c => Markup.Escape(c)).ToArray());
        AnsiConsole.Write(table);
    }

    public static string Number(double value, string format = "0.0") => value.ToString(format, CultureInfo.InvariantCulture);
}
