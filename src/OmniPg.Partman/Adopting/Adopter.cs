using System.Globalization;
using NpgsqlTypes;

namespace OmniPg.Partman;

/// <summary>Derives a set from a table that has partitions already, and the one transaction that makes it one.</summary>
internal sealed class Adopter(PgSession session, PartmanServer server, QualifiedName table, AdoptionOptions wish, string? archive)
{
    private const string Adopted = "be adopted";

    private readonly List<InvalidDefinition> _reasons = [];
    private readonly List<string> _notes = [];

    /// <summary>What is to be done.</summary>
    /// <param name="State">The set.</param>
    /// <param name="Unit">The transaction.</param>
    /// <param name="Told">What the caller is told.</param>
    internal sealed record Plan(SetState State, PlanUnit Unit, Adoption Told);

    /// <summary>The plan of an adoption.</summary>
    /// <param name="lockTimeout">Longest wait for a lock, which the printed statements set.</param>
    /// <exception cref="InvalidPartitionDefinitionException">It cannot be adopted; all reasons.</exception>
    public async Task<Plan> PlanAsync(TimeSpan lockTimeout)
    {
        var found = await AdoptedTable.ReadAsync(session, server, table).ConfigureAwait(false);
        if (found is null)
            throw Refused(InvalidDefinitionReason.TableMissing, "There is no such table.");
        var isPlain = found.Kind == "r";
        Check(found, isPlain);
        Stop();
        var control = isPlain ? wish.Control ?? found.Said("control") ?? CheckedRange.ColumnOf(found.Children.Select(c => c.Checks)) : found.KeyColumn!;
        if (control is null)
            throw Refused(InvalidDefinitionReason.ControlMismatch, "The checks of its tables do not tell one column that all of them are about: name it with Control.");
        if (wish.Control is { } named && named != control)
            throw Refused(InvalidDefinitionReason.ControlMismatch, $"It is partitioned by '{control}', and not by '{named}'.");
        var key = await KeyAsync(found, control, isPlain).ConfigureAwait(false);
        var partitions = Partitions(found, key, isPlain);
        Stop();
        var state = await StateAsync(found, key, [.. partitions.Where(p => !p.IsDefault).OrderBy(p => p.Lower)], partitions.Find(p => p.IsDefault)).ConfigureAwait(false);
        if (server.UsesExtension && partitions.Find(p => !p.IsDefault && !PartitionName.IsLike(p.Name.Name, table.Name, state.Set.NamePrefix, key.IsTime)) is { } other)
            _reasons.Add(new(InvalidDefinitionReason.Name, $"Partition '{other.Name}' is not named as the extension names its own, and could not be maintained by it: rename it, or use PartmanStore.Own."));
        Stop();
        var unit = isPlain ? await InheritanceAsync(found, state).ConfigureAwait(false) : new PlanUnit
        {
            Kind = "adopt-set",
            Reason = $"'{table}' is maintained from now on, as it is.",
            Statements = [$"LOCK TABLE ONLY {table.Quoted} IN SHARE UPDATE EXCLUSIVE MODE", .. SetConfiguration.Statements(server, state), .. Leaving(found)],
            Locks = [new SqlPlanLock(table, PgLockMode.ShareUpdateExclusive)],
        };
        if (found.Row is not null)
            _notes.Add($"The rows of '{table}' in '{server.ExtensionSchema}' go: pg_partman {server.ExtensionVersion} leaves the set alone from then on.");
        return new Plan(state, unit, new Adoption(
            state.Set, isPlain ? AdoptedKind.Inheritance : AdoptedKind.Declarative, [.. state.Partitions, .. state.Default is { } rest ? [rest] : Array.Empty<Partition>()], _notes, new SqlPlan(unit.ToStep(state, lockTimeout))));
    }

