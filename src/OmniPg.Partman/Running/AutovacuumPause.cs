using System.Globalization;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace OmniPg.Partman;

/// <summary>
/// Turns autovacuum off for tables whose rows are being moved, and gives them their own settings back: behind the move, when it fails, and, where the process was
/// killed or a table could not be had, at the next call on the table or the next maintenance. What a table was set to stands in the table of operations, in the
/// transaction that changes it.
/// </summary>
internal sealed class AutovacuumPause(PartmanDatabase database, PartmanOptions options, ILogger logger, TimeProvider time, QualifiedName table)
{
    // Each holds a lock until its transaction ends.
    private const int TablesAtOnce = 50;

    // To give back; whoever comes next tries as well.
    private const int MostAttempts = 3;
    private const int PauseFraction = 30;

    private const string OwnSetting = "autovacuum_enabled";
    private const string ToastSetting = "toast.autovacuum_enabled";

    // Asked for already: whoever moves rows partition by partition asks again before each of them.
    private readonly HashSet<uint> _suspended = [];

    private string Key => PgLiteral.Quote($"{table.Schema!.Value.Value}.{table.Name.Value}");

    /// <summary>Condition that tells whether a run left such settings; a live one has them as well.</summary>
    public static string IsLeft => $"o.kind = '{OperationKind.Autovacuum}'";

    /// <summary>A table that is set otherwise, with what it was set to: null where it had no setting.</summary>
    private sealed record Note(long Id, uint Table, string? Own, string? Toast);

    /// <summary>A table that did not get its settings back.</summary>
    /// <param name="Set">The set whose rows were moved, as the configuration names it.</param>
    /// <param name="Table">The table, quoted.</param>
    /// <param name="Why">What the server said.</param>
    /// <param name="Remedy">The statement that gives them back.</param>
    internal sealed record Refused(string Set, string Table, string Why, string Remedy);

    /// <summary>Works, and gives tables that were set otherwise meanwhile their settings back, whatever becomes of the work. A table that cannot be had is left for later.</summary>
    public async Task<T> AroundAsync<T>(Func<Task<T>> work, CancellationToken working)
    {
        await EndAsync(working).ConfigureAwait(false);
        T result;
        try
        {
            result = await work().ConfigureAwait(false);
        }
        catch
        {
            // The failure that brought us here is the one to tell.
            await TryEndAsync().ConfigureAwait(false);
            throw;
        }
        // What is done is done, and its result is lost for nothing, not for a cancel either.
        await TryEndAsync().ConfigureAwait(false);
        return result;
    }

    /// <summary>
    /// Turns autovacuum off for tables, those of them that have rows of their own and are not noted yet. One that somebody holds, perhaps a vacuum that nobody may end, is left as
    /// it is and logged: rows can move there as well.
    /// </summary>
    public async Task BeginAsync(IEnumerable<uint> tables, CancellationToken working)
    {
        foreach (var some in tables.Where(t => !_suspended.Contains(t)).Chunk(TablesAtOnce))
        {
            await RunAsync("suspend-autovacuum", options, server => Suspend(server, some), working).ConfigureAwait(false);
            _suspended.UnionWith(some);
            foreach (var left in await database.RunAsync("look", (session, server) => session.RowsAsync(
                $"SELECT format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY ($1) AND c.relkind = 'r' AND NOT EXISTS (SELECT FROM {server.OwnSchema.Quoted}.operation o WHERE {IsLeft} AND o.child = c.oid) ORDER BY 1",
                row => row.GetString(0), PgParameter.Of(some, NpgsqlTypes.NpgsqlDbType.Array | NpgsqlTypes.NpgsqlDbType.Oid)), working).ConfigureAwait(false))
                PartmanLog.AutovacuumKept(logger, left);
        }
    }

    /// <summary>What a plan says of it: the tables are told, because some of them are not there yet.</summary>
    /// <param name="steps">The steps that move rows.</param>
    /// <param name="tables">Whose setting changes, as a sentence goes on.</param>
    public IEnumerable<SqlPlanStep> Around(IEnumerable<SqlPlanStep> steps, string tables) =>
    [
        Step("suspend-autovacuum", $"Autovacuum leaves the tables alone whose rows are being moved for '{table}'.", $"set {OwnSetting} to off on {tables}, and on their TOAST; what each was set to is noted in the same transaction"),
        .. steps,
        Step("resume-autovacuum", $"Every table gets back what it was set to; so it does when '{table}' is left before that.", $"set {OwnSetting} back on {tables}, table by table; one that is held is left to the next maintenance"),
    ];

    private static SqlPlanStep Step(string kind, string reason, string description) => new() { Kind = kind, Reason = reason, Description = description, OwnTransaction = true, Locks = [] };

