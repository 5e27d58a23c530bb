namespace OmniPg.Cli.Tests.Common;

public sealed class ConnectionTests
{
    [Theory]
    [InlineData("postgresql://u%40x:p%2Fw@h:5433/my%20db?sslmode=require&application_name=app", "Host=h;Port=5433;Username=u@x;Password=p/w;Database=\"my db\";SSL Mode=Require;Application Name=app")]
    [InlineData("postgres://h", "Host=h")]
    [InlineData("postgresql:///db?host=/run/pg&port=6000", "Host=/run/pg;Port=6000;Database=db")]
    [InlineData("postgresql://u@[::1]:5434/d", "Host=::1;Port=5434;Username=u;Database=d")]
    [InlineData("postgresql://a:1,b:2/d?target_session_attrs=read-write", "Host=\"a:1,b:2\";Database=d;Target Session Attributes=read-write")]
    [InlineData("Host=h;Username=u", "Host=h;Username=u")]
    public void Keywords_and_uris_name_a_server(string text, string expected) =>
        ConnectionResolver.Parse(text).Should().BeEquivalentTo(new Npgsql.NpgsqlConnectionStringBuilder(expected));

    [Theory]
    [InlineData("postgresql://u:secret@h:port/d", "'the port of the URI' has no valid value for a connection.")]
    [InlineData("postgresql://u:secret@h/d?colour=red", "The connection URI has an unknown parameter 'colour'.")]
    [InlineData("postgresql://u:secret@h/d?sslmode=perhaps", "'sslmode' has no valid value for a connection.")]
    public void A_wrong_uri_is_refused_without_its_secrets(string text, string message)
    {
        var act = () => ConnectionResolver.Parse(text);

        act.Should().Throw<UsageException>().WithMessage(message);
    }

    [Fact]
    public void The_option_wins_over_the_variable_and_that_over_libpqs()
    {
        var variables = new Dictionary<string, string> { ["OMNIPG_CONNECTION"] = "Host=two", ["PGHOST"] = "three", ["PGPORT"] = "5555", ["PGDATABASE"] = "d", ["PGUSER"] = "u" };

        ConnectionResolver.Resolve("Host=one", variables.GetValueOrDefault).Host.Should().Be("one");
        ConnectionResolver.Resolve(null, variables.GetValueOrDefault).Host.Should().Be("two");
        variables.Remove("OMNIPG_CONNECTION");
        ConnectionResolver.Resolve("", variables.GetValueOrDefault).Should().BeEquivalentTo(new { Host = "three", Port = 5555, Database = "d", Username = "u" });
    }
}