    private void Check(AdoptedTable found, bool isPlain)
    {
        void Add(InvalidDefinitionReason reason, string text) => _reasons.Add(new(reason, text));
        if (!found.IsOwned)
            Add(InvalidDefinitionReason.NotOwned, $"It belongs to '{found.Owner}', and role '{server.Role}' is no member of that.");
        if (found.IsChild)
            Add(InvalidDefinitionReason.TableKind, "It is a partition itself.");
        if (!isPlain && found.Strategy is not ("r" or "l"))
            Add(InvalidDefinitionReason.NotPartitioned, "It is partitioned by hash, which knows no order.");
        if (!isPlain && (found.KeyColumns != 1 || found.KeyColumn is null))
            Add(InvalidDefinitionReason.ControlMismatch, $"It is partitioned by {(found.KeyColumns != 1 ? $"{found.KeyColumns} columns" : "an expression")}, and only one column can be managed.");
        if (isPlain && found.Children.Count == 0)
            Add(InvalidDefinitionReason.NotPartitioned, "It is not partitioned, and no table inherits from it; a plain table is converted, not adopted.");
        foreach (var child in found.Children.Where(c => c.Kind != "r" || c.IsTangled))
            Add(InvalidDefinitionReason.Unsupported, $"'{child.Name}' is {(child.Kind == "r" ? "part of more than one level of inheritance" : "partitioned itself, or a foreign table")}.");
        if (found.Said("undo_in_progress") == "true")
            Add(InvalidDefinitionReason.Unsupported, "pg_partman is undoing it, partition by partition: let it finish, or set undo_in_progress to false.");
        if (found.HasSubRow)
            Add(InvalidDefinitionReason.Unsupported, "pg_partman splits its partitions further.");
        if (found.Row is not null && server.ExtensionVersion?.StartsWith("4.", StringComparison.Ordinal) == false)
            Add(InvalidDefinitionReason.AlreadyConfigured, $"It is configured in '{server.ExtensionSchema}' already: use PartmanStore.Extension.");
        if (wish.Template is null && found is { Template: null } && found.Said("template_table") is { } template)
            Add(InvalidDefinitionReason.Template, $"Its row in '{server.ExtensionSchema}' names the template '{template}', which is no table, or more than one: name the template.");
        if (wish.WhenExpired == ExpiredAction.Archive && archive is null)
            Add(InvalidDefinitionReason.Archive, "Partitions are to be archived, and the client was made without an archive.");
    }

    private async Task<PartitionKey> KeyAsync(AdoptedTable found, string control, bool isPlain)
    {
        var column = await session.RowAsync(
            "SELECT t.typname::text, a.attnotnull FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid WHERE a.attrelid = $1 AND a.attname = $2 AND a.attnum > 0",
            row => new { Type = row.GetString(0), IsNotNull = row.GetBoolean(1) }, PgParameter.Of(found.Oid, NpgsqlDbType.Oid), PgParameter.Text(control)).ConfigureAwait(false)
            ?? throw Refused(InvalidDefinitionReason.ControlMismatch, $"It has no column '{control}'.");
        var kinds = PartitionKey.KindsOf(column.Type);
        var kind = wish.Kind ?? (found.Said("epoch") switch
        {
            "seconds" => PartitionKeyKind.EpochSeconds,
            "milliseconds" => PartitionKeyKind.EpochMilliseconds,
            "microseconds" => PartitionKeyKind.EpochMicroseconds,
            "nanoseconds" => PartitionKeyKind.EpochNanoseconds,
            _ => wish.Interval is not null && column.Type is not ("timestamptz" or "timestamp" or "date" or "uuid") ? (PartitionKeyKind?)null : kinds.Count > 0 ? kinds[0] : null,
        });
        if (kind is not { } known || !kinds.Contains(known))
            throw Refused(InvalidDefinitionReason.ControlType, $"Column '{control}' of type '{column.Type}' cannot hold '{kind}'{(wish.Interval is null ? "" : "; name the unit of an epoch with Kind")}.");
        if (isPlain && !column.IsNotNull)
            _reasons.Add(new(InvalidDefinitionReason.ControlNullable, $"Column '{control}' may be null: add CHECK ({PgIdentifier.Create(control).Quoted} IS NOT NULL) NOT VALID, validate it, and set NOT NULL."));
        return new PartitionKey(PgIdentifier.Create(control), column.Type, known);
    }

