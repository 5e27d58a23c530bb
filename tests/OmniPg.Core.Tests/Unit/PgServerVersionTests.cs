namespace OmniPg.Core.Tests.Unit;

public sealed class PgServerVersionTests
{
    [Theory]
    [InlineData("15.18", 150018)]
    [InlineData("15.18 (Debian 15.18-0+deb12u1)", 150018)]
    [InlineData("18beta2", 180000)]
    [InlineData("19devel", 190000)]
    [InlineData("pg_dump (PostgreSQL) 17.10", 170010)]
    [InlineData("10.23\n", 100023)]
    public void A_version_is_read_in_every_form_in_which_programs_print_it(string text, int number) =>
        PgServerVersion.Parse(text).Number.Should().Be(number);

    [Theory]
    [InlineData("")]
    [InlineData("9.6.24")]
    [InlineData("PostgreSQL")]
    [InlineData("15.")]
    public void What_is_no_version_of_ten_or_later_is_refused(string text) =>
        PgServerVersion.TryParse(text, null, out _).Should().BeFalse();

    [Fact]
    public void Versions_compare_by_major_then_minor()
    {
        (PgServerVersion.Of(9 + 1, 23) < PgServerVersion.Of(15)).Should().BeTrue();
        (PgServerVersion.Of(15, 18) >= PgServerVersion.Of(15, 9)).Should().BeTrue();
        PgServerVersion.Of(15, 18).ToString().Should().Be("15.18");
        PgServerVersion.Of(15, 18).Major.Should().Be(15);
        PgServerVersion.Of(15, 18).Minor.Should().Be(18);
    }
}
