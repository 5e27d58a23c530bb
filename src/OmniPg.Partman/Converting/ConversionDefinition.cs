namespace OmniPg.Partman;

/// <summary>What a conversion is to be, before it begins: everything that keeps the table from it, or the statements of its first step.</summary>
/// <param name="Live">The table.</param>
/// <param name="State">The set under the name that it will have.</param>
/// <param name="Shape">What its partitions take over.</param>
/// <param name="First">The unit that makes the partitioned table and writes the conversion down.</param>
/// <param name="Detail">What its row keeps.</param>
internal sealed record ConversionDefinition(LiveTable Live, SetState State, ParentShape Shape, PlanUnit First, ConversionDetail Detail)
{
    /// <summary>More than the server's table of locks has room for in any case are made behind the first ones.</summary>
    private const int PartitionsAtFirst = 200;

    /// <summary>The part of the way to the end of a table that becomes a partition behind which it must not be bounded any more.</summary>
    public const double Patience = 0.75;
    private static readonly TimeSpan LeastWindow = TimeSpan.FromHours(24);

    /// <exception cref="InvalidPartitionDefinitionException">The table cannot be converted; all reasons.</exception>
    /// <exception cref="PartitionNameCollisionException">Another relation has a name that the conversion needs.</exception>
    public static async Task<ConversionDefinition> PlanAsync(PgSession session, PartmanServer server, QualifiedName table, ConversionOptions options, string? archive)
    {
        var live = await session.ScalarAsync("SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2",
            PgParameter.Text(table.Schema!.Value.Value), PgParameter.Text(table.Name.Value)).ConfigureAwait(false) is uint oid ? await LiveTable.ReadAsync(session, oid).ConfigureAwait(false) : null;
        // What else would be told comes of that one: its triggers, its partitions, its configuration.
        if (await ConversionState.OpenOfAsync(session, server, table).ConfigureAwait(false) is { } open)
            throw new InvalidPartitionDefinitionException(table, [new(InvalidDefinitionReason.ConversionOpen, $"Conversion '{open.Id}' of it is open: resume, abort or finish that one.")]);
        var reasons = live is null ? [] : Reasons(live, options.Set.Control).ToList();
        var isCopied = options.Strategy == ConversionStrategy.CopyAndSwap;
        if (!isCopied && live is not null)
            reasons.AddRange(await InPlaceAsync(session, server, live, options).ConfigureAwait(false));
        var (state, ranges) = await SetDefinition.OfPlainAsync(session, server, table, options.Set, archive, reasons, fromNewest: !isCopied).ConfigureAwait(false);
        var detail = await DetailAsync(session, live!, options).ConfigureAwait(false);
        if (options.Strategy == ConversionStrategy.AttachAsLegacy)
            (ranges, detail) = await CutAsync(session, state, options, detail).ConfigureAwait(false);
        else if (!isCopied)
            ranges = [];
        var shape = await ParentShape.ReadAsync(session, table, live!.Oid, options.Set.Template).ConfigureAwait(false);
        if (shape.ReplicaIndex is not null)
            throw new InvalidPartitionDefinitionException(table, [new(InvalidDefinitionReason.Unsupported, $"Its replica identity is the index '{shape.ReplicaIndex}': set it to FULL or DEFAULT for the time of the conversion.")]);
        if (isCopied && shape.TemplateObjects.Any(o => o.IsTrigger))
            throw new InvalidPartitionDefinitionException(table, [new(InvalidDefinitionReason.Template, $"Triggers of the template '{options.Set.Template}' would take rows that are copied for new ones: add them to it behind the conversion.")]);
        shape = shape with { StorageParameters = shape.StorageParameters.Count > 0 ? shape.StorageParameters : live.StorageParameters };
        return new ConversionDefinition(live, state, shape, await FirstAsync(session, server, live, state, shape, detail, ranges).ConfigureAwait(false), detail);
    }

