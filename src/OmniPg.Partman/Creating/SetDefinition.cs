using System.Globalization;
using Npgsql;

namespace OmniPg.Partman;

/// <summary>Turns the wish for a set into units: everything that is wrong with it at once, or the configuration and its first partitions.</summary>
internal static class SetDefinition
{
    private const int PartitionsInOneTransaction = 200;
    private const int BranchesInOneTransaction = 5;
    private const int MostAtFirst = 20_000;

    // $1 schema and $2 name of the table, $3 zone, $4 and $5 template, $6 schema of retired partitions, $7 where time begins.
    private const string Look =
        """
        SELECT c.oid, p.partstrat::text, p.partnatts, a.attname::text, a.attnotnull, t.typname::text,
            EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid),
            EXISTS (SELECT FROM pg_catalog.pg_timezone_names z WHERE z.name = $3),
            EXISTS (SELECT FROM pg_catalog.pg_class x JOIN pg_catalog.pg_namespace m ON m.oid = x.relnamespace WHERE m.nspname = $4 AND x.relname = $5 AND x.relkind = 'r'),
            EXISTS (SELECT FROM pg_catalog.pg_namespace r WHERE r.nspname = $6),
            (SELECT y.typname::text FROM pg_catalog.pg_attribute b JOIN pg_catalog.pg_type y ON y.oid = b.atttypid WHERE b.attrelid = c.oid AND b.attname = $8 AND b.attnum > 0),
            pg_catalog.now(), $7::timestamptz
        FROM (SELECT) AS one
        LEFT JOIN (pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace) ON n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p')
        LEFT JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = c.oid
        LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND CASE WHEN p.partrelid IS NULL THEN a.attname = $8 AND a.attnum > 0 ELSE a.attnum = p.partattrs[0] END
        LEFT JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
        """;

    private sealed record Facts(
        uint? Oid, string? Strategy, int Columns, string? Column, bool IsNotNull, string? Type, bool HasPartitions, bool ZoneExists, bool TemplateExists,
        bool SchemaExists, string? ControlType, DateTimeOffset Now, DateTimeOffset? Start);

    /// <summary>The set as it will be, the units that make it, and what they leave out of what was wished.</summary>
    /// <exception cref="InvalidPartitionDefinitionException">It cannot be made; all reasons.</exception>
    /// <exception cref="PartitionNameCollisionException">Another relation has the name of a first partition.</exception>
    public static async Task<(SetState State, IReadOnlyList<PlanUnit> Units, IReadOnlyList<PartitionSkipped> Skipped)> PlanAsync(PgSession session, PartmanServer server, QualifiedName table, PartitionSetOptions wish, string? archive)
    {
        var (state, facts) = await WishedAsync(session, server, table, wish, archive, isPlain: false, []).ConfigureAwait(false);
        var (ranges, anchor, passed) = state.Key.IsTime ? await FirstTimesAsync(session, state, wish, facts.Now, facts.Start, null).ConfigureAwait(false) : FirstIds(state, wish);
        state = state with { Set = state.Set with { Anchor = server.UsesExtension ? null : anchor } };
        // Where nobody said where it is to begin, it begins where it makes sense.
        PartitionSkipped[] skipped = passed == 0 || wish.Start is null ? []
            : [new(SkipReason.Expired, $"Of '{table}' {passed} {(passed == 1 ? "range" : "ranges")} before '{ranges[0].Lower}' {(passed == 1 ? "is" : "are")} not made: older than '{wish.Retention}', the next maintenance would take {(passed == 1 ? "it" : "them")}. Their rows go to {(wish.DefaultPartition ? "the default partition" : "no partition, and are refused")}.")];
        return (state, await UnitsAsync(session, server, state, wish, ranges, skipped).ConfigureAwait(false), skipped);
    }

