using System.Text;
using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Extractor.Tests.Replaying;

public sealed class SqlAsciiTests(PgClusterFixture fixture)
{
    private const string Bytes = "SELECT relname::text || '|' || obj_description(oid) || '|' || (SELECT string_agg(v, ',') FROM t) FROM pg_class WHERE relname LIKE 'caf%'";

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Bytes_of_a_database_without_encoding_come_back_as_they_were(bool fromArchive)
    {
        using var work = new ExtractionCase();
        await using var source = await CreateAsync("ascii_a" + fromArchive);
        await using var target = await CreateAsync("ascii_b" + fromArchive);
        await using var scripted = await CreateAsync("ascii_c" + fromArchive);
        await ExecuteAsync(source, "CREATE TABLE t (v text); INSERT INTO t VALUES ('na\u00efve'); CREATE TABLE \"caf\u00e9\" (i integer); COMMENT ON TABLE \"caf\u00e9\" IS '\u00e4\u00ff'");
        Action<ExtractionOptions> options = o => (o.Data, o.Kinds) = (new DataOptions(), ObjectKinds.All & ~ObjectKinds.Database);
        if (fromArchive)
            await work.ExtractAsync(await work.DumpAsync(fixture.Cluster, source.Name), "tree", options);
        else
            await work.ExtractAsync(source.DataSource, "tree", options + (o => o.Encoding = "SQL_ASCII"));

        await work.Tree("tree").ReplayAsync(target.DataSource, cancellationToken: TestContext.Current.CancellationToken);
        var verified = await work.Extractor.VerifyAsync(work.Tree("tree"), fixture.Cluster.DataSource, cancellationToken: TestContext.Current.CancellationToken);
        await using (var script = new StreamWriter(work.Path("all.sql"), false, Encoding.Latin1))
            await work.Tree("tree").ComposeSqlAsync(script, TestContext.Current.CancellationToken);
        await PgTools.PsqlAsync(fixture.Cluster, scripted.Name, work.Path("all.sql"));

        var expected = await ReadAsync(source);
        expected.Should().Be("caf\u00e9|\u00e4\u00ff|na\u00efve");
        (await ReadAsync(target)).Should().Be(expected);
        (await ReadAsync(scripted)).Should().Be(expected);
        verified.Differences.Select(static d => d.UnifiedText).Should().BeEmpty();
        (await work.Tree("tree").DiffAsync(target.DataSource, cancellationToken: TestContext.Current.CancellationToken)).ToUnifiedText().Should().BeEmpty();
        var wrong = () => work.Tree("tree").ComposeSqlAsync(new StringWriter(), TestContext.Current.CancellationToken);
        (await wrong.Should().ThrowAsync<ExtractorOptionException>()).WithMessage("The tree holds text in 'SQL_ASCII', byte by byte; the writer's encoding is 'utf-16'.*");
    }

    [Fact]
    public async Task Refusal_of_such_bytes_says_which_encoding_takes_them()
    {
        using var work = new ExtractionCase();
        await using var source = await CreateAsync("ascii_refused");
        await ExecuteAsync(source, "CREATE TABLE \"caf\u00e9\" (i integer)");

        var act = () => work.ExtractAsync(source.DataSource, "tree");

        (await act.Should().ThrowAsync<PgDumpFailedException>()).Which.Hint.Should()
            .Be("The database does not say how its text is encoded (SQL_ASCII): dump it in the encoding SQL_ASCII, which takes the bytes as they are.");
        Directory.Exists(work.Path("tree")).Should().BeFalse();
    }

    private async Task<Raw> CreateAsync(string name)
    {
        name = name.ToLowerInvariant();
        await fixture.Cluster.ExecuteAsync($"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'", TestContext.Current.CancellationToken);
        return new Raw(fixture.Cluster, name);
    }

    private static async Task ExecuteAsync(Raw database, string sql)
    {
        await using var command = database.Bytes.CreateCommand(sql);
        await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
    }

    private static async Task<string> ReadAsync(Raw database)
    {
        await using var command = database.Bytes.CreateCommand(Bytes);
        return (string)(await command.ExecuteScalarAsync(TestContext.Current.CancellationToken))!;
    }

    private sealed class Raw(PgCluster cluster, string name) : IAsyncDisposable
    {
        public string Name => name;

        public NpgsqlDataSource DataSource { get; } = NpgsqlDataSource.Create(cluster.GetConnectionString(name));

        /// <summary>Each byte is one character.</summary>
        public NpgsqlDataSource Bytes { get; } = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(cluster.GetConnectionString(name)) { Encoding = "latin1", ClientEncoding = "SQL_ASCII" });

        public async ValueTask DisposeAsync()
        {
            await DataSource.DisposeAsync();
            await Bytes.DisposeAsync();
            await cluster.ExecuteAsync($"DROP DATABASE {name} WITH (FORCE)");
        }
    }
}
