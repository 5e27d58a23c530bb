using System.Transactions;
using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Shared.Tests;

public sealed class PgDatabaseTests(PgClusterFixture fixture)
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_is_worth_keeping_is_looked_for_once_until_it_is_forgotten()
    {
        await using var server = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: Stop);
        var database = new CountingDatabase(server.DataSource);

        var first = await database.RunAsync("look", (_, target) => Task.FromResult(target), Stop);
        database.Keeps = true;
        var second = await database.RunAsync("look", (_, target) => Task.FromResult(target), Stop);
        var third = await database.StreamAsync("look", _ => new NpgsqlCommand("SELECT 1"), row => row.GetInt32(0), Stop).SingleAsync(Stop);
        var known = database.Known;
        database.Forget();
        var fourth = await database.RunAsync("look", (_, target) => Task.FromResult(target), Stop);

        (first, second, third, known, fourth).Should().Be(("look 1", "look 2", 1, "look 2", "look 3"));
    }

    [Fact]
    public async Task Work_is_outside_of_the_callers_transaction_and_leaves_nothing_in_its_session()
    {
        await using var server = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: Stop);
        var settings = new NpgsqlConnectionStringBuilder(server.DataSource.ConnectionString) { MaxPoolSize = 1, NoResetOnClose = true, Enlist = true };
        await using var source = NpgsqlDataSource.Create(settings.ConnectionString);
        var database = new CountingDatabase(source);
        await server.ExecuteAsync("CREATE TABLE t (i integer)", Stop);

        using (new TransactionScope(TransactionScopeAsyncFlowOption.Enabled))
            await database.RunAsync("insert", (session, _) => session.ExecuteAsync("INSERT INTO public.t VALUES ($1)", PgParameter.Integer(null)), Stop);
        await using var look = source.CreateCommand("SELECT current_setting('search_path') || (SELECT count(*) FROM t WHERE i IS NULL)");

        (await look.ExecuteScalarAsync(Stop)).Should().Be("\"$user\", public1");
    }

    [Fact]
    public async Task A_failure_takes_its_transaction_back_and_comes_out_as_the_packages_own_with_what_was_found()
    {
        await using var server = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: Stop);
        var database = new CountingDatabase(server.DataSource);
        await server.ExecuteAsync("CREATE TABLE t (i integer)", Stop);

        var work = () => database.RunAsync("divide", async (session, _) =>
        {
            await session.ExecuteAsync("INSERT INTO public.t VALUES (1)");
            return await session.ScalarAsync("SELECT 1/0");
        }, Stop);
        var stream = async () => await database.StreamAsync("stream", _ => new NpgsqlCommand("SELECT 1/(3 - i) FROM generate_series(1, 3) i"), row => row.GetInt32(0), Stop).ToListAsync(Stop);
        var other = () => database.RunAsync("other", (session, _) => session.ScalarAsync("SELECT 'x'::integer"), Stop);

        await work.Should().ThrowAsync<ArithmeticException>().WithMessage("divide: look 1");
        await stream.Should().ThrowAsync<ArithmeticException>().WithMessage("stream: look 2");
        await other.Should().ThrowAsync<PostgresException>();
        (await server.ScalarAsync<long>("SELECT count(*) FROM t", Stop)).Should().Be(0);
    }

    [Fact]
    public async Task A_text_of_the_server_is_sent_as_it_is()
    {
        await using var server = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: Stop);
        var database = new CountingDatabase(server.DataSource);

        await database.RunAsync("define", async (session, _) =>
        {
            await session.ExecuteTextAsync("CREATE TABLE public.t (i integer); CREATE PROCEDURE public.p() LANGUAGE sql BEGIN ATOMIC INSERT INTO public.t VALUES (1); INSERT INTO public.t VALUES (2); END; CALL public.p()");
            return true;
        }, Stop);

        (await server.ScalarAsync<long>("SELECT sum(i) FROM t", Stop)).Should().Be(3);
    }

    private sealed class CountingDatabase(NpgsqlDataSource source) : PgDatabase<string>(source, TimeSpan.FromSeconds(30))
    {
        private int _looks;

        public bool Keeps { get; set; }

        protected override ValueTask<string> FindAsync(PgSession session) => ValueTask.FromResult($"look {++_looks}");

        protected override bool IsWorthKeeping(string found) => Keeps;

        protected override ValueTask<Exception?> ExplainAsync(NpgsqlException error, string operation, string? target, CancellationToken cancellationToken) =>
            ValueTask.FromResult<Exception?>(error is PostgresException { SqlState: PostgresErrorCodes.DivisionByZero } ? new ArithmeticException($"{operation}: {target}", error) : null);
    }
}
