using System.Globalization;
using NpgsqlTypes;

namespace OmniPg.Partman;

/// <summary>
/// Gives a set other boundaries: first the configuration says so, then partitions make room for others, group by group. Each group is replaced in one transaction,
/// so that a run that ends early leaves a sound set, and the next one goes on with the groups that are left.
/// </summary>
internal sealed class Repartitioner(PartmanDatabase database, PartmanOptions options, TimeProvider time, QualifiedName table, RepartitionOptions wish)
{
    private const int MaxLooks = 5;
    private const string What = "be repartitioned";

    private RegroupCopy.Pace Pace => new(wish.BatchSize, wish.PauseBetweenBatches, wish.KeepTables);

    /// <summary>The set as it is and as it will be, and what makes it so.</summary>
    private sealed record Look(SetState State, SetState Wished, string Version, ParentShape Shape, LiveTable Live, IReadOnlyList<Regroup> Groups, bool IsChanged);

    public async Task<SqlPlan> PlanAsync(CancellationToken cancellationToken)
    {
        var (look, server) = await LookAsync(cancellationToken).ConfigureAwait(false);
        var steps = new List<SqlPlanStep>();
        if (look.IsChanged)
            steps.Add(Change(server, look).ToStep(look.State, options.LockTimeout));
        foreach (var group in look.Groups)
        {
            if (!group.HasRows)
                steps.Add(Exchange(look, group).ToStep(look.State, options.LockTimeout));
            else
                steps.AddRange(new RegroupCopy(database, options, time, look.Wished, look.Shape, look.Live, group, Pace, null).Steps(server));
        }
        return new SqlPlan(steps);
    }

    public async Task<RepartitionResult> RunAsync(IProgress<RepartitionProgress>? progress, CancellationToken working)
    {
        await new RegroupLeftovers(database, options, time, table).ClearAsync(working).ConfigureAwait(false);
        var runner = new UnitRunner(database, options, time);
        var (look, server) = await LookAsync(working).ConfigureAwait(false);
        if (look.IsChanged)
            await runner.RunAsync(look.State, Change(server, look), working).ConfigureAwait(false);
        var done = new List<RepartitionedGroup>();
        foreach (var group in look.Groups)
        {
            var (rows, hasRows) = (0L, group.HasRows);
            try
            {
                if (!hasRows)
                    await runner.RunAsync(look.State, Exchange(look, group), working).ConfigureAwait(false);
            }
            catch (PartmanServerException error) when (error.SqlState == Refusal.Filled)
            {
                // Empty when it was looked at; a writer was faster.
                if (!wish.Rewrite)
                    throw new StalePlanException(table, "exchange-partitions", $"nothing: {(error.InnerException as Npgsql.PostgresException)?.MessageText}");
                hasRows = true;
            }

            if (hasRows)
                rows = await new RegroupCopy(database, options, time, look.Wished, look.Shape, look.Live, group, Pace, progress).RunAsync(working).ConfigureAwait(false);
            done.Add(new RepartitionedGroup([.. group.Former.Select(f => f.Name)], [.. group.New.Select(n => n.Name)], rows));
        }
        return new RepartitionResult((await SetReader.StateAsync(database, table, withBytes: false, working).ConfigureAwait(false)).Set, done);
    }

    private Task<(Look Look, PartmanServer Server)> LookAsync(CancellationToken cancellationToken) => SteadyAsync(() => LookOnceAsync(cancellationToken));

    /// <summary>Looks anew when somebody altered a partition between two reads of one look, as a TRUNCATE does: nothing was planned by what was seen.</summary>
    public static async Task<TLook> SteadyAsync<TLook>(Func<Task<TLook>> lookOnce)
    {
        for (var look = 1; ; look++)
        {
            try
            {
                return await lookOnce().ConfigureAwait(false);
            }
            catch (StalePlanException) when (look < MaxLooks)
            {
            }
        }
    }

