
namespace OmniPg.Extractor.Tests.Splitting;

public sealed class StatementSplitterTests
{
    [Fact]
    public void Statements_end_at_top_level_semicolons()
    {
        const string Text = """
            --
            -- Name: x; Type: RULE
            --

            CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT ';');
            ALTER TABLE t OWNER TO "a;b";

            CREATE FUNCTION f() RETURNS int LANGUAGE sql
                BEGIN ATOMIC
             SELECT CASE WHEN true THEN 1 ELSE 2 END;
             SELECT 2;
            END;
            SELECT $$;$$ /* ; */ -- ;
            ;
            """;

        StatementSplitter.Split(Text).Select(s => s.Text.Split('\n')[0]).Should().Equal(
            "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT ';')",
            "ALTER TABLE t OWNER TO \"a;b\"",
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql",
            "SELECT $$;$$ /* ; */ -- ;");
    }

    [Fact]
    public void Offsets_point_into_the_text()
    {
        const string Text = "-- c\nSELECT 1;\n  SELECT 2;";

        StatementSplitter.Split(Text).Should().Equal(new StatementSplitter.Statement(5, "SELECT 1"), new StatementSplitter.Statement(17, "SELECT 2"));
    }

    [Fact]
    public void Text_of_comments_only_holds_no_statement()
    {
        StatementSplitter.Split("-- *not* creating schema, since initdb creates it\n\n").Should().BeEmpty();
    }
}
