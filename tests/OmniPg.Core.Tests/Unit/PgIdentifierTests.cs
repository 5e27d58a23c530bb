using FsCheck;
using FsCheck.Fluent;
using OmniPg.Testing;

namespace OmniPg.Core.Tests.Unit;

public sealed class PgIdentifierTests(PgClusterFixture fixture)
{
    [Theory]
    [InlineData("orders", "orders", "\"orders\"")]
    [InlineData("Orders", "\"Orders\"", "\"Orders\"")]
    [InlineData("order", "\"order\"", "\"order\"")]
    [InlineData("a\"b", "\"a\"\"b\"", "\"a\"\"b\"")]
    [InlineData("1st", "\"1st\"", "\"1st\"")]
    [InlineData("größe", "\"größe\"", "\"größe\"")]
    [InlineData("with space", "\"with space\"", "\"with space\"")]
    public void A_name_becomes_sql_text(string name, string shortest, string quoted)
    {
        var identifier = PgIdentifier.Create(name);

        identifier.ToString().Should().Be(shortest);
        identifier.Quoted.Should().Be(quoted);
        identifier.Value.Should().Be(name);
    }

    [Theory]
    [InlineData("", "A PostgreSQL identifier is not empty. (Parameter 'name')")]
    [InlineData("a\0b", "A PostgreSQL identifier holds no NUL character. (Parameter 'name')")]
    public void What_no_identifier_can_be_is_refused(string name, string message)
    {
        var create = () => PgIdentifier.Create(name);

        create.Should().Throw<ArgumentException>().WithMessage(message);
    }

    [Fact]
    public void An_unpaired_surrogate_is_refused()
    {
        // Not a theory: attributes store text as UTF-8, which cannot hold it.
        var create = () => PgIdentifier.Create("a\ud800b");

        create.Should().Throw<ArgumentException>().WithMessage("A PostgreSQL identifier holds no unpaired surrogate. (Parameter 'name')");
    }

    [Fact]
    public void Sixty_three_bytes_are_the_limit_whatever_the_characters()
    {
        PgIdentifier.Create(new string('x', 63)).Value.Should().HaveLength(63);
        PgIdentifier.Create(new string('ü', 31)).Value.Should().HaveLength(31);

        var tooLong = () => PgIdentifier.Create(new string('ü', 32));

        tooLong.Should().Throw<ArgumentException>().WithMessage("The identifier '*' has '64' bytes; PostgreSQL keeps '63' and would cut it silently.*");
    }

    [Theory]
    [InlineData("Orders", "orders")]
    [InlineData("\"Orders\"", "Orders")]
    [InlineData("\"a\"\"b\"", "a\"b")]
    [InlineData("a$1", "a$1")]
    public void Sql_text_is_read_with_the_folding_of_the_server(string text, string name) =>
        PgIdentifier.Parse(text).Value.Should().Be(name);

    [Theory]
    [InlineData("")]
    [InlineData("\"")]
    [InlineData("\"\"")]
    [InlineData("\"a")]
    [InlineData("a b")]
    [InlineData("1a")]
    [InlineData("a;drop table b")]
    public void Text_that_is_not_one_identifier_is_refused(string text) =>
        PgIdentifier.TryParse(text, null, out _).Should().BeFalse();

    [Fact]
    public void The_default_names_nothing()
    {
        var use = () => default(PgIdentifier).Quoted;

        use.Should().Throw<InvalidOperationException>();
        default(PgIdentifier).ToString().Should().BeEmpty();
    }

    [Fact]
    public void Every_name_survives_the_round_trip_through_its_sql_text()
    {
        var names = ArbMap.Default.ArbFor<NonEmptyString>().Filter(s => PgIdentifierIsPossible(s.Get));

        Prop.ForAll(names, s => PgIdentifier.Parse(PgIdentifier.Create(s.Get).ToString()).Value == s.Get
            && PgIdentifier.Parse(PgIdentifier.Create(s.Get).Quoted).Value == s.Get).QuickCheckThrowOnFailure();
    }

    [Fact]
    public async Task The_server_agrees_on_which_key_words_need_quotes()
    {
        await using var connection = await fixture.Cluster.DataSource.OpenConnectionAsync(TestContext.Current.CancellationToken);
        await using var command = new Npgsql.NpgsqlCommand("SELECT word, quote_ident(word) FROM pg_get_keywords()", connection);
        await using var reader = await command.ExecuteReaderAsync(TestContext.Current.CancellationToken);
        var unquoted = new List<string>();

        while (await reader.ReadAsync(TestContext.Current.CancellationToken))
        {
            // quote_ident is stricter than needed for words that are reserved nowhere that a name can stand.
            if (reader.GetString(1) == reader.GetString(0) && PgIdentifier.Create(reader.GetString(0)).ToString().StartsWith('"'))
                continue;
            if (reader.GetString(1).StartsWith('"') && !PgIdentifier.Create(reader.GetString(0)).ToString().StartsWith('"'))
                unquoted.Add(reader.GetString(0));
        }

        unquoted.Should().BeEmpty();
    }

    private static bool PgIdentifierIsPossible(string name)
    {
        try
        {
            PgIdentifier.Create(name);
            return true;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }
}