    private static async Task<PlanUnit> FirstAsync(
        PgSession session, PartmanServer server, LiveTable live, SetState state, ParentShape shape, ConversionDetail detail, IReadOnlyList<NewRange> ranges)
    {
        var table = state.Table;
        var isCopied = detail.Strategy == ConversionStrategy.CopyAndSwap;
        var end = detail.Strategy switch { ConversionStrategy.AttachAsLegacy => ConversionNames.LegacyEnd, ConversionStrategy.DrainDefault => "_default", _ => ConversionNames.OldEnd };
        var hasDefault = isCopied || (detail.Strategy == ConversionStrategy.AttachAsLegacy && detail.KeepDefault);
        var (copy, fallback) = (ConversionState.Beside(table, ConversionNames.NewEnd), new QualifiedName(table.Schema, PartitionName.OfDefault(table.Name)));
        var some = ranges.Take(PartitionsAtFirst).ToList();
        var names = some.Select(r => r.Name).Append(copy).Append(fallback).Append(ConversionState.Beside(table, ConversionNames.LogEnd))
            .Concat(new[] { ConversionNames.NewEnd, ConversionNames.OldEnd, end, ConversionNames.KeyEnd }.Select(e => new QualifiedName(table.Schema, Replacement.Named(table.Name.Value, e))))
            .Concat(live.Indexes.Select(i => i.Name).Concat(live.Sequences.Where(s => s.IsIdentity).Select(s => s.Name.Name.Value))
                .SelectMany(n => new[] { ConversionNames.NewEnd, ConversionNames.OldEnd, end }, (n, end) => new QualifiedName(table.Schema, Replacement.Named(n, end)))).ToList();
        if (await session.ScalarAsync("SELECT c.relname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname::text = ANY ($2) LIMIT 1",
            PgParameter.Text(table.Schema!.Value.Value), PgParameter.Texts(names.Select(n => n.Name.Value))).ConfigureAwait(false) is string taken)
            throw new PartitionNameCollisionException(table, QualifiedName.Create(table.Schema!.Value.Value, taken), "a relation that exists");
        var beside = state with { Set = state.Set with { Table = copy, AutomaticMaintenance = false } };
        return new PlanUnit
        {
            Kind = "create-copy",
            Reason = $"'{copy}' is made, {(some is [var first, ..] ? $"with {some.Count} partitions from '{first.Lower}' on" : "without partitions")}; '{table}' is not touched.",
            Statements =
            [
                .. Replacement.Parent(live, copy, state.Key.Column, state.Set.IsList, shape, Replacement.Indexes(live, copy, state.Key.Column).Where(i => i.IsUnique || !isCopied).Select(i => i.Statement)),
                .. SetConfiguration.Statements(server, beside),
                ConversionState.Insert(server, table, live.Oid, detail, copy),
                .. some.SelectMany(r => PartitionDdl.Create(beside, shape, r).Statements.Where(s => !s.StartsWith("LOCK TABLE ", StringComparison.Ordinal))),
                .. hasDefault ? PartitionDdl.CreateDefault(beside, shape, fallback) : [],
            ],
            Locks = [new SqlPlanLock(table, PgLockMode.AccessShare)],
        };
    }

