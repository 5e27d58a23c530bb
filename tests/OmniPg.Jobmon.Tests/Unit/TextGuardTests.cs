namespace OmniPg.Jobmon.Tests.Unit;

public sealed class TextGuardTests
{
    private static readonly TextGuard Guard = new(null, 64);

    [Theory]
    [InlineData(null, null)]
    [InlineData("", "")]
    [InlineData("plain", "plain")]
    [InlineData("a\0b", "a\ufffdb")]
    [InlineData("🚚", "🚚")]
    public void Clean_replaces_only_what_the_server_cannot_store(string? text, string? expected) => Guard.Clean(text).Should().Be(expected);

    [Fact]
    public void Clean_replaces_lone_surrogates()
    {
        // Not as attribute arguments: those are stored as UTF-8, which has no lone surrogates.
        Guard.Clean("\ud800x").Should().Be("\ufffdx");
        Guard.Clean("x\udc00").Should().Be("x\ufffd");
    }

    [Fact]
    public void Clean_returns_the_same_instance_when_there_is_nothing_to_do()
    {
        var text = new string('x', 10);

        Guard.Clean(text).Should().BeSameAs(text);
    }

    [Theory]
    [InlineData('x', 65)]
    [InlineData('ü', 33)]
    [InlineData('€', 22)]
    public void Truncate_cuts_between_characters_within_the_limit(char letter, int count)
    {
        var text = Guard.Clean(new string(letter, count))!;

        System.Text.Encoding.UTF8.GetByteCount(text).Should().BeLessThanOrEqualTo(64);
        text.TrimStart(letter).Should().MatchRegex("^… \\[truncated \\d+ bytes\\]$");
    }

    [Fact]
    public void Truncate_never_splits_a_surrogate_pair() =>
        Guard.Clean(string.Concat(Enumerable.Repeat("🚚", 20)))!.EnumerateRunes().Should().NotContain(System.Text.Rune.ReplacementChar);

    [Fact]
    public void Broken_filter_hides_the_text() =>
        new TextGuard(_ => throw new InvalidOperationException("secret"), 1_000).Clean("secret").Should().Be("[message filter failed: InvalidOperationException]");

    [Fact]
    public void Ascii_rule_replaces_every_other_character() => Guard.AsciiOnly().Clean("aüb").Should().Be("a?b");
}
