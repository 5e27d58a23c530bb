using NpgsqlTypes;

namespace OmniPg.Wal.Tests.Timelines;

public sealed class TimelineHistoryTests
{
    private const string Text = "1\t0/3000060\tno recovery target specified\n\n# by hand\n2\t1/A0\tbefore 2026-05-01 12:00:00+02\r\n  4 2/0\n";

    [Fact]
    public void Lines_become_ancestors_and_comments_are_skipped()
    {
        var history = TimelineHistory.Parse(5, Text);

        history.Timeline.Should().Be(5);
        history.Ancestors.Should().Equal(
            new TimelineSwitch(1, Lsn("0/3000060"), "no recovery target specified"),
            new TimelineSwitch(2, Lsn("1/A0"), "before 2026-05-01 12:00:00+02"),
            new TimelineSwitch(4, Lsn("2/0"), ""));
    }

    [Theory]
    [InlineData("0/0", 1)]
    [InlineData("0/300005F", 1)]
    [InlineData("0/3000060", 2)]
    [InlineData("1/9F", 2)]
    [InlineData("1/FFFFFFFF", 4)]
    [InlineData("2/0", 5)]
    [InlineData("FFFFFFFF/FFFFFFFF", 5)]
    public void A_position_lies_on_the_timeline_that_was_current_there(string lsn, uint timeline)
    {
        TimelineHistory.Parse(5, Text).TimelineAt(Lsn(lsn)).Should().Be(timeline);
    }

    [Fact]
    public void A_history_contains_its_timeline_and_its_ancestors()
    {
        var history = TimelineHistory.Parse(5, Text);

        new uint[] { 1, 2, 3, 4, 5, 6 }.Where(history.Contains).Should().Equal(1u, 2u, 4u, 5u);
        history.SwitchLsnOf(2).Should().Be(Lsn("1/A0"));
        history.SwitchLsnOf(5).Should().BeNull();
        history.SwitchLsnOf(3).Should().BeNull();
    }

    [Fact]
    public void A_root_has_no_ancestors()
    {
        var root = TimelineHistory.Root(1);

        root.Ancestors.Should().BeEmpty();
        root.TimelineAt(Lsn("7/0")).Should().Be(1);
    }

    [Theory]
    [InlineData("2\t1/A0\tx\n1\t0/3000060\ty\n", 9, "the ancestor '1' does not lie between '2' and '5'")]
    [InlineData("5\t1/A0\tx\n", 0, "the ancestor '5' does not lie between '0' and '5'")]
    [InlineData("1\t0/1\n1\t0/2\n", 6, "the ancestor '1' does not lie between '1' and '5'")]
    [InlineData("", 0, "it names no ancestor")]
    [InlineData("# nothing\n\n", 0, "it names no ancestor")]
    [InlineData("x\t0/1\n", 0, "the line 'x\t0/1' is not of the form 'TIMELINE LSN REASON'")]
    [InlineData("1\n", 0, "the line '1' is not of the form 'TIMELINE LSN REASON'")]
    [InlineData("1\t00000001\n", 0, "the line '1\t00000001' is not of the form 'TIMELINE LSN REASON'")]
    public void Wrong_content_is_refused_with_its_place(string text, long offset, string reason)
    {
        var parse = () => TimelineHistory.Parse(5, text);

        var fault = parse.Should().Throw<WalValidationException>().Which;
        (fault.Problem, fault.Offset, fault.Reason, fault.File).Should().Be((WalValidationProblem.BadText, offset, reason, "00000005.history"));
        fault.Code.Should().Be("wal.text.invalid");
    }

    private static NpgsqlLogSequenceNumber Lsn(string text) => NpgsqlLogSequenceNumber.Parse(text);
}
