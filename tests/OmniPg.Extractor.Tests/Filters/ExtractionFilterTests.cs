using OmniPg.Testing;

namespace OmniPg.Extractor.Tests.Filters;

public sealed class ExtractionFilterTests
{
    [Theory]
    [InlineData("app", "app", true)]
    [InlineData("APP", "app", true)]
    [InlineData("\"APP\"", "app", false)]
    [InlineData("\"APP\"", "APP", true)]
    [InlineData("a*", "audit", true)]
    [InlineData("a?", "ab", true)]
    [InlineData("a?", "abc", false)]
    [InlineData("\"a*\"", "a*", true)]
    [InlineData("\"a*\"", "ab", false)]
    [InlineData("a$b", "a$b", true)]
    [InlineData("x|y", "y", true)]
    [InlineData("t[0-9]", "t7", true)]
    [InlineData("\"say \"\"hi\"\"\"", "say \"hi\"", true)]
    public void Schemas_follow_the_pattern_rules_of_psql(string pattern, string schema, bool expected)
    {
        var filter = new ExtractionFilter();
        filter.Schemas.Include(pattern);

        filter.Schemas.Admits(schema).Should().Be(expected);
    }

    [Fact]
    public void Exclusion_beats_inclusion()
    {
        var filter = new ExtractionFilter().Tables.Include("app.a", "app.b").Exclude("app.b");

        filter.Admits("app.a").Should().BeTrue();
        filter.Admits("app.b").Should().BeFalse();
        filter.Admits("app.c").Should().BeFalse();
    }

    [Fact]
    public void Table_without_schema_means_any_schema()
    {
        var filter = new ExtractionFilter().Tables.Include("orders");

        filter.Admits("app.orders").Should().BeTrue();
        filter.Admits("other.orders").Should().BeTrue();
        filter.Admits("app.Orders").Should().BeFalse();
    }

    [Fact]
    public void Filter_file_skips_comments_empty_lines_and_the_byte_order_mark()
    {
        using var directory = new TemporaryDirectory();
        var path = Path.Combine(directory.Path, "tables.txt");
        File.WriteAllText(path, "\uFEFF app.a \r\n\n# app.b\n\tapp.c\n");
        var filter = new ExtractionFilter().Tables.IncludeFile(path);

        filter.Admits("app.a").Should().BeTrue();
        filter.Admits("app.b").Should().BeFalse();
        filter.Admits("app.c").Should().BeTrue();
    }

    [Fact]
    public void Missing_filter_file_is_named()
    {
        var act = () => new ExtractionFilter().Owners.ExcludeFile("/nowhere/owners.txt");

        act.Should().Throw<ExtractorOptionException>().Where(e => e.Code == "extractor.option")
            .WithMessage("The owner file '/nowhere/owners.txt' cannot be read:*");
    }

    [Fact]
    public void Unmatched_items_are_listed()
    {
        var filter = new ExtractionFilter();
        filter.Tables.Include("app.a", "app.missing").ExcludeRegex("^never$").Owners.Exclude("nobody");
        filter.Tables.Admits("app.a");

        filter.Unmatched().Should().Equal("table: app.missing", "table: /^never$/", "owner: nobody");
    }

    [Fact]
    public void Expression_that_needs_backtracking_is_accepted()
    {
        var filter = new ExtractionFilter().Names.IncludeRegex("^(?!tmp).*$");

        filter.Admits("orders").Should().BeTrue();
        filter.Admits("tmp_orders").Should().BeFalse();
    }

    [Fact]
    public void Expression_that_runs_away_is_stopped()
    {
        var filter = new ExtractionFilter().Names.IncludeRegex(@"^(?=(a+)+$)b\1");

        var act = () => filter.Admits(new string('a', 60) + "!");

        act.Should().Throw<ExtractorOptionException>().WithMessage("*took longer than 2 s*");
    }

    [Fact]
    public void Invalid_expression_is_refused()
    {
        var act = () => new ExtractionFilter().Names.IncludeRegex("(");

        act.Should().Throw<ExtractorOptionException>().WithMessage("The name expression '(' is not valid:*");
    }
}
