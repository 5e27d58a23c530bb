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
}
