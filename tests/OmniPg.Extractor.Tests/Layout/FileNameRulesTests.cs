using System.Text;

namespace OmniPg.Extractor.Tests.Layout;

public sealed class FileNameRulesTests
{
    [Theory]
    [InlineData("con", "con~")]
    [InlineData("NUL", "NUL~")]
    [InlineData("com1.orders", "com1~.orders")]
    [InlineData("com10", "com10")]
    [InlineData("console", "console")]
    [InlineData("", "~")]
    public void Reserved_names_of_windows_are_evaded(string name, string expected)
    {
        FileNames.Apply(name).Should().Be(expected);
    }

    [Fact]
    public void Long_names_are_cut_at_a_whole_code_point_and_told_apart_by_hash()
    {
        var first = FileNames.Apply(new string('ü', 101));
        var second = FileNames.Apply(new string('ü', 102));

        first.Should().StartWith(new string('ü', 90) + "~").And.HaveLength(90 + 17);
        Encoding.UTF8.GetByteCount(first).Should().BeLessThanOrEqualTo(200);
        second.Should().NotBe(first);
        FileNames.Apply(new string('a', 200)).Should().HaveLength(200);
    }

    [Fact]
    public void Twins_by_letter_case_get_a_suffix_from_their_identity()
    {
        var result = FileNames.Resolve([("t/a.orders", "TABLE a.orders"), ("t/a.Orders", "TABLE a.Orders"), ("t/a.Lonely", "TABLE a.Lonely")]);

        result["t/a.orders"].Should().Be("t/a.orders");
        result["t/a.Orders"].Should().MatchRegex("^t/a\\.Orders~[0-9a-f]{6}$");
        result["t/a.Lonely"].Should().Be("t/a.Lonely");
    }
}
