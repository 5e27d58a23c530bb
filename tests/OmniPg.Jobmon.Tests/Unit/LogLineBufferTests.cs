namespace OmniPg.Jobmon.Tests.Unit;

public sealed class LogLineBufferTests
{
    [Fact]
    public void Lines_written_by_a_flush_and_by_the_end_of_the_run_are_forgotten_once()
    {
        var lines = Filled(limit: 10, "a", "b");

        var flushed = lines.Next();
        var last = lines.Next();
        lines.Written(flushed.First, flushed.Lines.Length);
        lines.Add(Line("c"));
        lines.Written(last.First, last.Lines.Length);

        var left = lines.Next();
        left.First.Should().Be(3);
        left.Lines.Select(l => l.Message).Should().Equal("c");
    }

    [Fact]
    public void Lines_beyond_the_limit_are_counted_in_the_last_line()
    {
        var lines = Filled(limit: 2, "a", "b", "c", "d");

        lines.Seal(mark: 0).Should().Be(2);

        lines.Next().Lines.Select(l => l.Message).Should().Equal("a", "b", "2 lines dropped");
    }

    private static LogLineBuffer Filled(int limit, params string[] messages)
    {
        var lines = new LogLineBuffer(limit);
        foreach (var message in messages)
            lines.Add(Line(message));
        return lines;
    }

    private static LogLine Line(string message) => new(null, 0, 2, null, message);
}
