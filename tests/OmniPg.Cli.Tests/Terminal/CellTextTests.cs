namespace OmniPg.Cli.Tests.Terminal;

public sealed class CellTextTests
{
    [Theory]
    [InlineData("plain", "plain")]
    [InlineData(null, "")]
    [InlineData("two\nlines\r\nand\ttab", "two lines and tab")]
    [InlineData("red \u001b[31mink\u001b[0m", "red \uFFFD[31mink\uFFFD[0m")]
    [InlineData("\u009b2J\u0007", "\uFFFD2J\uFFFD")]
    [InlineData("abc\u202Edef", "abc\uFFFDdef")]
    public void Nothing_that_steers_a_terminal_is_left(string? text, string clean) => CellText.Clean(text).Should().Be(clean);

    [Theory]
    [InlineData("abc", 3)]
    [InlineData("夜間", 4)]
    [InlineData("🚀", 2)]
    [InlineData("👩‍👩‍👧", 2)]
    [InlineData("é", 1)]
    [InlineData("e\u0301", 1)]
    [InlineData("a\u200Bb", 2)]
    [InlineData("\uFFFD█░…", 4)]
    public void A_text_is_as_wide_as_it_looks(string text, int width) => CellText.Width(text).Should().Be(width);

    [Theory]
    [InlineData("abc", 5, false, "abc  ")]
    [InlineData("abc", 5, true, "  abc")]
    [InlineData("abcdef", 5, false, "abcd…")]
    [InlineData("夜間バッチ", 5, false, "夜間…")]
    [InlineData("夜間バッチ", 6, false, "夜間… ")]
    [InlineData("abc", 1, false, "…")]
    [InlineData("abc", 0, false, "")]
    public void A_cell_has_exactly_its_width(string text, int width, bool right, string cell)
    {
        CellText.Fit(text, width, right).Should().Be(cell);
        CellText.Width(cell).Should().Be(width);
    }
}