    /// <summary>The set that a plain table will be, and its first partitions, from its oldest row on.</summary>
    /// <param name="session">A session in a transaction with readable text.</param>
    /// <param name="server">The database.</param>
    /// <param name="table">The table.</param>
    /// <param name="wish">The set.</param>
    /// <param name="archive">The client's archive.</param>
    /// <param name="reasons">What else keeps the table from becoming a set.</param>
    /// <param name="fromNewest">Whether its partitions begin where a new set's would, and not at the oldest row.</param>
    /// <exception cref="InvalidPartitionDefinitionException">It cannot become one; all reasons.</exception>
    public static async Task<(SetState State, IReadOnlyList<NewRange> Ranges)> OfPlainAsync(
        PgSession session, PartmanServer server, QualifiedName table, PartitionSetOptions wish, string? archive, IReadOnlyList<InvalidDefinition> reasons, bool fromNewest = false)
    {
        var (state, facts) = await WishedAsync(session, server, table, wish, archive, isPlain: true, reasons).ConfigureAwait(false);
        var column = state.Key.Column.Quoted;
        var finite = state.Set.Kind == PartitionKeyKind.Time ? $" WHERE pg_catalog.isfinite({column})" : "";
        // There is no min(uuid) before PostgreSQL 18.
        async Task<PartitionBound?> EndAsync(string order) => await session.Unlimited.ScalarAsync($"SELECT s.{column}::text FROM {table.Quoted} AS s{finite} ORDER BY s.{column} {order} LIMIT 1").ConfigureAwait(false) is string text
            ? SetReader.KeyOf(state, text) : null;
        var oldest = fromNewest ? null : await EndAsync("ASC").ConfigureAwait(false);
        IReadOnlyList<NewRange> ranges;
        string anchor;
        if (state.Key.IsTime)
        {
            (ranges, anchor, _) = await FirstTimesAsync(session, state, wish, facts.Now, facts.Start, oldest?.Time).ConfigureAwait(false);
        }
        else
        {
            var (steps, newest) = (new IdSteps(wish.IdOffset, wish.IdInterval!.Value), await EndAsync("DESC").ConfigureAwait(false));
            var (begin, last) = (Begin(state, steps, wish.IdStart ?? (fromNewest ? newest : oldest)?.Id ?? wish.IdOffset), Begin(state, steps, newest?.Id ?? wish.IdOffset));
            var count = (((Int128)last - begin) / steps.Step) + 1;
            if (count > MostAtFirst)
                throw TooMany(state, begin.ToString(CultureInfo.InvariantCulture));
            (ranges, anchor) = (NewRanges.Named(state, Boundaries(state, steps, begin, (int)Int128.Max(count, 1) + wish.Premake + 1)), wish.IdOffset.ToString(CultureInfo.InvariantCulture));
        }
        return (state with { Set = state.Set with { Anchor = server.UsesExtension ? null : anchor } }, ranges);
    }

    /// <summary>A set that exists as it is wished now.</summary>
    /// <param name="session">A session in a transaction with readable text.</param>
    /// <param name="server">The database.</param>
    /// <param name="wish">The wish. What says how a set begins counts for nothing.</param>
    /// <param name="archive">The client's archive.</param>
    /// <param name="set">The set as it is, with all levels below it.</param>
    /// <param name="oid">The table.</param>
    /// <exception cref="InvalidPartitionDefinitionException">It cannot become that; all reasons.</exception>
    public static async Task<PartitionSet> ChangedAsync(PgSession session, PartmanServer server, PartitionSetOptions wish, string? archive, PartitionSet set, uint oid)
    {
        var reasons = new List<InvalidDefinition>();
        void Fixed(string what, string? now, string? wished)
        {
            if (now != wished)
                reasons.Add(new InvalidDefinition(InvalidDefinitionReason.Fixed, $"Its {what} is '{now}', and '{wished}' needs another set."));
        }
        Fixed("control column", set.Control, wish.Control);
        Fixed("interval", set.Interval?.ToString() ?? set.IdInterval?.ToString(CultureInfo.InvariantCulture), wish.Interval?.ToString() ?? wish.IdInterval?.ToString(CultureInfo.InvariantCulture));
        Fixed("kind of key", set.Kind.ToString(), (wish.Kind ?? set.Kind).ToString());
        Fixed("time zone", set.TimeZone, wish.TimeZone ?? set.TimeZone);
        Fixed("split of partitions", Split(set.HashColumn, set.HashPartitions), Split(wish.HashColumn, wish.HashPartitions));
        var below = await SubPartitioner.PatternAsync(session, server, set.Table, oid, wish.SubPartitions, set with { Template = wish.Template }, archive, []).ConfigureAwait(false);
        Fixed("way of partitioning its partitions", SubPartitioner.Described(set.SubPartitions), SubPartitioner.Described(below));
        var (state, _) = await WishedAsync(session, server, set.Table, wish, archive, isPlain: false, reasons, set).ConfigureAwait(false);
        return state.Set with { TimeZone = set.TimeZone, Anchor = set.Anchor, NamePrefix = set.NamePrefix };

        static string Split(string? column, int? count) => column is null ? "" : string.Create(CultureInfo.InvariantCulture, $"{count} by the hash of {column}");
    }

