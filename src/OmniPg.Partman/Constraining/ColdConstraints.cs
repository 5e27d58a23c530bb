using System.Security.Cryptography;
using System.Text;
using Npgsql;
using NpgsqlTypes;

namespace OmniPg.Partman;

/// <summary>
/// Tells the planner what columns beside the control one hold in partitions that are written to no more: a check of the least and the greatest value, named as
/// the extension names it (<c>apply_constraints</c>), so that each finds those of the other.
/// </summary>
internal sealed class ColdConstraints(PartmanDatabase database, PartmanOptions options, TimeProvider time, QualifiedName table)
{
    /// <summary>Beginning of their names.</summary>
    public const string NamePrefix = "partmanconstr_";
    private const int LongestColumn = 40;

    // $1 partitions: their constraints of this kind, with the columns that they are about.
    private const string Present =
        """
        SELECT k.conrelid, k.conname::text, k.convalidated, ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a WHERE a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey))
        FROM pg_catalog.pg_constraint k WHERE k.conrelid = ANY ($1) AND k.contype = 'c' AND pg_catalog.starts_with(k.conname::text, $2) AND k.coninhcount = 0 ORDER BY 1, 2
        """;

    // $1 the set, $2 columns: those that it does not have, or that have no order.
    private const string Unfit =
        """
        SELECT c.c, format_type(a.atttypid, a.atttypmod) FROM unnest($2) WITH ORDINALITY AS c (c, place)
        LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = $1 AND a.attname = c.c AND a.attnum > 0 AND NOT a.attisdropped LEFT JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
        WHERE a.attname IS NULL OR t.typcategory NOT IN ('D', 'N', 'S', 'T', 'I', 'E', 'B') AND t.typname <> 'uuid' ORDER BY c.place
        """;

    private sealed record Constraint(uint Partition, PgIdentifier Name, bool IsValid, string[] Columns);

    private sealed record Look(SetState State, IReadOnlyList<Partition> Cold, ILookup<uint, Constraint> Present, IReadOnlyList<string> Columns, bool Validate);

    public async Task<IReadOnlyList<ConstrainedColumn>> ApplyAsync(ConstraintOptions wish, IProgress<ConstrainedColumn>? progress, CancellationToken working)
    {
        var look = await LookAsync(wish, working).ConfigureAwait(false);
        var told = new List<ConstrainedColumn>();
        foreach (var partition in look.Cold)
        {
            foreach (var column in look.Columns)
            {
                if (await OneAsync(look, partition, column, working).ConfigureAwait(false) is not { } outcome)
                    continue;
                told.Add(new ConstrainedColumn(partition.Name, column, outcome));
                progress?.Report(told[^1]);
            }
        }
        return told;
    }

    public async Task<IReadOnlyList<ConstrainedColumn>> DropAsync(IReadOnlyList<string>? columns, CancellationToken working)
    {
        var look = await LookAsync(new ConstraintOptions { Columns = columns, Distance = 1 }, working, isDrop: true).ConfigureAwait(false);
        var told = new List<ConstrainedColumn>();
        foreach (var partition in look.State.Partitions)
        {
            var some = look.Present[partition.Oid].Where(c => columns is null || c.Columns.Any(columns.Contains)).ToList();
            if (some.Count == 0)
                continue;
            await RunAsync(look.State, Changed(partition, "drop-constraints", $"'{partition.Name}' takes all values again.", string.Join(", ", some.Select(c => $"DROP CONSTRAINT {c.Name.Quoted}"))), working).ConfigureAwait(false);
            told.AddRange(some.Select(c => new ConstrainedColumn(partition.Name, string.Join(", ", c.Columns), ConstraintFate.Dropped)));
        }
        return told;
    }