    /// <summary>The set as its partitions are copied by: idle, with its newest row, in a session that reads all rows and writes values as they are read.</summary>
    public static async Task<(SetReader.Configured Found, SetState State)> FoundAsync(PgSession session, PartmanServer server, QualifiedName table)
    {
        if (server.IsReadOnly)
            throw Refusal.ReadOnly(server);
        var found = await SetReader.ConfiguredAsync(session, server, table).ConfigureAwait(false) is [var one, ..] ? one : throw Refusal.NotFound(table, server);
        if (found.Error is { } error)
            throw error;
        await session.ExecuteAsync(PartmanDatabase.ReadableText).ConfigureAwait(false);
        await session.ExecuteAsync(PartmanDatabase.AllRows).ConfigureAwait(false);
        var state = (await SetReader.StatesAsync(session, [found]).ConfigureAwait(false))[0].RequireIdle();
        if (state.Set.Basis == PremakeBasis.NewestRow || !state.Key.IsTime)
            state = state with { Newest = await SetReader.NewestAsync(session, state).ConfigureAwait(false) };
        return (found, state);
    }

    private Task<(Look Look, PartmanServer Server)> LookOnceAsync(CancellationToken cancellationToken) => database.RunAsync("repartition", async (session, server) =>
    {
        var (found, state) = await FoundAsync(session, server, table).ConfigureAwait(false);
        Require(await ReasonsAsync(session, server, state).ConfigureAwait(false));

        var candidates = Candidates(state);
        var isChanged = state.Set.Interval != wish.Interval || state.Set.IdInterval != wish.IdInterval;
        var wished = isChanged ? state with { Set = state.Set with { Interval = wish.Interval, IdInterval = wish.IdInterval, Anchor = await AnchorAsync(session, state, candidates).ConfigureAwait(false) } } : state;
        var mayReachBeyond = state.Default is null || (state.Default.TableBytes < options.SafeAttachBytes && await session.ScalarAsync($"SELECT EXISTS (SELECT FROM ONLY {state.Default.Name.Quoted})").ConfigureAwait(false) is false);
        var groups = await Regroup.AllAsync(session, wished, candidates, mayReachBeyond, options.MaxPartitionsPerRun).ConfigureAwait(false);
        var live = (await LiveTable.ReadAsync(session, state.Oid).ConfigureAwait(false))!;
        var shape = await ParentShape.ReadAsync(session, table, state.Oid, state.Set.Template).ConfigureAwait(false);
        var traits = await PartitionTrait.ReadAsync(session, wished, shape, groups.SelectMany(g => g.Former)).ConfigureAwait(false);
        var (sound, reasons) = (new List<Regroup>(), new List<InvalidDefinition>());
        foreach (var group in groups)
        {
            var digest = await session.ScalarAsync(PartitionTrait.DigestOf(wished, shape, group.Former)).ConfigureAwait(false) as string;
            sound.Add((await SoundAsync(session, wished, live, group, reasons).ConfigureAwait(false)).With(traits, reasons) with { Digest = digest! });
        }
        Require(reasons);
        return (new Look(state, wished, found.Version, shape, live, sound, isChanged), server);
    }, cancellationToken);

    private void Require(List<InvalidDefinition> reasons)
    {
        if (reasons.Count > 0)
            throw new InvalidPartitionDefinitionException(table, reasons, What);
    }

    private async Task<List<InvalidDefinition>> ReasonsAsync(PgSession session, PartmanServer server, SetState state)
    {
        var reasons = new List<InvalidDefinition>();
        if (state.Set.IsInExtension)
            reasons.Add(new(InvalidDefinitionReason.Unsupported, "The extension counts the bounds of all its partitions by the one interval of its row: keep the set with PartmanStore.Own."));
        if ((state.Set.Interval is null) != (wish.Interval is null))
            reasons.Add(new(InvalidDefinitionReason.Interval, $"It is a set by {(state.Set.Interval is null ? "id" : "time")}, and '{wish.Interval?.ToString() ?? wish.IdInterval!.Value.ToString(CultureInfo.InvariantCulture)}' is none of its intervals."));
        if (state.Key.Type == "date" && wish.Interval is { } days && days.Microseconds % 86_400_000_000 != 0)
            reasons.Add(new(InvalidDefinitionReason.Interval, $"Column '{state.Set.Control}' holds whole days, and interval '{days}' does not."));
        return [.. reasons, .. await WhyNotReplacedAsync(session, server, state).ConfigureAwait(false)];
    }

