using System.Globalization;
using Npgsql;

namespace OmniPg.Partman;

/// <summary>
/// Turns autovacuum off for tables whose rows are being moved, and gives them their own settings back: behind the move, when it fails, and, where the process was
/// killed, at the next call on the table or the next maintenance. What a table was set to stands in the table of operations, in the transaction that changes it.
/// </summary>
internal sealed class AutovacuumPause(PartmanDatabase database, PartmanOptions options, TimeProvider time, QualifiedName table)
{
    /// <summary>Kind of the rows in the table of operations, one for each table that is set otherwise.</summary>
    public const string OperationKind = "autovacuum";

    // Each holds a lock until its transaction ends.
    private const int TablesAtOnce = 50;

    // Of a call that has failed already; whoever comes next tries as well.
    private const int AttemptsBehindFailure = 3;

    private string Key => PgLiteral.Quote($"{table.Schema!.Value.Value}.{table.Name.Value}");

    /// <summary>Condition that tells whether a run left such settings; a live one has them as well.</summary>
    public static string IsLeft => $"o.kind = '{OperationKind}'";

    /// <summary>Works, and gives tables that were set otherwise meanwhile their settings back, whatever becomes of the work.</summary>
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
            try
            {
                var few = new PartmanOptions { LockTimeout = options.LockTimeout, LockAttempts = Math.Min(options.LockAttempts, AttemptsBehindFailure), MaxBackoff = TimeSpan.FromSeconds(1) };
                await new AutovacuumPause(database, few, time, table).EndAsync(CancellationToken.None).ConfigureAwait(false);
            }
            catch (Exception error) when (error is PartmanException or NpgsqlException)
            {
                // The failure that brought us here is the one to tell.
            }
            throw;
        }
        await EndAsync(working).ConfigureAwait(false);
        return result;
    }

    /// <summary>Turns autovacuum off for tables, those of them that have rows of their own and are not noted yet.</summary>
    public async Task BeginAsync(IEnumerable<uint> tables, CancellationToken working)
    {
        foreach (var some in tables.Chunk(TablesAtOnce))
            await RunAsync(server => Suspend(server, some), working).ConfigureAwait(false);
    }

    /// <summary>Gives all tables that are noted their settings back.</summary>
    public async Task EndAsync(CancellationToken working)
    {
        while (await database.RunAsync("look", async (session, server) => server.HasOwn
            && await session.ScalarAsync($"SELECT EXISTS (SELECT FROM {server.OwnSchema.Quoted}.operation o WHERE {IsLeft} AND o.parent_table = {Key})").ConfigureAwait(false) is true, working).ConfigureAwait(false))
        {
            await RunAsync(Resume, working).ConfigureAwait(false);
        }
    }

    /// <summary>Gives back what runs left that were killed. Where one is at work, it does so itself.</summary>
    public static async Task LetGoAsync(PartmanDatabase database, PartmanOptions options, TimeProvider time, CancellationToken cancellationToken)
    {
        var left = await database.RunAsync("look", async (session, server) => server.HasOwn
            ? await session.RowsAsync($"SELECT DISTINCT o.detail ->> 'set' FROM {server.OwnSchema.Quoted}.operation o WHERE {IsLeft} ORDER BY 1", row => QualifiedName.Parse(row.GetString(0))).ConfigureAwait(false) : [], cancellationToken).ConfigureAwait(false);
        foreach (var one in left)
        {
            try
            {
                await RunLock.WithBothAsync(database, one, time, async working =>
                {
                    await new AutovacuumPause(database, options, time, one).EndAsync(working).ConfigureAwait(false);
                    return true;
                }, cancellationToken).ConfigureAwait(false);
            }
            catch (PartmanException)
            {
                // Somebody is at it, or the next run gets its lock.
            }
        }
    }

    private async Task RunAsync(Func<PartmanServer, string> body, CancellationToken working)
    {
        var server = database.Known ?? await database.RunAsync("look", (_, found) => Task.FromResult(found), working).ConfigureAwait(false);
        await new UnitRunner(database, options, time).RunAsync(SetState.OfTable(table, 0, table.Name.Value), new PlanUnit
        {
            Kind = "suspend-autovacuum",
            Reason = $"Autovacuum does not look at the tables whose rows are being moved for '{table}'.",
            Statements = [$"DO {PgLiteral.Quote(body(server))}"],
            Locks = [],
            GoesByNames = true,
        }, working).ConfigureAwait(false);
    }

    private static string Setting(string alias) => $"(SELECT s.option_value FROM pg_catalog.pg_options_to_table({alias}.reloptions) AS s WHERE s.option_name = 'autovacuum_enabled')";

    private const string Lock = "EXECUTE pg_catalog.format('LOCK TABLE ONLY %s IN SHARE UPDATE EXCLUSIVE MODE', t);";

    private static string Now => $"SELECT {Setting("c")}, {Setting("x")}, x.oid IS NOT NULL INTO own, beside, has_toast FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_class x ON x.oid = c.reltoastrelid AND c.reltoastrelid <> 0 WHERE c.oid = t;";

    private string Suspend(PartmanServer server, uint[] tables) =>
        $"""
         DECLARE t pg_catalog.regclass; own pg_catalog.text; beside pg_catalog.text; has_toast pg_catalog.bool; BEGIN
         FOR t IN SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE c.oid = ANY (ARRAY[{string.Join(", ", tables.Select(o => o.ToString(CultureInfo.InvariantCulture)))}]::pg_catalog.oid[]) AND c.relkind = 'r'
                 AND NOT EXISTS (SELECT FROM {server.OwnSchema.Quoted}.operation o WHERE {IsLeft} AND o.child = c.oid) ORDER BY n.nspname, c.relname LOOP
             {Lock}
             {Now}
             EXECUTE pg_catalog.format('ALTER TABLE %s SET (autovacuum_enabled = false%s)', t, CASE WHEN has_toast THEN ', toast.autovacuum_enabled = false' ELSE '' END);
             INSERT INTO {server.OwnSchema.Quoted}.operation (parent_table, child, child_name, kind, phase, detail)
             VALUES ({Key}, t, t::pg_catalog.text, '{OperationKind}', 'Suspended', pg_catalog.jsonb_build_object('set', {PgLiteral.Quote(table.Quoted)}, 'own', own, 'toast', beside));
         END LOOP; END
         """;

    // Whoever has set it himself meanwhile has the last word.
    private string Resume(PartmanServer server) =>
        $"""
         DECLARE n record; t pg_catalog.regclass; own pg_catalog.text; beside pg_catalog.text; has_toast pg_catalog.bool; BEGIN
         FOR n IN SELECT o.id, o.child, o.detail ->> 'own' AS own, o.detail ->> 'toast' AS toast FROM {server.OwnSchema.Quoted}.operation o WHERE {IsLeft} AND o.parent_table = {Key}
             ORDER BY o.child_name LIMIT {TablesAtOnce.ToString(CultureInfo.InvariantCulture)} LOOP
             IF EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = n.child AND c.relkind = 'r') THEN
                 t := n.child;
                 {Lock}
                 {Now}
                 IF own = 'false' THEN
                     EXECUTE 'ALTER TABLE ' || t::pg_catalog.text || CASE WHEN n.own IS NULL THEN ' RESET (autovacuum_enabled)' ELSE pg_catalog.format(' SET (autovacuum_enabled = %L)', n.own) END;
                 END IF;
                 IF beside = 'false' THEN
                     EXECUTE 'ALTER TABLE ' || t::pg_catalog.text || CASE WHEN n.toast IS NULL THEN ' RESET (toast.autovacuum_enabled)' ELSE pg_catalog.format(' SET (toast.autovacuum_enabled = %L)', n.toast) END;
                 END IF;
             END IF;
             DELETE FROM {server.OwnSchema.Quoted}.operation WHERE id = n.id;
         END LOOP; END
         """;
}
