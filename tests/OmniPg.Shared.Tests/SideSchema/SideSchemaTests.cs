using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Shared.Tests;

/// <summary>The machinery as a package uses it that keeps one table in a schema of its own.</summary>
public sealed class SideSchemaTests(PgClusterFixture fixture)
{
    private static readonly PgIdentifier Schema = PgIdentifier.Create("Own \"tables\"");
    private static readonly PgIdentifier BelongsTo = PgIdentifier.Create("belongs_to");

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_is_there_is_found_by_its_version(bool async)
    {
        await using var server = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: Stop);
        var database = new SomeDatabase(server.DataSource);

        var missing = await LookAsync(server, async);
        await InstallAsync(database, 2);
        var (current, older) = (await LookAsync(server, async), await LookAsync(server, async, current: 3));
        var newer = await LookAsync(server, async, current: 1);

        missing.Should().Be(new SchemaFind(2));
        current.Should().Be(new SchemaFind(2) { Exists = true, Version = 2, BelongsTo = "nobody" });
        (current.IsOlder, current.IsNewer, older.IsOlder, older.IsNewer, newer.IsOlder, newer.IsNewer).Should().Be((false, false, true, false, false, true));
    }

    [Fact]
    public async Task An_installation_is_all_or_nothing_and_its_refusals_are_those_of_the_package()
    {
        await using var server = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: Stop);
        var database = new SomeDatabase(server.DataSource);

        var failing = () => InstallAsync(database, 1, "SELECT 1/0");
        (await failing.Should().ThrowAsync<ArithmeticException>()).WithInnerException<PostgresException>();
        (await LookAsync(server, async: true)).Exists.Should().BeFalse();
        await InstallAsync(database, 1);

        (await LookAsync(server, async: true)).Version.Should().Be(1);
    }

    [Fact]
    public async Task An_installation_waits_for_another_one_only_as_long_as_it_should()
    {
        await using var server = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: Stop);
        await using var connection = await server.DataSource.OpenConnectionAsync(Stop);
        await using var transaction = await connection.BeginTransactionAsync(Stop);
        await new PgSession(connection, 30, Stop).ExecuteAsync(SchemaInstall.Begin("it's mine").Sql!);

        var second = () => InstallAsync(new SomeDatabase(server.DataSource), 1);

        (await second.Should().ThrowAsync<TimeoutException>()).WithInnerException<PostgresException>().Which.SqlState.Should().Be(PostgresErrorCodes.LockNotAvailable);
        await transaction.RollbackAsync(Stop);
        await InstallAsync(new SomeDatabase(server.DataSource), 1);
    }

    [Fact]
    public async Task The_printed_plan_does_what_an_installation_does()
    {
        await using var server = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: Stop);

        await server.ExecuteAsync(Plan(4).ToSqlScript(), Stop);

        (await LookAsync(server, async: true, current: 4)).Version.Should().Be(4);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_a_role_lacks_is_told_with_the_statements_that_give_it(bool async)
    {
        await using var server = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: Stop);
        var role = PgIdentifier.Create("reader " + Guid.NewGuid().ToString("N")[..8]);
        await InstallAsync(new SomeDatabase(server.DataSource), 1, $"CREATE FUNCTION {Schema.Quoted}.f(a integer, b text) RETURNS integer LANGUAGE sql AS 'SELECT 1'",
            $"REVOKE ALL ON FUNCTION {Schema.Quoted}.f(integer, text) FROM PUBLIC", $"CREATE SEQUENCE {Schema.Quoted}.s", $"CREATE ROLE {role.Quoted} LOGIN");
        Privileges[] wanted =
        [
            new(Schema, "", ["SELECT", "INSERT"], ["schema_version", "not there"]), new(Schema, "SEQUENCE ", ["USAGE"], ["s"]),
            new(Schema, "FUNCTION ", ["EXECUTE"], ["f(integer,text)"]),
        ];
        await using var source = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(server.DataSource.ConnectionString) { Username = role.Value });

        var missing = await Privileges.MissingAsync(async, source, [Schema], wanted, Stop);
        var statements = Privileges.Grants(missing);
        await server.ExecuteAsync(statements, Stop);

        missing.Select(m => $"{m.Right} {m.Kind}{m.Object}").Should().Equal(
            $"USAGE SCHEMA {Schema.Quoted}", $"INSERT {Schema.Quoted}.schema_version", $"SELECT {Schema.Quoted}.schema_version",
            $"USAGE SEQUENCE {Schema.Quoted}.s", $"EXECUTE FUNCTION {Schema.Quoted}.f(integer,text)");
        statements.Should().Contain($"GRANT INSERT, SELECT ON {Schema.Quoted}.schema_version TO {role.Quoted};");
        (await Privileges.MissingAsync(async, source, [Schema], wanted, Stop)).Should().BeEmpty();
        await server.ExecuteAsync(Privileges.Script(role, [Schema], wanted.Select(w => w with { Objects = [w.Objects[0]] })), Stop);
        await server.ExecuteAsync($"DROP OWNED BY {role.Quoted}; DROP ROLE {role.Quoted}", Stop);
    }

    private static SqlPlan Plan(int version, params IEnumerable<string> more) => new(
    [
        SchemaInstall.Begin("it's mine"),
        new SqlPlanStep
        {
            Kind = "tables", Reason = "A table of one row.",
            Sql = $"CREATE SCHEMA {Schema.Quoted}; CREATE TABLE {Schema.Quoted}.schema_version AS SELECT {version} AS version, 'nobody'::text AS belongs_to;",
        },
        .. more.Select(sql => new SqlPlanStep { Kind = "more", Reason = "More.", Sql = sql }),
    ]);

    private static Task<bool> InstallAsync(SomeDatabase database, int version, params string[] more) => database.GuardAsync("install", async () =>
    {
        await using var connection = await database.OpenAsync(Stop);
        var session = database.On(connection, Stop);
        return await SchemaInstall.RunAsync(session, "it's mine", TimeSpan.FromMilliseconds(50), async () =>
        {
            await SchemaInstall.ApplyAsync(session, Plan(version, more), refusal =>
                refusal.SqlState == PostgresErrorCodes.DivisionByZero ? new ArithmeticException(refusal.MessageText, refusal) : null);
            return true;
        });
    }, () => null, Stop);

    private static async Task<SchemaFind> LookAsync(TestDatabase server, bool async, int current = 2)
    {
        await using var connection = await server.DataSource.OpenConnectionAsync(Stop);
        return await SchemaFind.LookAsync(async, connection, Schema, BelongsTo, current, 30, Stop);
    }

    private sealed class SomeDatabase(NpgsqlDataSource source) : PgDatabase<string>(source, TimeSpan.FromSeconds(30))
    {
        protected override ValueTask<string> FindAsync(PgSession session) => ValueTask.FromResult("found");

        protected override bool IsWorthKeeping(string found) => true;

        protected override ValueTask<Exception?> ExplainAsync(NpgsqlException error, string operation, string? target, CancellationToken cancellationToken) =>
            ValueTask.FromResult<Exception?>(error is PostgresException { SqlState: PostgresErrorCodes.LockNotAvailable } ? new TimeoutException(operation, error) : null);
    }
}