    public async Task<SqlPlan> PlanAsync(ConstraintOptions wish, CancellationToken cancellationToken)
    {
        var look = await LookAsync(wish, cancellationToken).ConfigureAwait(false);
        var units = new List<PlanUnit>();
        foreach (var partition in look.Cold)
        {
            foreach (var column in look.Columns)
            {
                var present = look.Present[partition.Oid].FirstOrDefault(c => c.Columns.Contains(column));
                if (present is null && await CheckAsync(look.State, partition, column, cancellationToken).ConfigureAwait(false) is { } check)
                    units.AddRange([Add(partition, column, check), .. look.Validate ? [Prove(partition, NameOf(partition, column))] : Array.Empty<PlanUnit>()]);
                else if (present is { IsValid: false } && look.Validate)
                    units.Add(Prove(partition, present.Name));
            }
        }
        return new SqlPlan(units.Select(u => u.ToStep(look.State, options.LockTimeout)));
    }

    private async Task<ConstraintFate?> OneAsync(Look look, Partition partition, string column, CancellationToken working)
    {
        var present = look.Present[partition.Oid].FirstOrDefault(c => c.Columns.Contains(column));
        if (present is { IsValid: true } || (present is not null && !look.Validate))
            return null;
        if (present is null)
        {
            if (await CheckAsync(look.State, partition, column, working).ConfigureAwait(false) is not { } check)
                return ConstraintFate.NoValues;
            await RunAsync(look.State, Add(partition, column, check), working).ConfigureAwait(false);
        }
        if (!look.Validate)
            return ConstraintFate.Added;
        var name = present?.Name ?? NameOf(partition, column);
        try
        {
            await RunAsync(look.State, Prove(partition, name), working).ConfigureAwait(false);
            return present is null ? ConstraintFate.Added : ConstraintFate.Validated;
        }
        catch (PartmanServerException error) when (error.SqlState == PostgresErrorCodes.CheckViolation)
        {
            // It would go on refusing what lies beyond values that are out of date.
            await RunAsync(look.State, Changed(partition, "drop-constraints", $"Rows beyond '{name}' came meanwhile.", $"DROP CONSTRAINT {name.Quoted}"), working).ConfigureAwait(false);
            return ConstraintFate.WrittenMeanwhile;
        }
    }

    private Task RunAsync(SetState state, PlanUnit unit, CancellationToken working) => new UnitRunner(database, options, time).RunAsync(state, unit, working);

    // The least and the greatest value by the order of the column itself, written by the server as literals of its type; null where it holds nulls only.
    private Task<string?> CheckAsync(SetState state, Partition partition, string column, CancellationToken cancellationToken) => database.RunAsync("constrain", async (session, _) =>
    {
        await session.ExecuteAsync(PartmanDatabase.ReadableText).ConfigureAwait(false);
        await session.ExecuteAsync(PartmanDatabase.AllRows).ConfigureAwait(false);
        var name = PgIdentifier.Create(column).Quoted;
        string End(string order) => $"(SELECT s.{name}::text FROM {partition.Name.Quoted} AS s WHERE s.{name} IS NOT NULL ORDER BY s.{name} {order} LIMIT 1)";
        return await session.Unlimited.ScalarAsync(
            $"SELECT format('%1$I >= %2$L::%4$s AND %1$I <= %3$L::%4$s', $1, e.least, e.most, (SELECT pg_catalog.format_type(a.atttypid, a.atttypmod) FROM pg_catalog.pg_attribute a WHERE a.attrelid = $2 AND a.attname = $1)) "
                + $"FROM (SELECT {End("ASC")}, {End("DESC")}) AS e (least, most) WHERE e.least IS NOT NULL",
            PgParameter.Text(column), PgParameter.Of(partition.Oid, NpgsqlDbType.Oid)).ConfigureAwait(false) as string;
    }, cancellationToken);

    private static PlanUnit Add(Partition partition, string column, string check) => Changed(
        partition, "constrain-partition", $"'{column}' of '{partition.Name}' holds nothing else.", $"ADD CONSTRAINT {NameOf(partition, column).Quoted} CHECK ({check}) NOT VALID");

    private static PlanUnit Prove(Partition partition, PgIdentifier name) => Changed(partition, "prove-constraint", $"One scan of '{partition.Name}' beside readers and writers.", $"VALIDATE CONSTRAINT {name.Quoted}", PgLockMode.ShareUpdateExclusive);