    /// <summary>Why no partition of a set can be made anew, whatever is to take its place.</summary>
    public static async Task<List<InvalidDefinition>> WhyNotReplacedAsync(PgSession session, PartmanServer server, SetState state)
    {
        var reasons = new List<InvalidDefinition>();
        if (state.Set.SubPartitions is not null || state.Set.HashColumn is not null || state.Partitions.Any(p => p.IsPartitioned))
            reasons.Add(new(InvalidDefinitionReason.Unsupported, "Its partitions are partitioned themselves."));
        if (state.Set.IsList)
            reasons.Add(new(InvalidDefinitionReason.TypeMismatch, "It is partitioned by list, where each partition holds one id."));
        if (!state.IsOwned)
            reasons.Add(new(InvalidDefinitionReason.NotOwned, $"Role '{server.Role}' does not own it."));
        reasons.AddRange(state.ReferencedBy.Select(r => new InvalidDefinition(InvalidDefinitionReason.Dependent, $"A foreign key of '{r}' refers to it, and its partitions would be made anew.")));
        reasons.AddRange(state.Partitions.Where(p => p.DetachPending).Select(p => new InvalidDefinition(InvalidDefinitionReason.Unsupported, $"The detach of '{p.Name}' was interrupted: let a maintenance finish it first.")));
        if (await session.ScalarAsync("SELECT c.relispartition FROM pg_catalog.pg_class c WHERE c.oid = $1", PgParameter.Of(state.Oid, NpgsqlDbType.Oid)).ConfigureAwait(false) is true)
            reasons.Add(new(InvalidDefinitionReason.TableKind, "It is a partition itself, and one beside it would be partitioned otherwise."));
        return reasons;
    }

    // Ahead of clock and newest row nobody is at home yet. One that begins or ends nowhere is no interval of anything.
    private IReadOnlyList<Partition> Candidates(SetState state)
    {
        var current = state.Key.IsTime && (state.Newest is not { } row || row < state.Clock) ? state.Clock : state.Newest;
        return [.. state.Partitions.Where(p => p is { Lower.IsMin: false, Upper.IsMax: false } && (wish.Rewrite || current is null || p.Lower > current))];
    }

    private async Task<string> AnchorAsync(PgSession session, SetState state, IReadOnlyList<Partition> candidates)
    {
        // Every boundary of ids is one of the new ones' remainder as well, wherever they are counted from.
        if (wish.Interval is not { } interval)
            return state.Set.Anchor ?? (state.Partitions.FirstOrDefault(p => !p.Lower.IsMin)?.Lower.Id ?? 0).ToString(CultureInfo.InvariantCulture);
        var from = candidates is [var first, ..] ? first.Lower : state.Highest is { IsMax: false, IsMin: false } highest ? highest : state.Clock;
        var zone = !state.Key.IsWallClock && TimeSteps.FollowsCalendar(interval) ? state.Set.TimeZone : "UTC";
        var reading = (await ZoneClock.LocalAsync(session, zone, [from.Time!.Value]).ConfigureAwait(false))[0];
        var isWeeks = interval is { Months: 0, Microseconds: 0 } && interval.Days % 7 == 0;
        return NewRanges.AnchorText(isWeeks ? TimeSteps.OnWeekday(reading, DayOfWeek.Monday) : TimeSteps.Truncate(reading, interval));
    }

