using System.Text;

namespace OmniPg.Cli.Tests.Jobmon;

public sealed class LastLineTests
{
    [Theory]
    [InlineData("one\ntwo\n", 2, "two")]
    [InlineData("one\ntwo", 2, "two")]
    [InlineData("one\n\n  \n", 3, "one")]
    [InlineData("10 %\r20 %\r\u001b[32;1m100 %\u001b[0m\u001b[K\n", 1, "100 %")]
    [InlineData("10 %\r20 %", 1, "20 %")]
    [InlineData("a\tb\u0007c\n", 1, "a b\uFFFDc")]
    [InlineData("unfinished \u001b[3", 1, "unfinished")]
    [InlineData("", 0, null)]
    public void Lines_are_counted_and_the_last_text_is_kept(string output, long count, string? text)
    {
        foreach (var size in new[] { 1, 3, 100 })
        {
            var lines = new LastLine();
            foreach (var part in Encoding.UTF8.GetBytes(output).Chunk(size))
                lines.Add(part);
            lines.End();

            lines.Count.Should().Be(count);
            lines.Text.Should().Be(text);
        }
    }

    [Fact]
    public void A_long_line_is_kept_to_its_first_thousand_bytes_and_never_cut_inside_a_character()
    {
        var lines = new LastLine();

        lines.Add(Encoding.UTF8.GetBytes(new string('夜', 5000) + "\n"));

        lines.Text.Should().Be(new string('夜', 333));
        lines.Count.Should().Be(1);
    }

    [Fact]
    public void Bytes_that_are_no_text_are_marked()
    {
        var lines = new LastLine();

        lines.Add([0xFF, 0xFE, (byte)'x', 0x80, (byte)'\n']);

        lines.Text.Should().Be("\uFFFD\uFFFDx\uFFFD");
    }
}