    private List<Partition> Partitions(AdoptedTable found, PartitionKey key, bool isPlain)
    {
        var partitions = new List<Partition>();
        var bare = new PartitionSet { Table = table, Control = key.Column.Value, Kind = key.Kind };
        foreach (var child in found.Children)
        {
            var one = new Partition(child.Name, default, default) { Oid = child.Oid, Version = child.Version, EstimatedRows = child.Rows };
            try
            {
                if (!isPlain)
                    partitions.Add(SetReader.Read(one, child.Bound!, key, bare));
                else if (CheckedRange.Of(child.Checks, key) is { } range)
                    partitions.Add(one with { Lower = range.Lower, Upper = range.Upper });
                else
                    _reasons.Add(new(InvalidDefinitionReason.Unsupported, $"No check of '{child.Name}' says from where up to where its '{key.Column}' goes: add CHECK ({key.Column.Quoted} >= … AND {key.Column.Quoted} < …) NOT VALID, and validate it."));
            }
            catch (Exception error) when (error is FormatException or PartitionSetConfigurationException)
            {
                _reasons.Add(new(InvalidDefinitionReason.Unsupported, error.Message));
            }
        }
        var ranges = partitions.Where(p => !p.IsDefault).OrderBy(p => p.Lower).ToList();
        foreach (var (one, next) in ranges.Zip(ranges.Skip(1)).Where(p => p.First.Upper > p.Second.Lower))
            _reasons.Add(new(InvalidDefinitionReason.Unsupported, $"'{one.Name}' up to '{one.Upper}' and '{next.Name}' from '{next.Lower}' on overlap."));
        return partitions;
    }

    private async Task<SetState> StateAsync(AdoptedTable found, PartitionKey key, IReadOnlyList<Partition> ranges, Partition? rest)
    {
        var finite = ranges.Where(p => !p.Lower.IsMin && !p.Upper.IsMax).ToList();
        var set = Options(found, key);
        string? anchor = null;
        string? zone = null;
        if (!key.IsTime)
        {
            set.IdInterval ??= found.Said("partition_interval") is { } said && long.TryParse(said, NumberStyles.None, CultureInfo.InvariantCulture, out var ids) ? ids
                : AdoptedTable.StepOfIds([.. finite.Select(p => (p.Lower.Id!.Value, p.Upper.Id!.Value))]);
            anchor = finite is [.., var last] ? last.Lower.Id!.Value.ToString(CultureInfo.InvariantCulture) : "0";
        }
        else
        {
            set.Interval ??= found.Said("partition_interval") is { } said && PgInterval.TryParse(said, null, out var length) ? length : (PgInterval?)null;
            (zone, set.Interval, anchor) = await TimesAsync(key, finite, set.Interval).ConfigureAwait(false);
        }
        if (set.Interval is null && set.IdInterval is null)
            throw Refused(InvalidDefinitionReason.Interval, finite.Count == 0 ? "It has no partition that would tell the interval: name it." : $"Its newest partitions, up to '{finite[^1].Name}', are of different lengths: name the interval of new ones.");
        set.TimeZone = zone;
        OptionsCheck.Require(set);
        if ((found.Strategy == "l") != (set.IdInterval == 1))
            throw Refused(InvalidDefinitionReason.TypeMismatch, "A list has one id in each partition, and only a list has.");
        if (server.UsesExtension && zone is not null && zone != server.SessionZone)
            _reasons.Add(new(InvalidDefinitionReason.TimeZone, $"The extension works in the time zone of its session, which is '{server.SessionZone}', not '{zone}'."));
        if (set.RetentionSchema is { } schema && await session.ScalarAsync("SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.nspname = $1)", PgParameter.Text(schema)).ConfigureAwait(false) is false)
            _reasons.Add(new(InvalidDefinitionReason.RetentionSchema, $"There is no schema '{schema}'."));
        if ((await SetReader.ConfiguredAsync(session, server, table).ConfigureAwait(false)).Count > 0)
            _reasons.Add(new(InvalidDefinitionReason.AlreadyConfigured, $"It is configured already in '{server.ConfigSchema}'."));
        Stop();
        return new SetState
        {
            Set = set.ToSet(table, key.Kind, zone ?? "UTC", server.UsesExtension) with { Anchor = server.UsesExtension ? null : anchor, ArchiveId = set.WhenExpired == ExpiredAction.Archive ? archive : null },
            Oid = found.Oid,
            Key = key,
            Partitions = ranges,
            Default = rest,
            Now = default,
            LocalNow = default,
            ReferencedBy = [],
            References = [],
            IsOwned = true,
        };
    }

