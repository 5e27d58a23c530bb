namespace OmniPg.Core.Tests.Unit;

public sealed class QualifiedNameTests
{
    [Theory]
    [InlineData("events", null, "events", "\"events\"")]
    [InlineData("App.Events", "app", "events", "\"app\".\"events\"")]
    [InlineData("\"My.Schema\".\"Odd \"\"name\"\"\"", "My.Schema", "Odd \"name\"", "\"My.Schema\".\"Odd \"\"name\"\"\"")]
    public void Sql_text_is_split_at_the_right_dot(string text, string? schema, string name, string quoted)
    {
        var parsed = QualifiedName.Parse(text);

        (parsed.Schema?.Value).Should().Be(schema);
        parsed.Name.Value.Should().Be(name);
        parsed.Quoted.Should().Be(quoted);
        QualifiedName.Parse(parsed.ToString()).Should().Be(parsed);
    }

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("a.")]
    [InlineData(".a")]
    [InlineData("a.b.c")]
    [InlineData("a b")]
    public void Text_that_is_not_one_or_two_identifiers_is_refused(string text)
    {
        QualifiedName.TryParse(text, null, out _).Should().BeFalse();
        var parse = () => QualifiedName.Parse(text);
        parse.Should().Throw<FormatException>().WithMessage($"'{text}' is not a PostgreSQL object name.");
    }

    [Fact]
    public void A_default_identifier_is_no_name()
    {
        var create = () => new QualifiedName(null, default);

        create.Should().Throw<InvalidOperationException>();
    }
}