    /// <summary>Whether there is something to copy, and whether it can be; and names that nobody else has.</summary>
    public static async Task<Regroup> SoundAsync(PgSession session, SetState wished, LiveTable live, Regroup group, List<InvalidDefinition> reasons)
    {
        var hasRows = await session.ScalarAsync($"SELECT {string.Join(" OR ", group.Former.Select(p => $"EXISTS (SELECT FROM ONLY {p.Name.Quoted})"))}").ConfigureAwait(false) is true;
        var oids = PgParameter.Of(group.Former.Select(p => p.Oid).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Oid);
        // A TRUNCATE or a rewrite makes a new row in pg_class, and is none of those that matter; whoever attaches it elsewhere makes one in pg_inherits.
        var attached = (await session.RowsAsync(
            "SELECT c.oid, c.xmin::text, i.xmin::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_inherits i ON i.inhrelid = c.oid WHERE c.oid = ANY ($1)",
            row => (Oid: row.GetFieldValue<uint>(0), Version: row.GetString(1), Attached: row.GetString(2)), oids).ConfigureAwait(false)).ToDictionary(a => (a.Oid, a.Version), a => a.Attached);
        group = group with
        {
            Former = [.. group.Former.Select(f => f with { Version = attached.GetValueOrDefault((f.Oid, f.Version)) ?? throw new StalePlanException(wished.Table, "repartition", $"another one: '{f.Name}' was altered by somebody else") })],
        };
        if (await session.ScalarAsync(
            "SELECT c.relname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname::text = ANY ($2) AND c.oid <> ALL ($3) LIMIT 1",
            PgParameter.Text(wished.Table.Schema!.Value.Value), PgParameter.Texts(group.New.Select(n => n.Name.Name.Value)), oids.Clone()).ConfigureAwait(false) is string taken)
            throw new PartitionNameCollisionException(wished.Table, QualifiedName.Create(wished.Table.Schema!.Value.Value, taken), "a relation that is none of those replaced");
        if (hasRows && live.Key is null)
            reasons.Add(new(InvalidDefinitionReason.NoKey, $"There are {group} with rows, and without a primary key, or another unique index of columns that are never null, no row can be told from another."));
        foreach (var former in group.Former)
        {
            // Its rows are copied by the boundaries as they were read: those beyond one that was cut would be in neither table.
            var text = await session.ScalarAsync("SELECT pg_catalog.pg_get_expr(c.relpartbound, c.oid) FROM pg_catalog.pg_class c WHERE c.oid = $1", PgParameter.Of(former.Oid, NpgsqlDbType.Oid)).ConfigureAwait(false) as string;
            if (text is null || BoundText.Parse(text) is not { Kind: BoundText.Form.Range } bounds)
                continue;
            foreach (var (written, read) in new[] { (bounds.From[0].Text, former.Lower), (bounds.To[0].Text, former.Upper) })
            {
                if (!read.IsMin && !read.IsMax && await session.ScalarAsync($"SELECT {PgLiteral.Quote(written)}::{wished.Key.Type} = {wished.Key.Literal(read)}::{wished.Key.Type}").ConfigureAwait(false) is not true)
                    reasons.Add(new(InvalidDefinitionReason.Unsupported, $"Bound '{written}' of '{former.Name}' is finer than is counted here, and the rows beside it would be left out."));
            }
        }
        // Behind the swap it would be checked for all rows under the lock.
        if (hasRows)
            reasons.AddRange(live.ForeignKeys.Select(k => new InvalidDefinition(InvalidDefinitionReason.Unsupported, $"There are {group} with rows, which its foreign key '{k.Name}' would be checked for while the set is locked.")));
        return group with { HasRows = hasRows };
    }