    /// <summary>What keeps the table from becoming a partition itself.</summary>
    private static async Task<IEnumerable<InvalidDefinition>> InPlaceAsync(PgSession session, PartmanServer server, LiveTable live, ConversionOptions options)
    {
        // An attach refuses checks that are not validated, or that partitions would not have (MergeConstraintsIntoExisting, src/backend/commands/tablecmds.c).
        var reasons = (await session.RowsAsync(
            """
            SELECT CASE WHEN k.conname = $2 THEN format('Constraint ''%s'' has the name of one that a conversion makes: rename it.', k.conname)
                WHEN k.connoinherit THEN format('Check ''%s'' is NO INHERIT, and a set hands its checks on: make it one that is.', k.conname) ELSE format('Check ''%s'' is not validated: validate it.', k.conname) END
            FROM pg_catalog.pg_constraint k WHERE k.conrelid = $1 AND (k.conname = $2 OR (k.contype IN ('c', 'n') AND (k.connoinherit OR NOT k.convalidated))) ORDER BY k.conname
            """,
            row => new InvalidDefinition(InvalidDefinitionReason.Unsupported, row.GetString(0)), PgParameter.Of(live.Oid, NpgsqlTypes.NpgsqlDbType.Oid), PgParameter.Text(ConversionNames.Check)).ConfigureAwait(false)).ToList();
        if (options.Strategy == ConversionStrategy.AttachAsLegacy && server.UsesExtension)
            reasons.Add(new InvalidDefinition(InvalidDefinitionReason.Name, $"It would be the partition '{Replacement.Named(live.Name.Name.Value, ConversionNames.LegacyEnd)}', which begins nowhere and is not named as the extension names its own, and the set could not be maintained by it: use PartmanStore.Own, or another strategy."));
        if (options.Strategy == ConversionStrategy.DrainDefault)
            reasons.AddRange((await session.RowsAsync(RowMoves.WhyNotOut(live.Oid, live.Oid), row => new InvalidDefinition(Enum.Parse<InvalidDefinitionReason>(row.GetString(0)), row.GetString(1))).ConfigureAwait(false)).Where(r => r.Reason != InvalidDefinitionReason.Dependent));
        return reasons;
    }

    /// <summary>Where the table ends as a partition, and the partitions from there on.</summary>
    private static async Task<(IReadOnlyList<NewRange> Ranges, ConversionDetail Detail)> CutAsync(PgSession session, SetState state, ConversionOptions options, ConversionDetail detail)
    {
        var column = state.Key.Column.Quoted;
        PartitionBound current, ahead, cut;
        string end;
        if (state.Key.IsTime)
            current = state.Clock;
        else
            current = await session.Unlimited.ScalarAsync($"SELECT s.{column}::text FROM {state.Table.Quoted} AS s ORDER BY s.{column} DESC LIMIT 1").ConfigureAwait(false) is string newest ? SetReader.KeyOf(state, newest) : PartitionBound.Of(0);
        try
        {
            ahead = state.Key.IsTime ? PartitionBound.Of(current.Time!.Value + Window(state, options)) : PartitionBound.Of(checked(current.Id!.Value + (options.IdSafetyWindow ?? state.Set.IdInterval!.Value)));
            cut = (await NewRanges.AroundAsync(session, state, ahead).ConfigureAwait(false)).Upper;
            end = state.Key.Literal(cut);
        }
        catch (Exception error) when (error is OverflowException or ArgumentOutOfRangeException or PartitionSetConfigurationException)
        {
            throw new InvalidPartitionDefinitionException(state.Table, [new(InvalidDefinitionReason.Interval, $"It would end behind '{current}', and there is no boundary that far that its column can hold: choose a smaller safety window or interval, or another strategy. {error.Message}")], inner: error);
        }
        if (await session.Unlimited.ScalarAsync($"SELECT s.{column}::text FROM {state.Table.Quoted} AS s WHERE s.{column} >= {end}::{state.Key.Type} LIMIT 1").ConfigureAwait(false) is string late)
            throw new InvalidPartitionDefinitionException(state.Table, [new(InvalidDefinitionReason.HasRows, $"It holds rows behind '{cut}', where it would end, such as '{late}': move them, or choose a larger SafetyWindow.")]);
        var ranges = await NewRanges.MissingAsync(session, state with { Partitions = [new Partition(state.Table, PartitionBound.MinValue, cut)] }, current, PartitionsAtFirst).ConfigureAwait(false);
        // Long before the clock is there, so that nobody's rows are refused.
        var deadline = state.Key.IsTime ? state.Now + ((cut.Time!.Value - current.Time!.Value) * Patience) : (DateTimeOffset?)null;
        return (ranges, detail with { Cut = state.Key.Text(cut), Deadline = deadline, Begun = current.Id });
    }