    private static async Task<(SetState State, Facts Facts)> WishedAsync(
        PgSession session, PartmanServer server, QualifiedName table, PartitionSetOptions wish, string? archive, bool isPlain, IReadOnlyList<InvalidDefinition> more, PartitionSet? existing = null)
    {
        var zone = wish.TimeZone ?? existing?.TimeZone ?? (server.UsesExtension ? server.SessionZone : "UTC");
        var facts = (await session.RowsAsync(Look, Read,
            PgParameter.Text(table.Schema!.Value.Value), PgParameter.Text(table.Name.Value), PgParameter.Text(zone), PgParameter.Text(wish.Template?.Schema?.Value ?? "public"),
            PgParameter.Text(wish.Template?.Name.Value), PgParameter.Text(wish.RetentionSchema), PgParameter.Instant(wish.Start), PgParameter.Text(wish.Control)).ConfigureAwait(false))[0];
        if (existing is not null)
            facts = facts with { HasPartitions = false };
        // It will be partitioned as it was asked for.
        if (isPlain && facts.Strategy is null)
            facts = facts with { Strategy = wish.IdInterval == 1 ? "l" : "r", Columns = 1 };
        var kind = wish.Kind ?? existing?.Kind ?? (wish.IdInterval is not null ? PartitionKeyKind.Id : facts.Type is { } type ? PartitionKey.KindsOf(type).FirstOrDefault(k => k != PartitionKeyKind.Id || wish.Interval is null) : default);
        var reasons = Reasons(facts, server, table, wish, kind, zone).Concat(more).ToList();
        if (wish.WhenExpired == ExpiredAction.Archive && archive is null)
            reasons.Add(new InvalidDefinition(InvalidDefinitionReason.Archive, "Partitions are to be archived, and the client was made without an archive."));
        var client = archive;
        archive = wish.WhenExpired == ExpiredAction.Archive ? archive : null;
        if (existing is null && facts.Oid is not null && (await SetReader.ConfiguredAsync(session, server, table).ConfigureAwait(false)).Count > 0)
            reasons.Add(new InvalidDefinition(InvalidDefinitionReason.AlreadyConfigured, $"It is configured already in '{server.ConfigSchema}'."));
        var set = wish.ToSet(table, kind, zone, server.UsesExtension) with { ArchiveId = archive };
        if (facts.Oid is { } whole)
            reasons.AddRange(await HashSplit.ReasonsAsync(session, server, whole, wish).ConfigureAwait(false));
        if (facts.Oid is { } oid)
            set = set with { SubPartitions = await SubPartitioner.PatternAsync(session, server, table, oid, wish.SubPartitions, set, client, reasons).ConfigureAwait(false) };
        if (reasons.Count > 0)
            throw new InvalidPartitionDefinitionException(table, reasons);
        return (new SetState
        {
            Set = set,
            Oid = facts.Oid!.Value,
            Key = new PartitionKey(PgIdentifier.Create(wish.Control), facts.Type!, kind),
            Partitions = [],
            Now = facts.Now,
            LocalNow = (await ZoneClock.LocalAsync(session, zone, [facts.Now]).ConfigureAwait(false))[0],
            ReferencedBy = [],
            References = [],
            IsOwned = true,
        }, facts);
    }

