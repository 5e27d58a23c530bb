using System.Globalization;
using NpgsqlTypes;

namespace OmniPg.Partman;

/// <summary>Gives all partitions of a set its owner and its grants, no less and no more.</summary>
internal sealed class PartitionPrivileges(PartmanDatabase database, PartmanOptions options, TimeProvider time, QualifiedName table)
{
    // $1 the set: its partitions on all levels whose owner or grants are others than its own, with what makes them equal. Who granted a right is not compared:
    // it goes with the grantor's own, and comes back from the owner. The rights of the owner are compared as those of an owner.
    private const string Differing =
        """
        WITH s AS (SELECT c.relowner AS owner, COALESCE(c.relacl, pg_catalog.acldefault('r', c.relowner)) AS acl FROM pg_catalog.pg_class c WHERE c.oid = $1),
            p AS (SELECT c.oid, t.level, n.nspname, c.relname, c.relkind, c.relowner AS owner, COALESCE(c.relacl, pg_catalog.acldefault('r', c.relowner)) AS acl
                FROM pg_catalog.pg_partition_tree($1) t JOIN pg_catalog.pg_class c ON c.oid = t.relid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE t.level > 0),
            wanted AS (SELECT x.grantee, x.privilege_type AS right, bool_or(x.is_grantable) AS goes_on FROM s, pg_catalog.aclexplode(s.acl) x GROUP BY 1, 2),
            there AS (SELECT p.oid, CASE x.grantee WHEN p.owner THEN s.owner ELSE x.grantee END AS grantee, x.privilege_type AS right, bool_or(x.is_grantable) AS goes_on
                FROM s, p, pg_catalog.aclexplode(p.acl) x GROUP BY 1, 2, 3)
        SELECT p.oid, p.nspname::text, p.relname::text, CASE WHEN p.owner <> s.owner THEN quote_ident(pg_catalog.pg_get_userbyid(s.owner)) END, pg_catalog.pg_get_userbyid(p.owner)::text, pg_catalog.pg_has_role(p.owner, 'USAGE'),
            ARRAY(SELECT {name} FROM there g WHERE g.oid = p.oid GROUP BY g.grantee ORDER BY 1),
            ARRAY(SELECT format('GRANT %s ON %%s TO %s%s', string_agg(g.right, ', ' ORDER BY g.right), {name}, CASE WHEN g.goes_on THEN ' WITH GRANT OPTION' ELSE '' END) FROM wanted g GROUP BY g.grantee, g.goes_on ORDER BY 1),
            ARRAY(SELECT format('GRANT %s (%I) ON %I.%I TO %s%s', g.privilege_type, a.attname, p.nspname, p.relname, {name}, CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
                FROM pg_catalog.pg_attribute a, pg_catalog.aclexplode(a.attacl) g WHERE a.attrelid = p.oid AND a.attnum > 0 AND NOT a.attisdropped AND g.grantee <> p.owner ORDER BY 1), p.relkind = 'f'
        FROM s, p
        WHERE p.owner <> s.owner OR EXISTS (SELECT t.grantee, t.right, t.goes_on FROM there t WHERE t.oid = p.oid EXCEPT SELECT w.grantee, w.right, w.goes_on FROM wanted w)
            OR EXISTS (SELECT w.grantee, w.right, w.goes_on FROM wanted w EXCEPT SELECT t.grantee, t.right, t.goes_on FROM there t WHERE t.oid = p.oid)
        ORDER BY p.level, p.nspname, p.relname
        """;

    private const string Name = "CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_catalog.pg_get_userbyid(g.grantee)) END";

    private sealed record Difference(uint Oid, QualifiedName Partition, string? NewOwner, string Owner, bool IsOwned, IReadOnlyList<string> Grantees, IReadOnlyList<string> Grants, IReadOnlyList<string> OnColumns, bool IsForeign);