    /// <summary>Gives all tables that are noted their settings back. Those that somebody else holds, or owns, stay noted, and are logged.</summary>
    public async Task EndAsync(CancellationToken working)
    {
        var few = new PartmanOptions { LockTimeout = options.LockTimeout, LockAttempts = Math.Min(options.LockAttempts, MostAttempts), MaxBackoff = options.MaxBackoff };
        for (var attempt = 1; ; attempt++)
        {
            var notes = await NotesAsync(working).ConfigureAwait(false);
            if (notes.Count == 0)
                return;
            if (attempt > few.LockAttempts)
                break;
            if (attempt > 1)
                await Task.Delay(few.MaxBackoff / PauseFraction, time, working).ConfigureAwait(false);
            foreach (var some in notes.Chunk(TablesAtOnce))
                await RunAsync("resume-autovacuum", few, server => Resume(server, some), working).ConfigureAwait(false);
        }
        foreach (var left in await database.RunAsync("look", (session, server) => RefusedAsync(session, server, $"o.parent_table = {Key}"), working).ConfigureAwait(false))
            PartmanLog.AutovacuumLeft(logger, left.Table, left.Why, left.Remedy);
    }

    /// <summary>Gives back what runs left that were killed, or could not give back. Where one is at work, it does so itself.</summary>
    public static async Task LetGoAsync(PartmanDatabase database, PartmanOptions options, ILogger logger, TimeProvider time, CancellationToken cancellationToken)
    {
        var left = await database.RunAsync("look", async (session, server) => server.HasOwn
            ? await session.RowsAsync($"SELECT DISTINCT o.detail ->> 'set' FROM {server.OwnSchema.Quoted}.operation o WHERE {IsLeft} ORDER BY 1", row => QualifiedName.Parse(row.GetString(0))).ConfigureAwait(false) : [], cancellationToken).ConfigureAwait(false);
        foreach (var one in left)
        {
            try
            {
                await RunLock.WithBothAsync(database, one, time, async working =>
                {
                    await new AutovacuumPause(database, options, logger, time, one).EndAsync(working).ConfigureAwait(false);
                    return true;
                }, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception error) when (error is PartmanException or NpgsqlException)
            {
                // Somebody is at it, or the next run gets its lock.
            }
        }
    }

    /// <summary>Tables that could not be given back, or that a run left which is at work no more; of all sets or of those that a condition chooses.</summary>
    public static async Task<IReadOnlyList<Refused>> RefusedAsync(PgSession session, PartmanServer server, string condition = "true") => !server.HasOwn ? [] : await session.RowsAsync(
        $"SELECT o.parent_table, format('%I.%I', n.nspname, c.relname), COALESCE(o.error, 'the run was ended before it could give the setting back'), o.detail ->> 'own', o.detail ->> 'toast', c.reltoastrelid <> 0 FROM {server.OwnSchema.Quoted}.operation o JOIN pg_catalog.pg_class c ON c.oid = o.child "
            + "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_catalog.pg_class x ON x.oid = c.reltoastrelid AND c.reltoastrelid <> 0 "
            + $"WHERE {IsLeft} AND (o.error IS NOT NULL OR {RunLock.IsFree("o.parent_table")}) AND 'false' IN ({Setting("c")}, {Setting("x")}) AND {condition} ORDER BY o.child_name",
        row => new Refused(row.GetString(0), row.GetString(1), row.GetString(2), $"ALTER TABLE {row.GetString(1)} {Back(OwnSetting, row.Text(3))}{(row.GetBoolean(5) ? $", {Back(ToastSetting, row.Text(4))}" : "")};")).ConfigureAwait(false);

    private async Task TryEndAsync()
    {
        // Another run may be at work, whose tables these are by now.
        if (RunLock.IsLost)
        {
            PartmanLog.AutovacuumNotGivenBack(logger, table.ToString(), new PartmanBusyException(table, "whoever took over"));
            return;
        }
        try
        {
            await EndAsync(CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception error) when (error is PartmanException or NpgsqlException)
        {
            PartmanLog.AutovacuumNotGivenBack(logger, table.ToString(), error);
        }
    }

    private Task<IReadOnlyList<Note>> NotesAsync(CancellationToken working) => database.RunAsync("look", async (session, server) => !server.HasOwn ? [] : await session.RowsAsync(
        $"SELECT o.id, o.child, o.detail ->> 'own', o.detail ->> 'toast' FROM {server.OwnSchema.Quoted}.operation o WHERE {IsLeft} AND o.parent_table = {Key} ORDER BY o.child_name",
        row => new Note(row.GetInt64(0), row.GetFieldValue<uint>(1), row.Text(2), row.Text(3))).ConfigureAwait(false), working);

    private async Task RunAsync(string kind, PartmanOptions by, Func<PartmanServer, string> body, CancellationToken working)
    {
        var server = database.Known ?? await database.RunAsync("look", (_, found) => Task.FromResult(found), working).ConfigureAwait(false);
        await new UnitRunner(database, by, time).RunAsync(SetState.OfTable(table, 0, table.Name.Value), new PlanUnit
        {
            Kind = kind,
            Reason = $"Autovacuum does not look at the tables whose rows are being moved for '{table}'.",
            Statements = [$"DO {PgLiteral.Quote(body(server))}"],
            Locks = [],
            GoesByNames = true,
        }, working).ConfigureAwait(false);
    }

    private static string Back(string setting, string? former) =>
        $"{(former is null ? "RESET" : "SET")} ({setting}{(former is null ? "" : $" = {PgLiteral.Quote(former)}")})";

    private static string Number(long number) => number.ToString(CultureInfo.InvariantCulture);

    private static string Setting(string alias) => $"(SELECT s.option_value FROM pg_catalog.pg_options_to_table({alias}.reloptions) AS s WHERE s.option_name = '{OwnSetting}')";

    private const string Lock = "EXECUTE pg_catalog.format('LOCK TABLE ONLY %s IN SHARE UPDATE EXCLUSIVE MODE', t);";

    private static string Now => $"SELECT {Setting("c")}, {Setting("x")}, x.oid IS NOT NULL, c.xmin::text INTO own, beside, has_toast, version FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_class x ON x.oid = c.reltoastrelid AND c.reltoastrelid <> 0 WHERE c.oid = t;";

    private const string Variables = "t pg_catalog.regclass; own pg_catalog.text; beside pg_catalog.text; has_toast pg_catalog.bool; version pg_catalog.text;";

    private string Suspend(PartmanServer server, uint[] tables) =>
        $"""
         DECLARE {Variables} BEGIN
         FOR t IN SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE c.oid = ANY (ARRAY[{string.Join(", ", tables.Select(o => Number(o)))}]::pg_catalog.oid[]) AND c.relkind = 'r'
                 AND NOT EXISTS (SELECT FROM {server.OwnSchema.Quoted}.operation o WHERE {IsLeft} AND o.child = c.oid) ORDER BY n.nspname, c.relname LOOP
             BEGIN
                 {Lock}
                 {Now}
                 EXECUTE pg_catalog.format('ALTER TABLE %s SET ({OwnSetting} = false%s)', t, CASE WHEN has_toast THEN ', {ToastSetting} = false' ELSE '' END);
                 INSERT INTO {server.OwnSchema.Quoted}.operation (parent_table, child, child_name, kind, phase, detail)
                 VALUES ({Key}, t, t::pg_catalog.text, '{OperationKind.Autovacuum}', 'Suspended', pg_catalog.jsonb_build_object('set', {PgLiteral.Quote(table.Quoted)}, 'own', own, 'toast', beside));
             EXCEPTION WHEN lock_not_available OR insufficient_privilege THEN
                 NULL;
             END;
         END LOOP; END
         """;

    // Whoever has set it himself meanwhile has the last word. A table that somebody holds, or has taken over, does not keep the others. What a retirement has noted
    // of a table goes by the version of its row, and this is nobody who touched it.
    private static string Resume(PartmanServer server, IEnumerable<Note> notes) =>
        $"""
         DECLARE n record; {Variables} BEGIN
         FOR n IN SELECT v.* FROM (VALUES {string.Join(", ", notes.Select((n, i) => $"({i}, {Number(n.Id)}::pg_catalog.int8, {Number(n.Table)}::pg_catalog.oid, {PgLiteral.Quote(Back(OwnSetting, n.Own))}, {PgLiteral.Quote(Back(ToastSetting, n.Toast))})"))})
             AS v (place, id, child, own, toast) ORDER BY v.place LOOP
             BEGIN
                 IF EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = n.child AND c.relkind = 'r') THEN
                     t := n.child;
                     {Now}
                     IF 'false' IN (own, beside) THEN
                         {Lock}
                         {Now}
                     END IF;
                     IF own = 'false' THEN EXECUTE pg_catalog.format('ALTER TABLE %s %s', t, n.own); END IF;
                     IF beside = 'false' THEN EXECUTE pg_catalog.format('ALTER TABLE %s %s', t, n.toast); END IF;
                     UPDATE {server.OwnSchema.Quoted}.operation o SET detail = o.detail || pg_catalog.jsonb_build_object('version', c.xmin::text)
                     FROM pg_catalog.pg_class c WHERE c.oid = n.child AND o.child = c.oid AND o.kind = '{OperationKind.Retirement}' AND o.detail ->> 'version' = version;
                 END IF;
                 DELETE FROM {server.OwnSchema.Quoted}.operation WHERE id = n.id;
             EXCEPTION WHEN lock_not_available OR insufficient_privilege THEN
                 UPDATE {server.OwnSchema.Quoted}.operation SET error = SQLERRM, updated_at = pg_catalog.clock_timestamp() WHERE id = n.id;
             END;
         END LOOP; END
         """;
}