    private static PlanUnit Change(PartmanServer server, Look look)
    {
        var set = look.Wished.Set;
        var (config, key) = (server.ConfigSchema.Quoted, PgLiteral.Quote(set.ConfigKey));
        var interval = set.Interval?.ToString() ?? set.IdInterval!.Value.ToString(CultureInfo.InvariantCulture);
        return new PlanUnit
        {
            Kind = "change-interval",
            Reason = $"New partitions of '{set.Table}' are '{interval}' long.",
            Statements =
            [
                $"UPDATE {config}.part_config SET partition_interval = {PgLiteral.Quote(interval)}, datetime_string = {(set.Interval is { } length ? TimeSteps.FollowsCalendar(length) ? "'YYYYMMDD'" : "'YYYYMMDD_HH24MISS'" : "NULL")} WHERE parent_table = {key}",
                $"INSERT INTO {server.OwnSchema.Quoted}.part_option (parent_table, key, value) VALUES ({key}, '{SetRow.AnchorKey}', pg_catalog.to_jsonb({PgLiteral.Quote(set.Anchor!)}::pg_catalog.text)) ON CONFLICT (parent_table, key) DO UPDATE SET value = EXCLUDED.value",
            ],
            Locks = [],
            Holds = $"SELECT EXISTS (SELECT FROM {config}.part_config g WHERE g.parent_table = {key} AND g.xmin::text = {PgLiteral.Quote(look.Version)} FOR UPDATE)",
        };
    }

    // Nothing to copy: one transaction, which asks again whether they are empty.
    private static PlanUnit Exchange(Look look, Regroup group)
    {
        var state = look.Wished;
        var creates = group.New.SelectMany(n => PartitionDdl.Create(state, look.Shape, n).Statements.Where(s => !s.StartsWith("LOCK TABLE ", StringComparison.Ordinal))
            .Concat(look.Shape.DefaultGrantees.Where(_ => !state.Set.InheritPrivileges).Select(g => $"REVOKE ALL ON {n.Name.Quoted} FROM {g} CASCADE")).Concat(group.Give(n.Name, PartitionTrait.Way.Make)).Concat(group.Give(n.Name, PartitionTrait.Way.Give)));
        return new PlanUnit
        {
            Kind = "exchange-partitions",
            Reason = $"{group} are empty, and {group.New.Count} take their place, from '{group.New[0].Lower}' up to '{group.New[^1].Upper}'.{group.Told}",
            Statements =
            [
                .. PartitionDdl.LockReferences(state, "SHARE ROW EXCLUSIVE"), $"LOCK TABLE ONLY {state.Table.Quoted} IN ACCESS EXCLUSIVE MODE",
                .. state.Default is { } rest ? [$"LOCK TABLE ONLY {rest.Name.Quoted} IN ACCESS EXCLUSIVE MODE"] : Array.Empty<string>(),
                .. group.Former.Select(f => $"LOCK TABLE ONLY {f.Name.Quoted} IN ACCESS EXCLUSIVE MODE"), .. PartmanDatabase.ReadableText.Split("; "), PartmanDatabase.AllRows, group.Unchanged(state, look.Shape),
                .. group.Former.Select(f => $"DO {PgLiteral.Quote($"BEGIN IF EXISTS (SELECT FROM ONLY {f.Name.Quoted}) THEN RAISE EXCEPTION USING ERRCODE = '{Refusal.Filled}', MESSAGE = {PgLiteral.Quote($"'{f.Name}' holds rows by now")}; END IF; END")}"),
                .. group.Former.Select(f => $"DROP TABLE {f.Name.Quoted}"), .. creates,
            ],
            Locks =
            [
                new SqlPlanLock(state.Table, PgLockMode.AccessExclusive), .. group.Former.Select(f => new SqlPlanLock(f.Name, PgLockMode.AccessExclusive)),
                .. state.Default is { } fallback ? new[] { new SqlPlanLock(fallback.Name, PgLockMode.AccessExclusive) } : [], .. state.References.Select(r => new SqlPlanLock(r, PgLockMode.ShareRowExclusive)),
            ],
            Holds = group.AreStill(state),
        };
    }
}