    private static IEnumerable<InvalidDefinition> Reasons(Facts facts, PartmanServer server, QualifiedName table, PartitionSetOptions wish, PartitionKeyKind kind, string zone)
    {
        if (facts.Oid is null)
        {
            yield return new(InvalidDefinitionReason.TableMissing, "There is no such table.");
            yield break;
        }
        if (facts.Strategy is not ("r" or "l"))
        {
            yield return new(InvalidDefinitionReason.NotPartitioned, facts.Strategy is null ? "The table is not partitioned; a table with rows is converted, not created." : "The table is partitioned by hash, which knows no order.");
            yield break;
        }
        if (facts.Columns != 1 || facts.Column is null || facts.Column != wish.Control)
            yield return new(InvalidDefinitionReason.ControlMismatch, $"It is partitioned by {(facts.Columns != 1 ? $"{facts.Columns} columns" : facts.Column is null ? "an expression" : $"'{facts.Column}'")}, and not by '{wish.Control}' ({(facts.ControlType is null ? "which does not exist" : facts.ControlType)}).");
        else if (!PartitionKey.KindsOf(facts.Type!).Contains(kind))
            yield return new(InvalidDefinitionReason.ControlType, $"Column '{wish.Control}' of type '{facts.Type}' cannot hold '{kind}'.");
        if (facts is { IsNotNull: false, Column: not null } && !wish.AllowNull)
            yield return new(InvalidDefinitionReason.ControlNullable, $"Column '{facts.Column}' may be null, and AllowNull is off.");
        if (kind == PartitionKeyKind.Id && wish.Interval is not null)
            yield return new(InvalidDefinitionReason.Interval, $"Interval '{wish.Interval}' needs a column that tells time; name the unit of an epoch with Kind.");
        if (kind != PartitionKeyKind.Id && wish.IdInterval is not null)
            yield return new(InvalidDefinitionReason.Interval, $"IdInterval '{wish.IdInterval}' is for ids, and '{wish.Control}' holds '{kind}'.");
        if (facts.Type == "date" && wish.Interval is { } days && days.Microseconds % 86_400_000_000 != 0)
            yield return new(InvalidDefinitionReason.Interval, $"Column '{wish.Control}' holds whole days, and interval '{wish.Interval}' does not.");
        if ((facts.Strategy == "l") != (wish.IdInterval == 1))
            yield return new(InvalidDefinitionReason.TypeMismatch, facts.Strategy == "l" ? "The table is partitioned by list, where each partition holds one id: IdInterval must be 1." : "IdInterval 1 needs a table that is partitioned by list.");
        if (facts.HasPartitions)
            yield return new(InvalidDefinitionReason.HasPartitions, "It has partitions already.");
        if (wish.Template is { } template && !facts.TemplateExists)
            yield return new(InvalidDefinitionReason.Template, $"The template '{template}' does not exist.");
        if (!facts.ZoneExists)
            yield return new(InvalidDefinitionReason.TimeZone, $"The server knows no time zone '{zone}'.");
        if (server.UsesExtension && zone != server.SessionZone)
            yield return new(InvalidDefinitionReason.TimeZone, $"The extension works in the time zone of its session, which is '{server.SessionZone}', not '{zone}'.");
        if (wish.RetentionSchema is { } schema && !facts.SchemaExists)
            yield return new(InvalidDefinitionReason.RetentionSchema, $"There is no schema '{schema}'.");
        if (server.UsesExtension && (table.Schema!.Value.Value + table.Name.Value).Contains('.', StringComparison.Ordinal))
            yield return new(InvalidDefinitionReason.Name, "The extension cannot manage names with a dot.");
    }

