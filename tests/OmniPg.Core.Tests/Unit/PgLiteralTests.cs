using OmniPg.Testing;

namespace OmniPg.Core.Tests.Unit;

public sealed class PgLiteralTests(PgClusterFixture server)
{
    [Theory]
    [InlineData("select 1", "'select 1'")]
    [InlineData("", "''")]
    [InlineData("it's", "'it''s'")]
    [InlineData("a\\b", "E'a\\\\b'")]
    [InlineData("'\\'\n🐘", "E'''\\\\''\n🐘'")]
    public async Task Literals_are_quoted_as_the_server_does_and_read_back_the_same(string text, string expected)
    {
        await using var quoted = server.Cluster.DataSource.CreateCommand("SELECT quote_literal($1)");
        quoted.Parameters.AddWithValue(text);
        await using var read = server.Cluster.DataSource.CreateCommand($"SELECT {PgLiteral.Quote(text)}");

        PgLiteral.Quote(text).Should().Be(expected);
        (await quoted.ExecuteScalarAsync(TestContext.Current.CancellationToken)).Should().Be(expected);
        (await read.ExecuteScalarAsync(TestContext.Current.CancellationToken)).Should().Be(text);
    }
}
