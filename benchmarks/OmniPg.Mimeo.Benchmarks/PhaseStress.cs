using System.Diagnostics;
using System.Globalization;
using Npgsql;
using OmniPg;
using OmniPg.Mimeo;
using OmniPg.Testing;

/// <summary>Every kind is stopped at every phase of a refresh by the death of the process, of the destination's session or of the source's: what stands there is old or new as a whole, and the next refresh makes it new.</summary>
internal static class PhaseStress
{
    private const string Truncate = "CREATE TRIGGER hold BEFORE TRUNCATE ON {0} FOR EACH STATEMENT EXECUTE FUNCTION public.hold()";
    private const string Row = "CREATE TRIGGER hold BEFORE INSERT ON {0} FOR EACH ROW EXECUTE FUNCTION public.hold()";
    private const string Commit = "CREATE CONSTRAINT TRIGGER hold AFTER INSERT ON {0} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.hold()";
    private const string Configuration = "CREATE TRIGGER hold BEFORE UPDATE OF {1} ON omnipg_mimeo.refresh_config_{0} FOR EACH ROW EXECUTE FUNCTION public.hold()";
    private const string View = "CREATE EVENT TRIGGER hold ON ddl_command_{0} WHEN TAG IN ('CREATE VIEW') EXECUTE FUNCTION public.hold_ddl()";

    private const string Waiting = "FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

    private static readonly (ReplicationKind Kind, string Phase, string Hold)[] Phases =
    [
        .. from kind in Enum.GetValues<ReplicationKind>()
           let type = TypeOf(kind)
           from phase in ((string, string)[])[("truncate", Truncate), ("first row", Row), ("place", Configuration), ("end", Configuration), ("commit", Commit), ("view begins", View), ("view made", View)]
           where Applies(kind, phase.Item1)
           select (kind, phase.Item1, phase.Item1 switch
           {
               "place" => string.Format(CultureInfo.InvariantCulture, phase.Item2, type, kind == ReplicationKind.Logical ? "applied_lsn" : "last_value"),
               "end" => string.Format(CultureInfo.InvariantCulture, phase.Item2, type, "last_run"),
               "view begins" => string.Format(CultureInfo.InvariantCulture, phase.Item2, "start"),
               "view made" => string.Format(CultureInfo.InvariantCulture, phase.Item2, "end"),
               _ => phase.Item2,
           }),
    ];