    private PartitionSetOptions Options(AdoptedTable found, PartitionKey key)
    {
        var retention = found.Said("retention");
        if (retention is not null && wish.Retention is null && wish.IdRetention is null && !(key.IsTime ? PgInterval.TryParse(retention, null, out _) : long.TryParse(retention, NumberStyles.None, CultureInfo.InvariantCulture, out _)))
            _reasons.Add(new(InvalidDefinitionReason.Interval, $"Its row in '{server.ExtensionSchema}' says retention '{retention}', which is none for a set by {(key.IsTime ? "time" : "id")}: correct the row, or name the retention."));
        var moves = wish.RetentionSchema ?? (wish.WhenExpired is null ? found.Said("retention_schema") : null);
        return new PartitionSetOptions
        {
            Control = key.Column.Value,
            Kind = key.Kind,
            Interval = wish.Interval,
            IdInterval = wish.IdInterval,
            Premake = wish.Premake ?? (int.TryParse(found.Said("premake"), NumberStyles.None, CultureInfo.InvariantCulture, out var premake) ? premake : 4),
            Basis = wish.Basis,
            Retention = wish.Retention ?? (key.IsTime && PgInterval.TryParse(retention, null, out var age) ? age : (PgInterval?)null),
            IdRetention = wish.IdRetention ?? (!key.IsTime && long.TryParse(retention, NumberStyles.None, CultureInfo.InvariantCulture, out var ids) ? ids : null),
            WhenExpired = wish.WhenExpired ?? (moves is not null ? ExpiredAction.Move : found.Said("retention_keep_table") == "false" ? ExpiredAction.Drop : ExpiredAction.Detach),
            RetentionSchema = moves,
            InheritPrivileges = found.Said("inherit_privileges") == "true",
            AutomaticMaintenance = wish.AutomaticMaintenance && found.Said("automatic_maintenance") != "off",
            Template = wish.Template ?? found.Template,
        };
    }

    // The zone in which the bounds are midnights, the interval and the newest lower bound on the clock that counts it.
    private async Task<(string? Zone, PgInterval? Interval, string? Anchor)> TimesAsync(PartitionKey key, List<Partition> finite, PgInterval? interval)
    {
        (string? Zone, PgInterval? Interval, string? Anchor) best = default;
        foreach (var zone in wish.TimeZone is { } one ? [one] : new[] { server.SessionZone, "UTC" }.Distinct())
        {
            if (await session.ScalarAsync("SELECT EXISTS (SELECT FROM pg_catalog.pg_timezone_names z WHERE z.name = $1)", PgParameter.Text(zone)).ConfigureAwait(false) is false)
                throw Refused(InvalidDefinitionReason.TimeZone, $"The server knows no time zone '{zone}'.");
            var clock = key.IsWallClock ? "UTC" : zone;
            var local = await ZoneClock.LocalAsync(session, clock, [.. finite.SelectMany(p => new[] { p.Lower.Time!.Value, p.Upper.Time!.Value })]).ConfigureAwait(false);
            var readings = local.Chunk(2).Select(p => (Lower: p[0], Upper: p[1])).ToList();
            var step = interval ?? AdoptedTable.StepOfTimes(readings);
            if (step is not { } length)
                continue;
            if (finite.Count == 0)
            {
                var now = (DateTime)(await session.ScalarAsync("SELECT pg_catalog.timezone($1, pg_catalog.now())", PgParameter.Text(zone)).ConfigureAwait(false))!;
                return (zone, length, NewRanges.AnchorText(TimeSteps.Truncate(now, length)));
            }
            var calendar = TimeSteps.FollowsCalendar(length);
            var isMidnight = readings[^1].Lower.TimeOfDay == TimeSpan.Zero;
            var begin = key.IsWallClock || calendar ? readings[^1].Lower : finite[^1].Lower.Time!.Value.UtcDateTime;
            best = (zone, length, NewRanges.AnchorText(begin));
            if (isMidnight || !calendar || key.IsWallClock || wish.TimeZone is not null)
                return best;
        }
        // Months of another zone have lengths in days that a few of them may have in common.
        return best.Interval is null ? best
            : throw Refused(InvalidDefinitionReason.TimeZone, $"The bounds of '{finite[^1].Name}' are midnights neither in '{server.SessionZone}' nor in UTC: name the time zone.");
    }

