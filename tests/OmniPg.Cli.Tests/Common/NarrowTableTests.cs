using System.CommandLine;

namespace OmniPg.Cli.Tests.Common;

/// <summary>Tables on a terminal: side by side where the window has room, else one line for each cell.</summary>
public sealed class NarrowTableTests
{
    private static readonly CliColumn[] Columns = [new("Job id", Right: true, NoWrap: true), "Job", new("Started", NoWrap: true), "Owner"];

    private static readonly string?[][] Rows = [["7", "NIGHTLY ORDERS LOAD", "2026-01-02 10:00:00Z", "etl"], ["6", "evil \e[2J", "2026-01-01 10:00:00Z", null]];

    [Theory]
    [InlineData(54)]
    [InlineData(200)]
    public void A_table_stands_where_the_window_has_room(int width) => Written(width).Should().StartWith("╭").And.Contain("│ Job id │");

    [Theory]
    [InlineData(53)]
    [InlineData(1)]
    public void Where_it_has_none_each_cell_is_a_line(int width) => Written(width).Should().Be(
        """
        Job id   7
        Job      NIGHTLY ORDERS LOAD
        Started  2026-01-02 10:00:00Z
        Owner    etl

        Job id   6
        Job      evil �[2J
        Started  2026-01-01 10:00:00Z

        """);

    private static string Written(int width)
    {
        using var signals = new TerminationSignals();
        using var output = new StringWriter { NewLine = "\n" };
        var host = new CliHost { Out = output, Error = output, IsTerminal = true, WindowSize = () => (width, 24), Signals = signals, Variable = _ => null };
        new CliSession(new RootCommand().Parse([]), host).WriteTable(Columns, Rows);
        return output.ToString();
    }
}
