
namespace OmniPg.Extractor.Tests.Replaying;

public sealed class RoleNamesTests
{
    [Theory]
    [InlineData("ALTER TABLE s.t OWNER TO plain", "plain")]
    [InlineData("ALTER TABLE s.t OWNER TO \"a TO b\"", "a TO b")]
    [InlineData("ALTER TABLE s.\"x OWNER TO y\" OWNER TO \"p OWNER TO q\"", "p OWNER TO q")]
    [InlineData("ALTER FUNCTION s.f(\"owner\" text) OWNER TO r;", "r")]
    public void Owner_is_the_last_name_whatever_the_names_hold(string statement, string owner)
    {
        RoleNames.IsOwnerChange(statement).Should().BeTrue();
        RoleNames.In("TABLE", statement).Should().Equal(owner);
    }

    [Theory]
    [InlineData("ALTER TABLE s.t ADD CONSTRAINT c CHECK (v <> ' OWNER TO x')")]
    [InlineData("CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT ' OWNER TO x' $$")]
    public void Other_statements_change_no_owner(string statement) => RoleNames.IsOwnerChange(statement).Should().BeFalse();
}
