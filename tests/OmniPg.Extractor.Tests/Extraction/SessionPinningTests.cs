using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Extractor.Tests.Extraction;

public sealed class SessionPinningTests(PgClusterFixture fixture)
{
    private const string Schema = """
        CREATE SCHEMA app;
        CREATE TYPE app.path AS ENUM (E'C:\\tmp', 'it''s');
        CREATE TABLE app.t (id integer PRIMARY KEY, "user" text DEFAULT E'C:\\tmp', raw bytea DEFAULT '\xdead'::bytea, price money DEFAULT '1234.5'::money,
            day date DEFAULT '2024-02-03'::date, span interval DEFAULT '1 day 02:03:04'::interval, doc xml, CONSTRAINT word CHECK ("user" ~ E'^[\\w:\\\\]+$'));
        COMMENT ON TABLE app.t IS E'back\\slash and é';
        CREATE VIEW app.v AS SELECT id, "user", E'\\n' AS mark, xmlelement(name x, raw) AS x FROM app.t;
        CREATE FUNCTION app.one() RETURNS text LANGUAGE sql AS $$SELECT 'a\b'$$;
        INSERT INTO app.t (id, doc) VALUES (1, '<a/>');
        """;

    public static TheoryData<string, string> Settings()
    {
        var data = new TheoryData<string, string>();
        string[] settings =
        [
            "standard_conforming_strings = off", "quote_all_identifiers = on", "bytea_output = escape", "DateStyle = 'SQL, DMY'", "IntervalStyle = iso_8601",
            "lc_monetary = 'C'", "xmlbinary = hex", "search_path = ''", "statement_timeout = '50ms'", "default_transaction_read_only = on", "client_encoding = LATIN1",
        ];
        foreach (var setting in settings)
        {
            data.Add("ROLE", setting);
            data.Add("DATABASE", setting);
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Settings))]
    public async Task Settings_of_role_and_database_leave_no_trace_in_the_tree(string level, string setting)
    {
        Assert.SkipWhen(setting == "standard_conforming_strings = off" && fixture.Cluster.MajorVersion >= 19, "PostgreSQL 19 knows no standard_conforming_strings = off.");
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await database.ExecuteAsync(Schema, TestContext.Current.CancellationToken);
        var role = "pin_" + database.Name;
        await fixture.Cluster.ExecuteAsync($"CREATE ROLE {role} SUPERUSER LOGIN", TestContext.Current.CancellationToken);
        // The properties of the database are its text, and this one is meant to be seen.
        Action<ExtractionOptions> options = static o => (o.Data, o.Kinds) = (new DataOptions(), ObjectKinds.All & ~ObjectKinds.Database);
        await work.ExtractAsync(database.DataSource, "plain", options);

        await fixture.Cluster.ExecuteAsync($"ALTER {level} {(level == "ROLE" ? role : database.Name)} SET {setting}", TestContext.Current.CancellationToken);
        await using var source = NpgsqlDataSource.Create(fixture.Cluster.GetConnectionString(database.Name, role));
        await Eventually.TrueAsync(() => IsReadyAsync(source), "the driver knows the types of the server", cancellationToken: TestContext.Current.CancellationToken);
        await work.ExtractAsync(source, "set", options);

        if (level == "DATABASE")
            await fixture.Cluster.ExecuteAsync($"ALTER DATABASE {database.Name} RESET ALL", TestContext.Current.CancellationToken);
        await fixture.Cluster.ExecuteAsync($"DROP ROLE {role}", TestContext.Current.CancellationToken);
        work.Content("set").Should().Equal(work.Content("plain"));
    }

    // The driver's own first question runs under the role's limit of 50 ms, which a busy machine does not keep.
    private static async Task<bool> IsReadyAsync(NpgsqlDataSource source)
    {
        try
        {
            await using var connection = await source.OpenConnectionAsync(TestContext.Current.CancellationToken);
            return true;
        }
        catch (PostgresException slow) when (slow.SqlState == PostgresErrorCodes.QueryCanceled)
        {
            return false;
        }
    }

    [Fact]
    public async Task Options_of_the_connection_come_behind_the_pins_and_are_carried_into_the_text()
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await database.ExecuteAsync(Schema, TestContext.Current.CancellationToken);
        await work.ExtractAsync(database.DataSource, "plain");
        await using var quoting = NpgsqlDataSource.Create(database.ConnectionString + ";Options=-c quote_all_identifiers=on");
        await using var escaping = NpgsqlDataSource.Create(database.ConnectionString + ";Options=-c standard_conforming_strings=off");

        await work.ExtractAsync(quoting, "quoted");
        Assert.SkipWhen(fixture.Cluster.MajorVersion >= 19, "PostgreSQL 19 knows no standard_conforming_strings = off.");
        await work.ExtractAsync(escaping, "escaped");

        File.ReadAllText(work.Path("quoted/tables/app.t.sql")).Should().Contain("\"user\" \"text\"");
        work.Content("escaped").Should().Equal(work.Content("plain"));
    }
}
