using System.Globalization;

namespace OmniPg.Mimeo;

/// <summary>The whole table in one transaction: emptied, filled, its sequences set. Readers wait from the TRUNCATE to the commit; by DELETE there is none.</summary>
internal static class ReloadMethod
{
    // Columns whose default takes from the sequence, and those that own it (identity, serial).
    private const string Users =
        """
        SELECT DISTINCT n.nspname::text, c.relname::text, a.attname::text
        FROM pg_catalog.pg_depend d
        LEFT JOIN pg_catalog.pg_attrdef f ON d.classid = 'pg_catalog.pg_attrdef'::regclass AND f.oid = d.objid
        JOIN pg_catalog.pg_attribute a ON a.attrelid = coalesce(f.adrelid, d.refobjid) AND a.attnum = coalesce(f.adnum, d.refobjsubid)
        JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE f.oid IS NOT NULL AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = $1
           OR d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = $1 AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
        """;

    public static async Task<RefreshStatus> RefreshAsync(TableRun run, bool keepReaders)
    {
        var table = await RelationInfo.FindAsync(run.Destination, run.Spec.Target).ConfigureAwait(false) ?? throw new DestinationMissingException(run.Spec.Target);
        run.RequireFit(table);
        if (run.Spec.TruncateCascade && !keepReaders)
            await Followers.WarnOfTruncateAsync(run, table).ConfigureAwait(false);
        // A reader that has one table of a group and waits for this one would keep the group from its end, and each would wait for the other.
        await run.Destination.Unlimited.ExecuteAsync(EmptyStatement(run, keepReaders)).ConfigureAwait(false);
        // Behind the DELETE, whose lock lets no further key come.
        if (keepReaders && !run.Spec.TruncateCascade)
            await Followers.RefuseAsync(run, table).ConfigureAwait(false);
        await run.CopyAsync(run.Query(), table.Name, freeze: table.Kind == 'r' && !keepReaders).ConfigureAwait(false);
        foreach (var sequence in run.Spec.Sequences)
            await SetAsync(run.Destination, sequence).ConfigureAwait(false);
        return RefreshStatus.Refreshed;
    }

    /// <summary>Steps of <see cref="RefreshAsync"/>.</summary>
    public static async Task PlanAsync(TableRun run, PlanSteps steps, RelationInfo table, bool keepReaders)
    {
        if (keepReaders && !run.Spec.TruncateCascade)
            await Followers.RefuseAsync(run, table).ConfigureAwait(false);
        else if (!keepReaders && run.Spec.TruncateCascade && await Followers.TruncatedAsync(run, table).ConfigureAwait(false) is { } emptied)
            run.Warnings.Add($"TruncateCascade of '{run.Spec.Target}' would empty as well: {emptied}.");
        if (keepReaders)
            steps.Here("empty", "The former rows go, and no reader waits.", EmptyStatement(run, keepReaders));
        else
            steps.Alone("empty", "The former rows go.", EmptyStatement(run, keepReaders), table.Name, destroys: run.Spec.TruncateCascade);
        steps.Copy(run, run.Query(), table.Name, freeze: table.Kind == 'r' && !keepReaders);
        foreach (var sequence in run.Spec.Sequences)
        {
            if (await SetStatementAsync(run.Destination, sequence).ConfigureAwait(false) is { } sql)
                steps.Here("sequence", $"'{sequence}' goes on behind the largest value.", sql);
        }
    }

    private static string EmptyStatement(TableRun run, bool keepReaders) =>
        keepReaders ? $"DELETE FROM {run.Spec.Target.Quoted}" : $"TRUNCATE {run.Spec.Target.Quoted}{(run.Spec.TruncateCascade ? " CASCADE" : "")}";

    private static async Task SetAsync(PgSession session, QualifiedName sequence)
    {
        if (await SetStatementAsync(session, sequence).ConfigureAwait(false) is { } sql)
            await session.Unlimited.ExecuteAsync(sql).ConfigureAwait(false);
    }

    // Null where no column takes from it.
    private static async Task<string?> SetStatementAsync(PgSession session, QualifiedName sequence)
    {
        var oid = await session.ScalarAsync("SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'S' AND n.nspname = $1 AND c.relname = $2",
            PgParameter.Text(sequence.Schema!.Value.Value), PgParameter.Text(sequence.Name.Value)).ConfigureAwait(false) ?? throw new DestinationMissingException(sequence);
        var users = await session.RowsAsync(Users, row => (Table: QualifiedName.Create(row.GetString(0), row.GetString(1)), Column: PgIdentifier.Create(row.GetString(2))),
            PgParameter.Of(oid, NpgsqlTypes.NpgsqlDbType.Oid)).ConfigureAwait(false);
        if (users.Count == 0)
            return null;
        var largest = string.Join(", ", users.Select(user => $"(SELECT max({user.Column.Quoted}) FROM {user.Table.Quoted})"));
        // setval is strict: without any row the sequence stays as it is.
        return string.Create(CultureInfo.InvariantCulture, $"SELECT pg_catalog.setval({oid}::oid::regclass, GREATEST({largest}))");
    }
}