    private IEnumerable<string> Leaving(AdoptedTable found)
    {
        if (found.Row is null)
            yield break;
        yield return $"DELETE FROM {server.ExtensionSchema!.Value.Quoted}.part_config WHERE parent_table = {PgLiteral.Quote($"{table.Schema!.Value.Value}.{table.Name.Value}")}";
    }

    /// <summary>
    /// A partitioned table takes the name, the tables that inherited become its partitions by their own checks, and the former parent, which may hold rows that
    /// no trigger sent anywhere, its default partition.
    /// </summary>
    private async Task<PlanUnit> InheritanceAsync(AdoptedTable found, SetState state)
    {
        var live = (await LiveTable.ReadAsync(session, found.Oid).ConfigureAwait(false))!;
        var shape = await ParentShape.ReadAsync(session, table, found.Oid, state.Set.Template).ConfigureAwait(false);
        var (routing, rest) = (await RoutingAsync(found, live).ConfigureAwait(false), new QualifiedName(table.Schema, PartitionName.OfDefault(table.Name)));
        var referenced = SetState.InLockOrder(live.ForeignKeys.Select(k => k.Referenced));
        CheckInheritance(found, live, routing);
        if (shape.ReplicaIndex is { } identity)
            _reasons.Add(new(InvalidDefinitionReason.Unsupported, $"Its replica identity is the index '{identity}': set it to FULL or DEFAULT for the time of the adoption."));
        var (shared, own) = (live.Indexes.Where(i => i.IsValid && found.Children.All(c => c.Indexes.Contains(AdoptedTable.IndexText(i))) && (!i.IsUnique || i.Columns.Contains(state.Set.Control))).ToList(), state.Set.Template is null);
        var template = new QualifiedName(table.Schema, PartitionName.Fit(table.Name.Value, "_template"));
        own &= live.Indexes.Any(i => i.IsValid && !shared.Contains(i));
        var copy = ConversionState.Beside(table, ConversionNames.NewEnd);
        var names = shared.Select(i => Replacement.Named(i.Name, "_default")).Append(rest.Name).Append(copy.Name).Concat(own ? [template.Name] : []);
        await CheckRoomAsync(state, names).ConfigureAwait(false);
        Stop();
        if (own)
        {
            state = state with { Set = state.Set with { Template = template } };
            _notes.Add($"'{template}' is made as the template: it holds the indexes that partitions get and the table as a whole cannot have.");
        }
        _notes.Add($"Trigger '{routing!.Name}' goes; its function stays, and can be dropped.");
        return new PlanUnit
        {
            Kind = "adopt-inheritance",
            Reason = $"'{table}' becomes partitioned: {found.Children.Count} tables are attached by their checks, and the former parent becomes '{rest}'.",
            Statements =
            [
                // With all that inherits from it.
                $"LOCK TABLE {table.Quoted} IN ACCESS EXCLUSIVE MODE",
                .. referenced.Select(r => $"LOCK TABLE ONLY {r.Quoted} IN SHARE ROW EXCLUSIVE MODE"),
                .. Replacement.Unchanged(live),
                // Behind its settings, which the texts of checks depend on.
                await found.UnchangedAsync(session).ConfigureAwait(false),
                .. own ? [$"CREATE TABLE {template.Quoted} (LIKE {table.Quoted} INCLUDING INDEXES)", .. live.Owner == live.Role ? [] : new[] { $"ALTER TABLE {template.Quoted} OWNER TO {PgIdentifier.Create(live.Owner).Quoted}" }] : Array.Empty<string>(),
                .. Replacement.Parent(live, copy, state.Key.Column, isList: false, shape, []),
                .. Replacement.Sequences(live, live with { Name = copy }, ConversionNames.OldEnd),
                $"DROP TRIGGER {routing.Name.Quoted} ON {table.Quoted}",
                .. live.Sequences.Where(s => s.IsIdentity).Select(s => $"ALTER TABLE ONLY {table.Quoted} ALTER COLUMN {s.Column.Quoted} DROP IDENTITY"),
                .. found.Children.Select(c => $"ALTER TABLE {c.Name.Quoted} NO INHERIT {table.Quoted}"),
                .. shared.Select(i => $"ALTER INDEX {QualifiedName.Create(table.Schema!.Value.Value, i.Name).Quoted} RENAME TO {Replacement.Named(i.Name, "_default").Quoted}"),
                $"ALTER TABLE {table.Quoted} RENAME TO {rest.Name.Quoted}",
                $"ALTER TABLE {copy.Quoted} RENAME TO {table.Name.Quoted}",
                .. shared.Select(i => Index(i)),
                .. state.Partitions.Select(p => $"ALTER TABLE {table.Quoted} ATTACH PARTITION {p.Name.Quoted} {PartitionDdl.ForValues(state, p.Lower, p.Upper)}"),
                $"ALTER TABLE {table.Quoted} ATTACH PARTITION {rest.Quoted} DEFAULT",
                // Those of the tables become its parts, and nothing is checked again (tryAttachPartitionForeignKey, src/backend/commands/tablecmds.c).
                .. live.ForeignKeys.Select(k => $"ALTER TABLE {table.Quoted} ADD CONSTRAINT {k.Name.Quoted} {k.Definition}"),
                .. Replacement.Rights(live, shape),
                .. SetConfiguration.Statements(server, state),
                .. Leaving(found),
            ],
            Locks = [new SqlPlanLock(table, PgLockMode.AccessExclusive), .. state.Partitions.Select(p => new SqlPlanLock(p.Name, PgLockMode.AccessExclusive)), .. referenced.Select(r => new SqlPlanLock(r, PgLockMode.ShareRowExclusive))],
        };

        string Index(LiveTable.Index index) => index.Constraint is null
            ? $"CREATE {(index.IsUnique ? "UNIQUE " : "")}INDEX {PgIdentifier.Create(index.Name).Quoted} ON {table.Quoted} {index.Tail}"
            : $"ALTER TABLE {table.Quoted} ADD CONSTRAINT {PgIdentifier.Create(index.Name).Quoted} {index.Definition}";
    }