    // As create_parent does it: around the newest id, but nothing at or below zero unless it was asked for. A table without partitions has no rows.
    private static (IReadOnlyList<NewRange> Ranges, string Anchor, int Passed) FirstIds(SetState state, PartitionSetOptions wish)
    {
        var steps = new IdSteps(wish.IdOffset, wish.IdInterval!.Value);
        var begin = Begin(state, steps, wish.IdStart ?? wish.IdOffset);
        var ranges = NewRanges.Named(state, Boundaries(state, steps, begin, wish.Premake + 2));
        return ranges.Count > 0 ? (ranges, wish.IdOffset.ToString(CultureInfo.InvariantCulture), 0) : throw NoneBehind(state, begin, null);
    }

    private static long Begin(SetState state, IdSteps steps, long id)
    {
        try
        {
            return steps.AtOrBelow(id);
        }
        catch (OverflowException error)
        {
            throw NoneBehind(state, id, error);
        }
    }

    // Where the numbers of the column end, so do the partitions.
    private static IEnumerable<PartitionBound> Boundaries(SetState state, IdSteps steps, long begin, int most) =>
        Enumerable.Range(0, most).Select(n => begin + ((Int128)n * steps.Step)).TakeWhile(b => b <= state.Key.HighestId).Select(b => PartitionBound.Of((long)b));

    private static InvalidPartitionDefinitionException NoneBehind(SetState state, long begin, Exception? error) => new(
        state.Table, [new(InvalidDefinitionReason.Start, $"Around '{begin}' there is no partition of '{state.Set.IdInterval}' ids whose bounds column '{state.Key.Column}' ({state.Key.Type}) can hold.")], inner: error);

