using System.Globalization;

namespace OmniPg.Partman;

/// <summary>Makes the sets of a database what they are declared to be.</summary>
internal sealed class SetApplier(PartmanDatabase database, PartmanOptions options, TimeProvider time, SetMaker maker)
{
    public async Task<SqlPlan> PlanAsync(IEnumerable<KeyValuePair<QualifiedName, PartitionSetOptions>> sets, CancellationToken cancellationToken)
    {
        var steps = new List<SqlPlanStep>();
        foreach (var (table, wish) in sets)
        {
            var declared = await DeclaredAsync(table, wish, cancellationToken).ConfigureAwait(false);
            steps.AddRange(declared.Units.Select(u => u.ToStep(declared.State, options.LockTimeout)));
        }
        return new SqlPlan(steps);
    }

    public async Task<IReadOnlyList<DeclaredSet>> ApplyAsync(IReadOnlyList<KeyValuePair<QualifiedName, PartitionSetOptions>> sets, CancellationToken cancellationToken)
    {
        var told = new List<DeclaredSet>();
        // Nothing is changed where one of them cannot be.
        foreach (var (table, wish) in sets)
            told.Add((await DeclaredAsync(table, wish, cancellationToken).ConfigureAwait(false)).Told);
        for (var i = 0; i < told.Count; i++)
        {
            var (table, wish) = sets[i];
            if (told[i].Outcome == DeclaredFate.Created)
            {
                await maker.CreateAsync(table, wish, cancellationToken).ConfigureAwait(false);
            }
            else if (told[i].Outcome == DeclaredFate.Changed)
            {
                told[i] = await RunLock.WithBothAsync(database, table, time, async working =>
                {
                    var declared = await DeclaredAsync(table, wish, working).ConfigureAwait(false);
                    foreach (var unit in declared.Units)
                        await new UnitRunner(database, options, time).RunAsync(declared.State, unit, working).ConfigureAwait(false);
                    return declared.Told;
                }, cancellationToken).ConfigureAwait(false);
            }
        }
        return told;
    }

    private Task<Declaration> DeclaredAsync(QualifiedName table, PartitionSetOptions wish, CancellationToken cancellationToken) =>
        database.RunAsync("apply", (session, server) => Declaration.PlanAsync(session, server, table, wish, database.Archive?.Id), cancellationToken);

    /// <summary>A set as it is declared beside the one that is there: units that make it, change its configuration, or nothing.</summary>
    /// <param name="State">The set.</param>
    /// <param name="Told">What is to be done.</param>
    /// <param name="Units">In order.</param>
    private sealed record Declaration(SetState State, DeclaredSet Told, IReadOnlyList<PlanUnit> Units)
    {
        /// <exception cref="InvalidPartitionDefinitionException">It cannot become what is declared; all reasons.</exception>
        public static async Task<Declaration> PlanAsync(PgSession session, PartmanServer server, QualifiedName table, PartitionSetOptions wish, string? archive)
        {
            if (server.IsReadOnly)
                throw Refusal.ReadOnly(server);
            await session.ExecuteAsync(PartmanDatabase.ReadableText).ConfigureAwait(false);
            if (await SetReader.ConfiguredAsync(session, server, table).ConfigureAwait(false) is not [var found, ..])
            {
                var (made, units, _) = await SetDefinition.PlanAsync(session, server, table, wish, archive).ConfigureAwait(false);
                return new Declaration(made, new DeclaredSet(table, DeclaredFate.Created, []), units);
            }
            if (found.Error is { } error)
                throw error;
            var state = (await SetReader.StatesAsync(session, [found]).ConfigureAwait(false))[0];
            var below = await SubPartitioner.OfAsync(session, server, state, 1).ConfigureAwait(false);
            var after = await SetDefinition.ChangedAsync(session, server, wish, archive, below?.Set ?? state.Set, state.Oid).ConfigureAwait(false);
            var changes = Changes(state.Set, after).ToList();
            if (changes.Count == 0)
                return new Declaration(state, new DeclaredSet(table, DeclaredFate.Unchanged, []), []);
            var unit = new PlanUnit
            {
                Kind = "change-set",
                Reason = $"'{table}': {string.Join(", ", changes.Select(c => $"{c.Name} '{c.Before}' becomes '{c.After}'"))}.",
                Statements = SetConfiguration.Change(server, after),
                Locks = [],
                // Locked, because whoever changes the row at this moment would be overwritten.
                Holds = $"SELECT EXISTS (SELECT FROM {server.ConfigSchema.Quoted}.part_config g WHERE g.parent_table = {PgLiteral.Quote(after.ConfigKey)} AND g.xmin::text = {PgLiteral.Quote(found.Version)} FOR UPDATE)",
            };
            return new Declaration(state, new DeclaredSet(table, DeclaredFate.Changed, [.. changes.Select(c => c.Name)]), [unit]);
        }

        private static IEnumerable<(string Name, string? Before, string? After)> Changes(PartitionSet before, PartitionSet after)
        {
            (string Name, Func<PartitionSet, string?> Of)[] properties =
            [
                (nameof(PartitionSet.Premake), s => s.Premake.ToString(CultureInfo.InvariantCulture)), (nameof(PartitionSet.Basis), s => s.Interval is null ? null : s.Basis.ToString()),
                (nameof(PartitionSet.Retention), s => s.Retention?.ToString()), (nameof(PartitionSet.IdRetention), s => s.IdRetention?.ToString(CultureInfo.InvariantCulture)),
                (nameof(PartitionSet.RetentionCount), s => s.RetentionCount?.ToString(CultureInfo.InvariantCulture)), (nameof(PartitionSet.RetentionBytes), s => s.RetentionBytes?.ToString(CultureInfo.InvariantCulture)),
                (nameof(PartitionSet.WhenExpired), s => s.WhenExpired.ToString()), (nameof(PartitionSet.RetentionSchema), s => s.RetentionSchema), (nameof(PartitionSet.ArchiveId), s => s.ArchiveId),
                (nameof(PartitionSet.KeepIndexes), s => s.KeepIndexes.ToString()), (nameof(PartitionSet.KeepInPublications), s => s.KeepInPublications.ToString()),
                (nameof(PartitionSet.Template), s => s.Template is { } t ? new QualifiedName(t.Schema ?? PgIdentifier.Create("public"), t.Name).ToString() : null), (nameof(PartitionSet.InheritPrivileges), s => s.InheritPrivileges.ToString()),
                (nameof(PartitionSet.AutomaticMaintenance), s => s.AutomaticMaintenance.ToString()), (nameof(PartitionSet.MaintenanceOrder), s => s.MaintenanceOrder?.ToString(CultureInfo.InvariantCulture)),
            ];
            return properties.Select(p => (p.Name, p.Of(before), p.Of(after))).Where(c => c.Item2 != c.Item3);
        }
    }
}