    // For the names of what is made, and for the rows of each partition: what the table itself holds has to fit into the default one.
    private async Task CheckRoomAsync(SetState state, IEnumerable<PgIdentifier> names)
    {
        if (await session.ScalarAsync("SELECT c.relname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname::text = ANY ($2) LIMIT 1",
            PgParameter.Text(table.Schema!.Value.Value), PgParameter.Texts(names.Select(n => n.Value))).ConfigureAwait(false) is string taken)
            throw new PartitionNameCollisionException(table, QualifiedName.Create(table.Schema!.Value.Value, taken), "a relation that exists");
        foreach (var partition in state.Partitions)
        {
            if (await session.ScalarAsync($"SELECT EXISTS (SELECT FROM ONLY {table.Quoted} WHERE {PartitionDdl.Within(state.Key, partition.Lower, partition.Upper)})").ConfigureAwait(false) is true)
                _reasons.Add(new(InvalidDefinitionReason.Unsupported, $"'{table}' itself holds rows of the range of '{partition.Name}': move them there first."));
        }
    }

    // A trigger that only looks at rows or stamps them would be lost with the adoption: one that sends them elsewhere has to say so (returns no row, inserts some), or
    // be named. 7 is BEFORE, for each row, INSERT and nothing else (pg_trigger.h).
    private async Task<LiveTable.Trigger?> RoutingAsync(AdoptedTable found, LiveTable live)
    {
        var looks = await session.RowsAsync(
            """
            SELECT t.tgname::text, t.tgtype = 7, p.prosrc ~* 'return\s+null' AND p.prosrc ~* 'insert\s+into'
            FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid WHERE t.tgrelid = $1 AND NOT t.tgisinternal
            """,
            row => (Name: row.GetString(0), IsBefore: row.GetBoolean(1), Sends: row.GetBoolean(2)), PgParameter.Of(found.Oid, NpgsqlDbType.Oid)).ConfigureAwait(false);
        var before = looks.Where(t => t.IsBefore).ToList();
        var name = wish.RoutingTrigger ?? (before.Where(t => t.Sends).ToList() is [var only] ? only.Name : null);
        var routing = live.Triggers.FirstOrDefault(t => t.Name.Value == name);
        if (routing is null)
        {
            _reasons.Add(new(InvalidDefinitionReason.Unsupported, wish.RoutingTrigger is not null ? $"It has no trigger '{wish.RoutingTrigger}'."
                : $"Of its {before.Count} triggers before INSERT for each row{string.Concat(before.Select((t, i) => $"{(i == 0 ? " (" : ", ")}'{t.Name}'{(i == before.Count - 1 ? ")" : "")}"))}, {before.Count(t => t.Sends)} look like one that sends rows to the right table: name it with RoutingTrigger."));
        }
        return routing;
    }

