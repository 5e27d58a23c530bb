using System.Text.RegularExpressions;
using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>A plan beside what both servers were told then, out of their log.</summary>
public sealed partial class PlannedStatementsTests(PlannedStatementsTests.LoggingServer server) : IClassFixture<PlannedStatementsTests.LoggingServer>
{
    private const string Source = "CREATE TABLE t (id int PRIMARY KEY, ver bigint, w text); INSERT INTO t SELECT i, i, 'old' FROM generate_series(1, 100) i";

    // As another version may have made it.
    private const string FormerFunction = "DO $$ BEGIN EXECUTE replace(pg_get_functiondef('omnipg_mimeo.public_t_mimeo_queue'::regproc), 'RETURN NULL', 'RETURN NEW'); END $$";

    [Theory]
    [InlineData(ReplicationKind.Snapshot, false)]
    [InlineData(ReplicationKind.Table, false)]
    [InlineData(ReplicationKind.Inserter, false)]
    [InlineData(ReplicationKind.Inserter, true)]
    [InlineData(ReplicationKind.Updater, false)]
    [InlineData(ReplicationKind.Updater, true)]
    [InlineData(ReplicationKind.Dml, false)]
    [InlineData(ReplicationKind.Dml, true)]
    [InlineData(ReplicationKind.Logdel, false)]
    [InlineData(ReplicationKind.Logdel, true)]
    [InlineData(ReplicationKind.Logical, true)]
    public async Task Both_servers_are_told_what_was_explained_and_nothing_else(ReplicationKind kind, bool all)
    {
        await using var mimeo = await Mimeo.CreateAsync(server.Cluster);
        await mimeo.Databases.AtSourceAsync(Source);
        await mimeo.CreateAsync(kind, "public.t", s => s with { Cursor = kind is ReplicationKind.Inserter or ReplicationKind.Updater ? CursorColumn.Serial("ver", 0) : null });
        if (kind == ReplicationKind.Dml)
            await mimeo.Databases.AtSourceAsync(FormerFunction);
        await mimeo.Databases.AtSourceAsync("INSERT INTO t SELECT i, i, 'new' FROM generate_series(101, 150) i");
        if (kind is ReplicationKind.Dml or ReplicationKind.Logdel)
            await mimeo.Databases.AtSourceAsync("DELETE FROM t WHERE id < 5; INSERT INTO t SELECT i, i, 'again' FROM generate_series(1, 3) i");

        await ShouldBeToldAsync(mimeo, all);
    }

    [Theory]
    [InlineData(DriftPolicy.AddColumns, false)]
    [InlineData(DriftPolicy.AddColumns, true)]
    [InlineData(DriftPolicy.Fail, false)]
    public async Task So_are_they_of_columns_that_a_queue_and_a_history_get(DriftPolicy drift, bool all)
    {
        await using var mimeo = await Mimeo.CreateAsync(server.Cluster);
        await mimeo.Databases.AtSourceAsync(Source + "; CREATE DOMAIN small AS int CHECK (VALUE < 1000) NOT NULL");
        await mimeo.Databases.AtDestinationAsync("CREATE DOMAIN small AS int CHECK (VALUE < 1000)");
        await mimeo.CreateAsync(ReplicationKind.Logdel, "public.t", s => s with { KeepHistory = true, Drift = drift });
        await mimeo.Databases.AtSourceAsync("DELETE FROM t WHERE id < 5");
        await mimeo.RefreshAsync("public.t");
        await mimeo.Databases.AtDestinationAsync("ALTER TABLE t ADD here text DEFAULT 'x'");
        await mimeo.Databases.AtSourceAsync(FormerFunction);
        if (drift == DriftPolicy.AddColumns)
            await mimeo.Databases.AtSourceAsync("ALTER TABLE t ADD more small DEFAULT 7, ADD \"odd \"\"one\" numeric(8, 2)");
        await mimeo.Databases.AtSourceAsync("INSERT INTO t SELECT i, i, 'again' FROM generate_series(1, 3) i; DELETE FROM t WHERE id BETWEEN 1 AND 10; INSERT INTO t SELECT i, i, 'new' FROM generate_series(2, 6) i; DELETE FROM t WHERE id = 2");
        // Of a time when the source had no such column.
        if (all)
            await mimeo.Databases.AtSourceAsync("INSERT INTO omnipg_mimeo.public_t_q (w, mimeo_source_deleted) VALUES ('keyless', now())");

        var plan = await ShouldBeToldAsync(mimeo, all);

        plan.Steps.SelectMany(s => s.Locks.Select(l => $"{s.Server}: {l}")).Should().Equal(drift == DriftPolicy.Fail ? (string[])["destination: public.t_deleted in ACCESS EXCLUSIVE mode"] :
        [
            "erp: omnipg_mimeo.public_t_q in ACCESS EXCLUSIVE mode", "erp: omnipg_mimeo.public_t_q in ACCESS EXCLUSIVE mode", "destination: public.t in ACCESS EXCLUSIVE mode",
            "destination: public.t_deleted in ACCESS EXCLUSIVE mode", "destination: public.t_deleted in ACCESS EXCLUSIVE mode",
        ]);
        (await mimeo.Databases.DestinationAsync<long>("SELECT count(*) FROM t_deleted")).Should().BePositive();
    }