    public async Task<SqlPlan> PlanAsync(CancellationToken cancellationToken)
    {
        var (state, units) = await LookAsync(cancellationToken).ConfigureAwait(false);
        return new SqlPlan(units.Select(u => u.ToStep(state, options.LockTimeout)));
    }

    public async Task<IReadOnlyList<QualifiedName>> RunAsync(IProgress<QualifiedName>? progress, CancellationToken working)
    {
        var (state, units) = await LookAsync(working).ConfigureAwait(false);
        var changed = new List<QualifiedName>();
        foreach (var unit in units)
        {
            await new UnitRunner(database, options, time).RunAsync(state, unit, working).ConfigureAwait(false);
            changed.Add(unit.Child!.Value);
            progress?.Report(changed[^1]);
        }
        return changed;
    }

    private Task<(SetState State, IReadOnlyList<PlanUnit> Units)> LookAsync(CancellationToken cancellationToken) => database.RunAsync("reapply privileges", async (session, server) =>
    {
        var state = await SetReader.StateAsync(session, server, table).ConfigureAwait(false);
        var found = await session.RowsAsync(
            Differing.Replace("{name}", Name, StringComparison.Ordinal),
            row => new Difference(row.GetFieldValue<uint>(0), QualifiedName.Create(row.GetString(1), row.GetString(2)), row.Text(3), row.GetString(4), row.GetBoolean(5), row.GetFieldValue<string[]>(6), row.GetFieldValue<string[]>(7), row.GetFieldValue<string[]>(8), row.GetBoolean(9)),
            PgParameter.Of(state.Oid, NpgsqlDbType.Oid)).ConfigureAwait(false);
        if (found.FirstOrDefault(d => !d.IsOwned) is { } foreign)
        {
            throw new PartmanPrivilegeException(
                table, $"'{foreign.Partition}' belongs to '{foreign.Owner}', and role '{server.Role}' is no member of that.", [$"ALTER TABLE {foreign.Partition.Quoted} OWNER TO {PgIdentifier.Create(server.Role).Quoted};"]);
        }
        return (state, (IReadOnlyList<PlanUnit>)[.. found.Select(d => Reapply(state, d))]);
    }, cancellationToken);

    private static PlanUnit Reapply(SetState state, Difference difference)
    {
        var child = difference.Partition;
        var mode = difference.NewOwner is null ? PgLockMode.ShareUpdateExclusive : PgLockMode.AccessExclusive;
        return new PlanUnit
        {
            Kind = "reapply-privileges",
            Child = child,
            ChildOid = difference.Oid,
            Reason = $"'{child}' gets the {(difference.NewOwner is null ? "grants" : "owner and the grants")} of '{state.Table}'.",
            Statements =
            [
                // A foreign table is none that the server locks by a statement (RangeVarCallbackForLockTable, src/backend/commands/lockcmds.c).
                .. difference.IsForeign ? [] : new[] { $"LOCK TABLE ONLY {child.Quoted} IN {(mode == PgLockMode.AccessExclusive ? "ACCESS EXCLUSIVE" : "SHARE UPDATE EXCLUSIVE")} MODE" },
                .. difference.NewOwner is { } owner ? new[] { $"ALTER TABLE {child.Quoted} OWNER TO {owner}" } : [],
                .. difference.Grantees.Select(g => $"REVOKE ALL ON {child.Quoted} FROM {g} CASCADE"),
                // Who loses a right on a table loses it on each of its columns.
                .. difference.Grants.Select(g => PartitionDdl.Fill(g, child)).Concat(difference.OnColumns),
            ],
            Locks = difference is { IsForeign: true, NewOwner: null } ? [] : [new SqlPlanLock(child, mode)],
            // Whoever detached it meanwhile may want to give other rights on it.
            Holds = $"SELECT EXISTS (SELECT FROM pg_catalog.pg_partition_ancestors({Oid(difference.Oid)}) AS a (relid) WHERE a.relid::pg_catalog.oid = {Oid(state.Oid)})",
        };
    }

    private static string Oid(uint oid) => oid.ToString(CultureInfo.InvariantCulture);
}