    private void CheckInheritance(AdoptedTable found, LiveTable live, LiveTable.Trigger? routing)
    {
        void Add(InvalidDefinitionReason reason, string text) => _reasons.Add(new(reason, text));
        if (live is not { IsChild: false, Persistence: "p" })
            Add(InvalidDefinitionReason.TableKind, $"It {(live.IsChild ? "inherits from another table" : "is temporary or unlogged")}.");
        foreach (var trigger in live.Triggers.Where(t => t != routing))
            Add(InvalidDefinitionReason.Unsupported, $"Trigger '{trigger.Name}' acts on rows of the table itself only, and would act on all partitions from then on: drop it, and create it again behind the adoption where that is meant.");
        foreach (var key in live.ForeignKeys)
        {
            foreach (var child in found.Children.Where(c => !c.ForeignKeys.Contains(key.Definition)))
                Add(InvalidDefinitionReason.Unsupported, $"'{child.Name}' lacks foreign key '{key.Name}' of the table: add it NOT VALID, and validate it.");
        }
        foreach (var check in found.OwnChecks)
            Add(InvalidDefinitionReason.Unsupported, $"Check '{check}' is one of the table itself only (NO INHERIT), which a partitioned table cannot have: drop it.");
        foreach (var index in live.Indexes.Where(i => i.Constraint == "x"))
            Add(InvalidDefinitionReason.Unsupported, $"Exclusion constraint '{index.Name}' cannot hold over partitions: drop that of the table itself, and its tables keep theirs.");
        foreach (var other in live.DependentObjects)
            Add(InvalidDefinitionReason.Dependent, $"'{other}' holds on to the table itself, and would stay with the former one: drop it for the time of the adoption.");
    }

    private void Stop()
    {
        if (_reasons.Count > 0)
            throw new InvalidPartitionDefinitionException(table, _reasons, Adopted);
    }

    private InvalidPartitionDefinitionException Refused(InvalidDefinitionReason reason, string text)
    {
        _reasons.Add(new(reason, text));
        return new InvalidPartitionDefinitionException(table, _reasons, Adopted);
    }
}
