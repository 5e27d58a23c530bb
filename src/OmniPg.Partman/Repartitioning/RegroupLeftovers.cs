using System.Globalization;
using System.Text.Json;
using NpgsqlTypes;

namespace OmniPg.Partman;

/// <summary>
/// What stands beside a set while a group of its partitions is copied: the copy, a window on the rows that are copied, a log of keys and the triggers that fill it. It
/// is written down in the transaction that makes it, and goes in the one that attaches the copy; what a run leaves behind that ends in between goes with the next one.
/// </summary>
internal sealed class RegroupLeftovers(PartmanDatabase database, PartmanOptions options, TimeProvider time, QualifiedName table)
{
    private static readonly string[] Beside = ["window", "copy", "log"];

    public static QualifiedName Copy(QualifiedName table) => ConversionState.Beside(table, "_omnipg_group");

    public static QualifiedName Window(QualifiedName table) => ConversionState.Beside(table, "_omnipg_window");

    public static QualifiedName Log(QualifiedName table) => ConversionState.Beside(table, RowMoves.GroupLogEnd);

    /// <summary>The statement that writes it down; what it names exists by then.</summary>
    public static string Note(PartmanServer server, SetState state, Regroup group)
    {
        static string Oid(QualifiedName name) => $"{PgLiteral.Quote(name.Quoted)}::pg_catalog.regclass::pg_catalog.oid::pg_catalog.int8";
        return $"INSERT INTO {server.OwnSchema.Quoted}.operation (parent_table, child, child_name, kind, phase, detail) SELECT {PgLiteral.Quote(state.Set.ConfigKey)}, {Oid(Copy(state.Table))}::pg_catalog.oid, {PgLiteral.Quote(Copy(state.Table).Quoted)}, "
            + $"'{OperationKind.Repartitioning}', 'Copying', pg_catalog.jsonb_build_object('copy', {Oid(Copy(state.Table))}, 'window', {Oid(Window(state.Table))}, 'log', {Oid(Log(state.Table))}, "
            + $"'partitions', pg_catalog.jsonb_build_array({string.Join(", ", group.Former.Select(f => f.Oid.ToString(CultureInfo.InvariantCulture)))}))";
    }

    /// <summary>The statement that ends it.</summary>
    public static string Done(PartmanServer server, SetState state) =>
        $"UPDATE {server.OwnSchema.Quoted}.operation SET phase = 'Finished', updated_at = pg_catalog.clock_timestamp(), finished_at = pg_catalog.clock_timestamp() WHERE {Open(state.Set.ConfigKey)}";

    /// <summary>The question whether it is open.</summary>
    public static string IsOpen(PartmanServer server, SetState state) => $"EXISTS (SELECT FROM {server.OwnSchema.Quoted}.operation WHERE {Open(state.Set.ConfigKey)})";

    /// <summary>Sets whose partitions are being copied, or were when a run ended.</summary>
    public static async Task<IReadOnlyList<string>> OfAllAsync(PgSession session, PartmanServer server) => server.HasOwn
        ? await session.RowsAsync($"SELECT DISTINCT o.parent_table FROM {server.OwnSchema.Quoted}.operation o WHERE o.kind = '{OperationKind.Repartitioning}' AND o.finished_at IS NULL ORDER BY 1", row => row.GetString(0)).ConfigureAwait(false) : [];

    /// <summary>Keeps a set from being forgotten while its writers fill a log that nobody would find any more.</summary>
    /// <exception cref="PartitionSetConfigurationException">What a run left is still there.</exception>
    public static async Task RefuseAsync(PgSession session, PartmanServer server, QualifiedName set)
    {
        if (await session.ScalarAsync(
            $"SELECT EXISTS (SELECT FROM {server.OwnSchema.Quoted}.operation WHERE {Open($"{set.Schema!.Value.Value}.{set.Name.Value}")}) AND pg_catalog.to_regclass($1) IS NOT NULL", PgParameter.Text(set.Quoted)).ConfigureAwait(false) is true)
            throw new PartitionSetConfigurationException(set, $"A repartitioning of '{set}' was left alone, and its writers fill a log.", "Abort the repartitioning first.");
    }