    /// <summary>Usage: -- phases [ROUNDS] [FIRST ROUND]</summary>
    public static async Task RunAsync(string[] args)
    {
        var rounds = args.Length > 1 ? int.Parse(args[1], CultureInfo.InvariantCulture) : 4;
        var first = args.Length > 2 ? int.Parse(args[2], CultureInfo.InvariantCulture) : 1;
        await using var one = await PgCluster.StartAsync();
        await using var two = await PgCluster.StartAsync();
        var counts = new SortedDictionary<string, (int Killed, int Old, int New)>(StringComparer.Ordinal);
        foreach (var (kind, phase, hold) in Phases)
        {
            await using var scene = await Scene.CreateAsync(one, two, kind);
            // A view changes when the source was left already.
            foreach (var death in phase.StartsWith("view", StringComparison.Ordinal) ? (string[])["process", "destination"] : ["process", "destination", "source"])
            {
                for (var round = first; round < first + rounds; round++)
                {
                    var isNew = await scene.KillAsync(phase, hold, death, round);
                    var key = $"| {kind} | {phase} | {death} |";
                    var (killed, old, done) = counts.GetValueOrDefault(key);
                    counts[key] = (killed + 1, old + (isNew ? 0 : 1), done + (isNew ? 1 : 0));
                }
            }
        }
        foreach (var (key, (killed, old, done)) in counts)
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{key} {killed} | old {old}, new {done} |"));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{counts.Values.Sum(c => c.Killed)} kills at {Phases.Length} phases; each time old or new as a whole, and new after the next refresh."));
    }

    /// <summary>The process that is killed: one refresh.</summary>
    public static async Task RefreshAsync(string connectionString, string table)
    {
        await using var dataSource = NpgsqlDataSource.Create(connectionString);
        await new MimeoClient(dataSource).RefreshAsync(QualifiedName.Parse(table), new RefreshOptions { SkipUnchanged = false });
    }

    private static bool Applies(ReplicationKind kind, string phase) => phase switch
    {
        "truncate" => kind is ReplicationKind.Table or ReplicationKind.Snapshot,
        "place" => kind is ReplicationKind.Inserter or ReplicationKind.Updater or ReplicationKind.Logical,
        "view begins" or "view made" => kind == ReplicationKind.Snapshot,
        _ => true,
    };

    private static string TypeOf(ReplicationKind kind) => kind switch
    {
        ReplicationKind.Snapshot => "snap",
        ReplicationKind.Inserter or ReplicationKind.Updater => kind.ToString().ToLowerInvariant() + "_serial",
        _ => kind.ToString().ToLowerInvariant(),
    };

    /// <summary>One table of one kind.</summary>
    private sealed class Scene(TestDatabase source, TestDatabase destination, MimeoClient client, ReplicationKind kind) : IAsyncDisposable
    {
        private static readonly QualifiedName Table = QualifiedName.Parse("public.t");

        private int _changes;

        private bool IsGrowing => kind is ReplicationKind.Inserter or ReplicationKind.Updater;

        public static async Task<Scene> CreateAsync(PgCluster one, PgCluster two, ReplicationKind kind)
        {
            var (source, destination) = (await one.CreateDatabaseAsync(), await two.CreateDatabaseAsync());
            await source.ExecuteAsync("CREATE TABLE t (id int PRIMARY KEY, ver bigint, w text); INSERT INTO t SELECT i, i, 'old' FROM generate_series(1, 1000) i");
            var client = new MimeoClient(destination.DataSource);
            await client.EnsureCreatedAsync();
            await client.AddSourceAsync("one", source.ConnectionString);
            var scene = new Scene(source, destination, client, kind);
            await client.CreateAsync(new ReplicationSpec { Kind = kind, From = "one", Source = Table, Cursor = scene.IsGrowing ? CursorColumn.Serial("ver", 0) : null });
            await destination.ExecuteAsync(
                """
                CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NEW; END';
                CREATE FUNCTION hold_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(4711); END';
                """);
            return scene;
        }

        /// <summary>Changes the source, stops a refresh at the phase, and looks.</summary>
        /// <returns>Whether the refresh had come to its commit.</returns>
        public async Task<bool> KillAsync(string phase, string hold, string death, int round)
        {
            await ChangeAsync();
            var old = await HereAsync();
            var hidden = kind == ReplicationKind.Snapshot ? await destination.ScalarAsync<string>("SELECT CASE WHEN pg_get_viewdef('t'::regclass) LIKE '%snap1%' THEN 't_snap2' ELSE 't_snap1' END") : "t";
            await destination.ExecuteAsync(string.Format(CultureInfo.InvariantCulture, hold, hidden));
            await using (var holder = await destination.DataSource.OpenConnectionAsync())
            {
                await RunAsync(holder, "SELECT pg_advisory_lock(4711)");
                using var child = death == "process" ? Process.Start(new ProcessStartInfo(Path.ChangeExtension(typeof(PhaseStress).Assembly.Location, null), ["refresh", destination.ConnectionString, "public.t"]) { RedirectStandardError = true })! : null;
                var refreshing = child is null ? client.RefreshAsync(Table, new RefreshOptions { SkipUnchanged = false }) : null;
                await Eventually.TrueAsync(() => destination.ScalarAsync<bool>($"SELECT count(*) > 0 {Waiting}"), $"{kind} has come to '{phase}'", limit: TimeSpan.FromMinutes(1));
                if (child is not null)
                    child.Kill();
                else if (death == "destination")
                    await destination.ExecuteAsync($"SELECT pg_terminate_backend(pid) {Waiting}");
                else
                    await source.ExecuteAsync("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'omnipg mimeo'");
                await RunAsync(holder, "SELECT pg_advisory_unlock(4711)");
                if (child is not null)
                    await child.WaitForExitAsync();
                await Task.WhenAny(refreshing ?? Task.CompletedTask);
                // Of a source that is gone it may have had all it needed.
                if (refreshing?.Exception?.InnerException is { } error and not MimeoException)
                    throw error;
            }
            await Eventually.TrueAsync(() => destination.ScalarAsync<bool>("SELECT NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"), "nobody refreshes", limit: TimeSpan.FromMinutes(1));
            await destination.ExecuteAsync(hold.StartsWith("CREATE EVENT", StringComparison.Ordinal) ? "DROP EVENT TRIGGER hold" : "DO $$ BEGIN EXECUTE (SELECT format('DROP TRIGGER hold ON %s', tgrelid::regclass) FROM pg_trigger WHERE tgname = 'hold'); END $$");
            var (now, wanted) = (await HereAsync(), await ThereAsync());
            if (now != old && now != wanted)
                throw new InvalidOperationException($"{kind}, {phase}, {death}, round {round}: {now} is neither {old} nor {wanted}.");
            await client.RefreshAsync(Table, new RefreshOptions { SkipUnchanged = false });
            var after = await HereAsync();
            return after == wanted ? now == wanted : throw new InvalidOperationException($"{kind}, {phase}, {death}, round {round}: the next refresh made {after} of {now}, and {wanted} is right.");
        }

        private async Task ChangeAsync()
        {
            var change = ++_changes;
            await source.ExecuteAsync(kind == ReplicationKind.Inserter ? "SELECT 1" : $"UPDATE t SET w = 'change {change}', ver = {change} * 10000 + id WHERE id % 20 = {change % 20} AND id <= 1000");
            if (!IsGrowing)
                await source.ExecuteAsync($"DELETE FROM t WHERE id % 50 = {change % 50} AND id < 1000");
            await source.ExecuteAsync($"INSERT INTO t SELECT {change} * 1000 + i, {change} * 10000 + 5000 + i, 'new {change}' FROM generate_series(1, 50) i");
        }

        // The row with the largest number waits.
        private Task<string> ThereAsync() => ContentAsync(source, "SELECT id, ver, w FROM t" + (IsGrowing ? " WHERE ver < (SELECT max(ver) FROM t)" : ""));

        private Task<string> HereAsync() => ContentAsync(destination, "SELECT id, ver, w FROM t" + (kind == ReplicationKind.Logdel ? " WHERE mimeo_source_deleted IS NULL" : ""));

        private static Task<string> ContentAsync(TestDatabase database, string query) =>
            database.ScalarAsync<string>($"SELECT count(*) || ' rows, ' || coalesce(sum(('x' || substr(md5(r::text), 1, 15))::bit(60)::bigint), 0) FROM ({query}) AS r");

        private static async Task RunAsync(NpgsqlConnection connection, string sql)
        {
            await using var command = new NpgsqlCommand(sql, connection);
            await command.ExecuteNonQueryAsync();
        }

        public async ValueTask DisposeAsync()
        {
            await source.DisposeAsync();
            await destination.DisposeAsync();
        }
    }
}
