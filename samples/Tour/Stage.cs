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

    /// <summary>Runs work that reports its share of completion, from 0 to 1, with a word about where it is. Work that reports nothing gets a bar that only moves.</summary>
    public async Task<T> WorkAsync<T>(string title, Func<Action<double, string>, Task<T>> work)
    {
        if (_plain)
        {
            Console.WriteLine($"{title} …");
            return await work((_, _) => { });
        }

        return await AnsiConsole.Progress()
            .Columns(new SpinnerColumn(), new TaskDescriptionColumn(), new ProgressBarColumn { Width = 30 }, new ElapsedTimeColumn())
            .StartAsync(async context =>
            {
                var bar = context.AddTask(Markup.Escape(title), maxValue: 1);
                bar.IsIndeterminate = true;
                var result = await work((share, word) =>
                {
                    bar.IsIndeterminate = false;
                    bar.Value = share;
                    bar.Description = Markup.Escape(word.Length == 0 ? title : $"{title}: {word}");
                });
                bar.IsIndeterminate = false;
                bar.Value = 1;
                bar.Description = Markup.Escape(title);
                return result;
            });
    }

    /// <summary>A table whose first column is text and whose others are numbers.</summary>
    public void Table(string[] headings, IEnumerable<string[]> rows)
    {
        if (_plain)
        {
            string[][] lines = [headings, .. rows];
            var widths = headings.Select((_, column) => lines.Max(l => l[column].Length)).ToArray();
            foreach (var line in lines)
                Console.WriteLine("  " + string.Join("  ", line.Select((cell, column) => column == 0 ? cell.PadRight(widths[column]) : cell.PadLeft(widths[column]))));
            return;
        }

        var table = new Table().Border(TableBorder.Rounded);
        foreach (var heading in headings)
            table.AddColumn(heading, column => column.Alignment = table.Columns.Count == 0 ? Justify.Left : Justify.Right);
        foreach (var row in rows)
            table.AddRow(row.Select(c => Markup.Escape(c)).ToArray());
        AnsiConsole.Write(table);
    }

    /// <summary>Bytes in the unit that keeps them readable.</summary>
    public static string Size(long bytes) => bytes < 1 << 20 ? $"{Number(bytes / 1024.0)} KiB" : $"{Number(bytes / 1048576.0)} MiB";

    public static string Number(double value, string format = "0.0") => value.ToString(format, CultureInfo.InvariantCulture);
}
