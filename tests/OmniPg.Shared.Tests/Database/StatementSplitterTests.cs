namespace OmniPg.Shared.Tests;

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

    [Theory]
    [InlineData("SELECT begin atomic FROM t; SELECT 2", "SELECT begin atomic FROM t", "SELECT 2")]
    [InlineData("CREATE FUNCTION f(begin atomic) RETURNS int RETURN 1; SELECT 2", "CREATE FUNCTION f(begin atomic) RETURNS int RETURN 1", "SELECT 2")]
    [InlineData("CREATE PROCEDURE p() BEGIN /* ; */ ATOMIC CALL q(); CALL r(); END; SELECT 2", "CREATE PROCEDURE p() BEGIN /* ; */ ATOMIC CALL q(); CALL r(); END", "SELECT 2")]
    [InlineData("create or replace function f() returns int begin atomic; end; SELECT 2", "create or replace function f() returns int begin atomic; end", "SELECT 2")]
    [InlineData("BEGIN; SELECT 1; END", "BEGIN", "SELECT 1", "END")]
    [InlineData("SELECT E'a\\\\';SELECT 2", "SELECT E'a\\\\'", "SELECT 2")]
    [InlineData("SELECT E'a' \n '\\';', 1;SELECT 2", "SELECT E'a' \n '\\';', 1", "SELECT 2")]
    [InlineData(";; \f\v\t ; SELECT 1 AS \u00A0 ; ", "SELECT 1 AS \u00A0")]
    public void Statements_end_where_the_server_ends_them(string text, params string[] statements)
    {
        StatementSplitter.Split(text).Select(static s => s.Text).Should().Equal(statements);
    }

    [Theory]
    [InlineData("SELECT 'a\\';', 1; SELECT 2", "SELECT 'a\\';', 1", "SELECT 2")]
    [InlineData("SELECT 'a\\\\'; SELECT 2", "SELECT 'a\\\\'", "SELECT 2")]
    [InlineData("SELECT $$a\\$$; SELECT \"a\\\"; SELECT 2", "SELECT $$a\\$$", "SELECT \"a\\\"", "SELECT 2")]
    [InlineData("SELECT x'1\\'; SELECT 2", "SELECT x'1\\'", "SELECT 2")]
    public void A_backslash_escapes_where_strings_do_not_conform_to_the_standard(string text, params string[] statements)
    {
        StatementSplitter.Split(text, backslashEscapes: true).Select(static s => s.Text).Should().Equal(statements);
    }
}
