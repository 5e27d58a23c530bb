namespace OmniPg.Shared.Tests;

/// <summary>What becomes of the text of a statement before it is sent.</summary>
public sealed class SqlTemplateTests
{
    [Theory]
    [InlineData("SELECT jobmon.f(j.x) FROM jobmon.t j", "SELECT \"it's\".f(j.x) FROM \"it's\".t j")]
    [InlineData("SELECT nextval('jobmon.s'), 'a', jobmon.f()", "SELECT nextval('\"it''s\".s'), 'a', \"it's\".f()")]
    [InlineData("SELECT 1 -- isn't jobmon.t\nFROM jobmon.t", "SELECT 1 -- isn't jobmon.t\nFROM \"it's\".t")]
    [InlineData("SELECT pg_jobmon.f(), jobmon_too.f(), 'jobmon', jobmon", "SELECT pg_jobmon.f(), jobmon_too.f(), 'jobmon', jobmon")]
    [InlineData("SELECT 'it''s jobmon.t', jobmon.t", "SELECT 'it''s \"it''s\".t', \"it's\".t")]
    [InlineData("SELECT side.f(), away.f()", "SELECT \"jobmon.\".f(), away.f()")]
    public void Schemas_take_the_place_of_the_names_for_them(string statement, string expected) => SqlTemplate.Rename(
        statement, ("jobmon", PgIdentifier.Create("it's")), ("side", PgIdentifier.Create("jobmon.")), ("away", null)).Should().Be(expected);

    [Theory]
    [InlineData(true, true, "a\nside\nfunctions\nend\n")]
    [InlineData(true, false, "a\nside\nno functions\nend\n")]
    [InlineData(false, false, "a\nno side\nno functions\nend\n")]
    public void Only_the_blocks_whose_condition_holds_stay(bool side, bool functions, string expected) => SqlTemplate.Select(
        "a\n--side\nside\n  --noside\nno side\n--functions\nfunctions\n--nofunctions\nno functions\n--end\nend", ("side", side), ("functions", functions))
        .Should().Be(expected);

    [Fact]
    public void A_comment_that_only_looks_like_a_mark_stays() =>
        SqlTemplate.Select("--sides\n-- side\n--beside\n--endless\nx", ("side", false)).Should().Be("--sides\n-- side\n--beside\n--endless\nx\n");
}
