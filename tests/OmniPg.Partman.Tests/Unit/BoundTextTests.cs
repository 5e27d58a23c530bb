namespace OmniPg.Partman.Tests.Unit;

public sealed class BoundTextTests
{
    [Theory]
    [InlineData("DEFAULT", "Default", "", "")]
    [InlineData("FOR VALUES FROM ('2024-01-01 00:00:00+00') TO ('2024-01-02 00:00:00+00')", "Range", "2024-01-01 00:00:00+00", "2024-01-02 00:00:00+00")]
    [InlineData("FOR VALUES FROM (MINVALUE) TO ('10')", "Range", "<Min>", "10")]
    [InlineData("FOR VALUES FROM (1.5) TO ('2')", "Range", "1.5", "2")]
    [InlineData("FOR VALUES FROM ('x)'', TO (', MINVALUE) TO (MAXVALUE, MAXVALUE)", "Range", "x)', TO (|<Min>", "<Max>|<Max>")]
    [InlineData("FOR VALUES FROM ('-10') TO (0)", "Range", "-10", "0")]
    [InlineData("FOR VALUES IN ('12', '13', NULL)", "List", "12|13|<Null>", "")]
    [InlineData("FOR VALUES IN (E'a\\\\b''c', true)", "List", "a\\b'c|true", "")]
    [InlineData("FOR VALUES WITH (modulus 4, remainder 3)", "Hash", "4|3", "")]
    public void Every_form_that_the_server_writes_is_read(string text, string kind, string from, string to)
    {
        var bound = BoundText.Parse(text);

        bound.Kind.ToString().Should().Be(kind);
        string.Join('|', bound.From.Select(Show)).Should().Be(from);
        string.Join('|', bound.To.Select(Show)).Should().Be(to);

        static string Show(BoundText.Value value) => value.Word == BoundText.Word.None ? value.Text : $"<{value.Word}>";
    }

    [Theory]
    [InlineData("")]
    [InlineData("FOR VALUES FROM ('1')")]
    [InlineData("FOR VALUES FROM ('1') TO ('2")]
    [InlineData("FOR VALUES FROM ('1') TO ('2') x")]
    [InlineData("FOR VALUES IN (now())")]
    public void What_is_no_bound_is_refused(string text) => FluentActions.Invoking(() => BoundText.Parse(text)).Should().Throw<FormatException>();
}