    private static TimeSpan Window(SetState state, ConversionOptions options)
    {
        var interval = state.Set.Interval!.Value.Estimate;
        return options.SafetyWindow?.Estimate ?? (interval > LeastWindow ? interval : LeastWindow);
    }

    private static async Task<ConversionDetail> DetailAsync(PgSession session, LiveTable live, ConversionOptions options)
    {
        var key = live.Key!;
        var types = await session.RowsAsync(
            "SELECT pg_catalog.format_type(a.atttypid, -1) FROM unnest($2) WITH ORDINALITY AS k (name, place) JOIN pg_catalog.pg_attribute a ON a.attrelid = $1 AND a.attname = k.name ORDER BY k.place",
            row => row.GetString(0), PgParameter.Of(live.Oid, NpgsqlTypes.NpgsqlDbType.Oid), PgParameter.Texts(key.Columns)).ConfigureAwait(false);
        return new ConversionDetail
        {
            Strategy = options.Strategy,
            Control = options.Set.Control,
            KeyColumns = [.. key.Columns.Select(c => c!)],
            KeyTypes = [.. types],
            BatchSize = options.BatchSize,
            Sessions = options.Sessions,
            Pause = options.PauseBetweenBatches,
            KeepWayBack = options.KeepWayBack,
            SuspendAutovacuum = options.SuspendAutovacuum,
            Automatic = options.Set.AutomaticMaintenance,
            KeepDefault = options.Set.DefaultPartition,
            Digest = live.Digest,
            EstimatedRows = live.EstimatedRows,
        };
    }

    private static IEnumerable<InvalidDefinition> Reasons(LiveTable live, string control)
    {
        if (live is not { Kind: "r", IsChild: false, Persistence: "p" })
            yield return new(InvalidDefinitionReason.TableKind, $"It is {(live.Kind != "r" ? "no plain table" : live.IsChild ? "a partition, or inherits from another table" : "temporary or unlogged")}.");
        if (live is { Kind: "r", HasChildren: true })
            yield return new(InvalidDefinitionReason.TableKind, "Tables inherit from it: adopt it.");
        if (!live.IsOwned)
            yield return new(InvalidDefinitionReason.NotOwned, $"It belongs to '{live.Owner}', and role '{live.Role}' is no member of that.");
        if (live.Key is null)
            yield return new(InvalidDefinitionReason.NoKey, "It has no primary key, and no other unique index, of columns that are never null and of the server's own types: no row can be told from another.");
        foreach (var index in live.Indexes)
        {
            if (index.Constraint == "x")
                yield return new(InvalidDefinitionReason.Unsupported, $"Exclusion constraint '{index.Name}' cannot hold over partitions.");
            else if (index.IsUnique && index != live.Key && !index.Columns.Contains(control))
                yield return new(InvalidDefinitionReason.Uniqueness, $"Unique index '{index.Name}' does not hold '{control}', and cannot hold over partitions: drop it, or add the column.");
            else if (index.IsPrimary && index.HasMore && !index.Columns.Contains(control))
                yield return new(InvalidDefinitionReason.Unsupported, $"Primary key '{index.Name}' includes further columns, and '{control}' is none of its own.");
        }
        if (live.LogTrigger is { } log)
            yield return new(InvalidDefinitionReason.Unsupported, $"Trigger '{log.Name}' has the name of one that a conversion makes: rename it.");
        foreach (var trigger in live.Triggers.Where(t => t.HasTransitionTables))
            yield return new(InvalidDefinitionReason.Unsupported, $"Trigger '{trigger.Name}' for each row has transition tables, which a partitioned table cannot have.");
        foreach (var key in live.ForeignKeys.Where(k => k.IsToItself || !k.IsValid))
            yield return new(InvalidDefinitionReason.Unsupported, $"Foreign key '{key.Name}' {(key.IsToItself ? "refers to the table itself" : "is not validated")}.");
        foreach (var other in live.DependentObjects)
            yield return new(InvalidDefinitionReason.Dependent, $"'{other}' holds on to the table itself, and would stay with the former one: drop it for the time of the conversion.");
    }
}