    private static PlanUnit Changed(Partition partition, string kind, string reason, string action, PgLockMode mode = PgLockMode.AccessExclusive) => new()
    {
        Kind = kind,
        Child = partition.Name,
        ChildOid = partition.Oid,
        Reason = reason,
        Statements = [$"LOCK TABLE ONLY {partition.Name.Quoted} IN {(mode == PgLockMode.AccessExclusive ? "ACCESS EXCLUSIVE" : "SHARE UPDATE EXCLUSIVE")} MODE", $"ALTER TABLE {partition.Name.Quoted} {action}"],
        Locks = [new SqlPlanLock(partition.Name, mode)],
    };

    // The end tells the column, and is kept; of a name that leaves no room for the partition's, a digest.
    private static PgIdentifier NameOf(Partition partition, string column) => PartitionName.Fit(
        NamePrefix + partition.Name.Name.Value, "_" + (Encoding.UTF8.GetByteCount(column) <= LongestColumn ? column : Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(column)))[..16]));

    private Task<Look> LookAsync(ConstraintOptions wish, CancellationToken cancellationToken, bool isDrop = false) => database.RunAsync("constrain", async (session, server) =>
    {
        if (server.IsReadOnly)
            throw Refusal.ReadOnly(server);
        var state = (await SetReader.StateAsync(session, server, table).ConfigureAwait(false)).RequireIdle();
        if (state.Set.Basis == PremakeBasis.NewestRow || !state.Key.IsTime)
            state = state with { Newest = await SetReader.NewestAsync(session, state).ConfigureAwait(false) };
        var configured = await session.RowAsync(
            $"SELECT {Column(server, "constraint_cols", "NULL::text[]")}, {Column(server, "optimize_constraint", "30")}, {Column(server, "constraint_valid", "true")} FROM {server.ConfigSchema.Quoted}.part_config g WHERE g.parent_table = $1",
            row => (Columns: row.IsDBNull(0) ? null : row.GetFieldValue<string[]>(0), Distance: row.GetInt32(1), Validate: row.GetBoolean(2)), PgParameter.Text(state.Set.ConfigKey)).ConfigureAwait(false);
        var columns = wish.Columns ?? configured.Columns ?? [];
        var unfit = (await session.RowsAsync(Unfit, row => (Name: row.GetString(0), Type: row.Text(1)), PgParameter.Of(state.Oid, NpgsqlDbType.Oid), PgParameter.Texts(columns)).ConfigureAwait(false))
            .Select(u => new InvalidDefinition(InvalidDefinitionReason.ControlMismatch, u.Type is null ? $"There is no column '{u.Name}'." : $"Column '{u.Name}' of type '{u.Type}' has no order.")).ToList();
        if (columns.Contains(state.Set.Control))
            unfit.Add(new InvalidDefinition(InvalidDefinitionReason.ControlMismatch, $"'{state.Set.Control}' is what it is partitioned by, and bounded already."));
        if (columns.Count == 0 && !isDrop)
            unfit.Add(new InvalidDefinition(InvalidDefinitionReason.ControlMismatch, "No column is named, and none in the configuration ('constraint_cols')."));
        if (!state.IsOwned)
            unfit.Add(new InvalidDefinition(InvalidDefinitionReason.NotOwned, $"Role '{server.Role}' does not own it."));
        if (unfit.Count > 0)
            throw new InvalidPartitionDefinitionException(table, unfit, "have its partitions constrained");
        var ended = Expiry.Reached(state) is { } current ? state.Partitions.Where(p => !p.DetachPending && p.Upper <= current).Reverse().Skip((wish.Distance ?? Math.Max(1, configured.Distance)) - 1).Reverse().ToList() : [];
        var present = await session.RowsAsync(
            Present, row => new Constraint(row.GetFieldValue<uint>(0), PgIdentifier.Create(row.GetString(1)), row.GetBoolean(2), row.GetFieldValue<string[]>(3)),
            PgParameter.Of(state.Partitions.Select(p => p.Oid).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Oid), PgParameter.Text(NamePrefix)).ConfigureAwait(false);
        return new Look(state, ended, present.ToLookup(p => p.Partition), columns, wish.Validate ?? configured.Validate);
    }, cancellationToken);

    private static string Column(PartmanServer server, string name, string otherwise) => server.Columns.Contains(name) ? "g." + name : otherwise;
}