    // A step without text is told in words alone, but for both ends of a copy and what the source forgets.
    private async Task<SqlPlan> ShouldBeToldAsync(Mimeo mimeo, bool all)
    {
        var options = new RefreshOptions { Repull = all ? Repull.All : null };
        var plan = (await mimeo.Client.ExplainRefreshAsync(QualifiedName.Parse("public.t"), options, TestContext.Current.CancellationToken)).Plan!;
        var from = server.Cluster.ReadLog().Length;

        await mimeo.RefreshAsync("public.t", options);

        (await ChangesAsync(mimeo.Databases.Source, from)).Should().Equal(Planned("erp"));
        // What the package keeps in tables of its own is no part of a plan.
        (await ChangesAsync(mimeo.Databases.Destination, from)).Where(sql => !sql.Contains("\"omnipg_mimeo\".", StringComparison.Ordinal)).Should().Equal(Planned("destination"));
        return plan;

        IEnumerable<string> Planned(string on) => plan.Steps.Where(s => s.Server == on).Select(s => s.Kind is "copy" or "forget" ? s.Description : s.Sql).OfType<string>();
    }

    private async Task<IReadOnlyList<string>> ChangesAsync(TestDatabase database, int from)
    {
        // All sessions write to one pipe, whose end is read a little later.
        var mark = $"SELECT '{Guid.NewGuid():N}'";
        await database.ScalarAsync<string>(mark, TestContext.Current.CancellationToken);
        await Eventually.TrueAsync(() => Task.FromResult(server.Cluster.ReadLog().Contains(mark, StringComparison.Ordinal)), "the log has come", cancellationToken: TestContext.Current.CancellationToken);
        return [.. Entry().Matches(server.Cluster.ReadLog()[from..]).Where(m => m.Groups["database"].Value == database.Name)
            .Select(m => m.Groups["sql"].Value.Replace("\n\t", "\n", StringComparison.Ordinal)).Where(static sql => !Looks().IsMatch(sql))];
    }

    [GeneratedRegex(@"^\|(?<database>[^|\n]*)\|LOG:  (statement|execute [^:]*): (?<sql>.*(\n\t.*)*)$", RegexOptions.Multiline)]
    private static partial Regex Entry();

    [GeneratedRegex("^(SELECT|WITH|SET|BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|LOCK|DISCARD)")]
    private static partial Regex Looks();

    /// <summary>A server that logs all statements, each with its database.</summary>
    public sealed class LoggingServer : PgClusterFixture
    {
        /// <inheritdoc/>
        protected override PgClusterOptions Options => new() { Settings = new Dictionary<string, string> { ["log_statement"] = "all", ["log_line_prefix"] = "|%d|" } };
    }
}