    /// <summary>Takes away what a former run left; returns whether there was something.</summary>
    public async Task<bool> ClearAsync(CancellationToken working)
    {
        var (state, unit) = await database.RunAsync("repartition", async (session, server) =>
        {
            var state = await SetReader.StateAsync(session, server, table).ConfigureAwait(false);
            var left = server.HasOwn
                ? await session.RowAsync($"SELECT detail::text FROM {server.OwnSchema.Quoted}.operation WHERE {Open(state.Set.ConfigKey)} ORDER BY id DESC LIMIT 1", row => row.GetString(0)).ConfigureAwait(false) : null;
            return (state, left is null ? null : await UnitAsync(session, server, state, left).ConfigureAwait(false));
        }, working).ConfigureAwait(false);
        var runner = new UnitRunner(database, options, time);
        if (unit is not null)
            await runner.RunAsync(state, unit, working).ConfigureAwait(false);
        // Another proof of the same ranges would find their names taken.
        if (state.LeftChecks.Count > 0)
            await runner.RunAsync(state, PartitionDdl.DropChecks(state, state.LeftChecks), working).ConfigureAwait(false);
        return unit is not null;
    }

    // By their numbers: under their names there may be others by now. The rows are in the partitions that they were copied from.
    private static async Task<PlanUnit> UnitAsync(PgSession session, PartmanServer server, SetState state, string detail)
    {
        using var json = JsonDocument.Parse(detail);
        var partitions = json.RootElement.GetProperty("partitions").EnumerateArray().Select(e => e.GetUInt32()).ToList();
        var own = Beside.Select(k => json.RootElement.GetProperty(k).GetUInt32()).ToArray();
        var there = await session.RowsAsync(
            "SELECT c.oid, n.nspname::text, c.relname::text, c.relkind::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY ($1) AND c.relkind IN ('r', 'p', 'v')",
            row => (Oid: row.GetFieldValue<uint>(0), Name: QualifiedName.Create(row.GetString(1), row.GetString(2)), Kind: row.GetString(3)),
            PgParameter.Of(partitions.Concat(own).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Oid)).ConfigureAwait(false);
        var former = there.Where(t => partitions.Contains(t.Oid)).ToList();
        QualifiedName? Of(int i, params string[] kinds) => there.FirstOrDefault(t => t.Oid == own[i] && kinds.Contains(t.Kind)) is { Oid: not 0 } found ? found.Name : null;
        var (window, copy, log) = (Of(0, "v"), Of(1, "p"), Of(2, "r"));
        return new PlanUnit
        {
            Kind = "clear-copy",
            Reason = $"A run that copied partitions of '{state.Table}' ended before the copy was attached; every row is where it was.",
            Statements =
            [
                .. former.Select(f => $"LOCK TABLE ONLY {f.Name.Quoted} IN ACCESS EXCLUSIVE MODE"), .. former.SelectMany(f => KeyLog.Unwatch(f.Name)),
                .. window is { } view ? new[] { $"DROP VIEW {view.Quoted}" } : [], .. copy is { } made ? new[] { $"DROP TABLE {made.Quoted}" } : [],
                .. log is { } noted ? new[] { $"DROP FUNCTION IF EXISTS {noted.Quoted}()", $"DROP TABLE {noted.Quoted}" } : [],
                Done(server, state),
            ],
            Locks = [.. former.Select(f => new SqlPlanLock(f.Name, PgLockMode.AccessExclusive))],
            Holds = $"SELECT {IsOpen(server, state)} AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = {own[1].ToString(CultureInfo.InvariantCulture)})",
        };
    }

    private static string Open(string key) => $"kind = '{OperationKind.Repartitioning}' AND finished_at IS NULL AND parent_table = {PgLiteral.Quote(key)}";
}