    // From an oldest row on nothing is left out: what retires at once does it then.
    private static async Task<(IReadOnlyList<NewRange> Ranges, string Anchor, int Passed)> FirstTimesAsync(
        PgSession session, SetState state, PartitionSetOptions wish, DateTimeOffset now, DateTimeOffset? start, DateTimeOffset? oldest)
    {
        var interval = wish.Interval!.Value;
        var zone = state.Key.IsWallClock || TimeSteps.FollowsCalendar(interval) ? state.Set.TimeZone : "UTC";
        var readings = await ZoneClock.LocalAsync(session, zone, [now, start ?? now]).ConfigureAwait(false);
        var first = oldest is { } row ? (await ZoneClock.LocalAsync(session, state.Key.IsWallClock ? "UTC" : zone, [row]).ConfigureAwait(false))[0] : (DateTime?)null;
        var wanted = wish.Start is not null ? readings[1] : first ?? interval.Multiply(-wish.Premake).AddTo(readings[0]);
        var isWeeks = interval is { Months: 0, Microseconds: 0 } && interval.Days % 7 == 0;
        var begin = wish.StartExactly ? wanted
            : isWeeks && wish.TruncateTo is null && !state.Set.IsInExtension ? TimeSteps.OnWeekday(wanted, DayOfWeek.Monday)
            : TimeSteps.Truncate(wanted, interval, wish.TruncateTo);
        var steps = new TimeSteps(begin, interval);
        var end = interval.Multiply(wish.Premake).AddTo(readings[0]);
        var expired = oldest is null && wish.Retention is { } keep ? keep.Negate().AddTo(readings[0]) : DateTime.MinValue;
        var (boundaries, passed) = (new List<DateTime>(), 0);
        for (var n = 0; boundaries.Count == 0 || boundaries[^1] < end || (begin >= end && n <= wish.Premake + 1); n++)
        {
            // What would retire at once is not made.
            if (boundaries.Count == 0 && steps[n] < end && steps[n + 1] < expired)
            {
                passed++;
                continue;
            }
            boundaries.Add(steps[n]);
            if (boundaries.Count > MostAtFirst)
                throw TooMany(state, begin.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture));
        }
        return (await NewRanges.NamedAsync(session, state, boundaries).ConfigureAwait(false), NewRanges.AnchorText(begin), passed);
    }

    private static InvalidPartitionDefinitionException TooMany(SetState state, string begin) =>
        new(state.Table, [new(InvalidDefinitionReason.Start, $"From '{begin}' on it would need more than {MostAtFirst} partitions.")]);

    private static async Task<IReadOnlyList<PlanUnit>> UnitsAsync(PgSession session, PartmanServer server, SetState state, PartitionSetOptions wish, IReadOnlyList<NewRange> ranges, IReadOnlyList<PartitionSkipped> skipped)
    {
        var shape = await ParentShape.ReadAsync(session, state.Table, state.Oid, wish.Template).ConfigureAwait(false);
        var fallback = new QualifiedName(state.Table.Schema, PartitionName.OfDefault(state.Table.Name));
        var taken = await session.RowsAsync(
            "SELECT c.relname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname::text = ANY ($2) LIMIT 1",
            row => QualifiedName.Create(state.Table.Schema!.Value.Value, row.GetString(0)), PgParameter.Text(state.Table.Schema!.Value.Value),
            PgParameter.Texts(ranges.Select(r => r.Name).Concat(wish.DefaultPartition ? [fallback] : []).Select(n => n.Name.Value))).ConfigureAwait(false);
        if (taken is [var name, ..])
            throw new PartitionNameCollisionException(state.Table, name, "a relation that exists");
        // The default comes at the end of the first transaction: until then there is none that an attach would have to lock, and nothing makes it after a crash.
        var below = await SubPartitioner.OfAsync(session, server, state, PartitionsInOneTransaction).ConfigureAwait(false);
        var creates = new List<PlanUnit>();
        foreach (var range in ranges)
            creates.Add(PartitionDdl.Create(state, shape, range, branch: below is null ? null : await below.BranchAsync(shape, range).ConfigureAwait(false)));
        var units = new List<PlanUnit>();
        foreach (var some in creates.Chunk(below is null ? PartitionsInOneTransaction : BranchesInOneTransaction))
        {
            var isFirst = units.Count == 0;
            units.Add(new PlanUnit
            {
                Kind = "create-set",
                Reason = isFirst ? $"'{state.Table}' becomes a set: its configuration and {some.Length} partitions from '{some[0].Lower}' on.{string.Concat(skipped.Select(s => " " + s.Text))}" : $"{some.Length} more partitions from '{some[0].Lower}' on.",
                Statements =
                [
                    $"LOCK TABLE ONLY {state.Table.Quoted} IN SHARE UPDATE EXCLUSIVE MODE",
                    .. isFirst ? SetConfiguration.Statements(server, state) : [],
                    .. some.SelectMany(c => c.Statements.Where(s => !s.StartsWith("LOCK TABLE ", StringComparison.Ordinal))),
                    .. wish.DefaultPartition && isFirst ? PartitionDdl.CreateDefault(state, shape, fallback) : [],
                ],
                Locks =
                [
                    .. wish.DefaultPartition && !isFirst ? new[] { new SqlPlanLock(fallback, PgLockMode.AccessExclusive) } : [], new SqlPlanLock(state.Table, PgLockMode.ShareUpdateExclusive),
                ],
                Fate = PartitionFate.Create,
                GoesByNames = true,
            });
        }
        return units;
    }

    private static Facts Read(NpgsqlDataReader row) => new(
        row.IsDBNull(0) ? null : row.GetFieldValue<uint>(0), row.Text(1), row.IsDBNull(2) ? 0 : row.GetInt16(2), row.Text(3), row.IsTrue(4), row.Text(5), row.GetBoolean(6),
        row.GetBoolean(7), row.GetBoolean(8), row.GetBoolean(9), row.Text(10), row.Instant(11)!.Value, row.Instant(12));
}
