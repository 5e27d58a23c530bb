using NpgsqlTypes;

namespace OmniPg.Partman;

/// <summary>Finds what is wrong with one set.</summary>
internal static class SetCheck
{
    private static readonly TimeSpan Idle = TimeSpan.FromDays(2);

    /// <summary>Looks at every set, and at what was left alone beside them.</summary>
    public static async Task<CheckResult> AllAsync(PartmanDatabase database, Converter converter, CancellationToken cancellationToken)
    {
        var (sets, open) = await database.RunAsync("check", async (session, server) => (
            await SetReader.ConfiguredAsync(session, server, null).ConfigureAwait(false), await ConversionState.ListAsync(session, server, "o.finished_at IS NULL").ConfigureAwait(false)), cancellationToken).ConfigureAwait(false);
        // Behind the swap a set is whole; until then, and where it is used no more, it lacks what a conversion has still to make.
        var unfinished = open.Where(c => c.Phase != ConversionPhase.Swapped).Select(c => c.Detail.Copy).ToHashSet();
        var findings = new List<SetFinding>();
        foreach (var set in sets)
        {
            try
            {
                findings.AddRange(set.Error is { } error ? throw error : await database.RunAsync("check", async (session, _) =>
                {
                    await session.ExecuteAsync(PartmanDatabase.ReadableText).ConfigureAwait(false);
                    return await FindAsync(session, (await SetReader.StatesAsync(session, [set]).ConfigureAwait(false))[0], isHalfMade: unfinished.Contains(set.Oid)).ConfigureAwait(false);
                }, cancellationToken).ConfigureAwait(false));
            }
            catch (PartmanException error)
            {
                findings.Add(new SetFinding(set.Name, FindingKind.Configuration, FindingLevel.Critical, error.Message));
            }
        }
        var late = await converter.LateAsync(cancellationToken).ConfigureAwait(false);
        findings.AddRange(late.Select(c => new SetFinding($"{c.Table.Schema!.Value.Value}.{c.Table.Name.Value}", FindingKind.Conversion, FindingLevel.Critical, $"Conversion '{c.Id}' of '{c.Table}' was left alone, and from '{c.Detail.Cut}' on the table refuses every row.")));
        var copied = await database.RunAsync("check", RegroupLeftovers.OfAllAsync, cancellationToken).ConfigureAwait(false);
        findings.AddRange(copied.Select(c => new SetFinding(c, FindingKind.Repartition, FindingLevel.Warning, $"Partitions of '{c}' are being copied for a repartitioning; where none is at work, repartition again or abort it.")));
        var suspended = await database.RunAsync("check", (session, server) => AutovacuumPause.RefusedAsync(session, server), cancellationToken).ConfigureAwait(false);
        findings.AddRange(suspended.Select(s => new SetFinding(s.Set, FindingKind.Autovacuum, FindingLevel.Warning, $"Autovacuum is off for '{s.Table}' since its rows were moved: {s.Why}. The next maintenance tries to give the setting back, or: {s.Remedy}")));
        return new CheckResult(sets.Count, findings);
    }

    /// <param name="session">A session in a transaction with readable text.</param>
    /// <param name="state">The set.</param>
    /// <param name="isHalfMade">Whether a conversion is still making it, or swapped it back.</param>
    private static async Task<IReadOnlyList<SetFinding>> FindAsync(PgSession session, SetState state, bool isHalfMade)
    {
        if (state.Set.Basis == PremakeBasis.NewestRow || !state.Key.IsTime)
            state = state with { Newest = await SetReader.NewestAsync(session, state).ConfigureAwait(false) };
        var findings = new List<SetFinding>();
        void Add(FindingKind kind, FindingLevel level, string text) => findings.Add(new SetFinding(state.Set.ConfigKey, kind, level, text));

        foreach (var partition in state.Partitions.Where(p => p.DetachPending))
            Add(FindingKind.DetachPending, FindingLevel.Critical, $"The detach of '{partition.Name}' was interrupted; {(state.Set.InProgress is null ? "the next maintenance finishes it" : "finish it with DETACH PARTITION … FINALIZE")}.");
        foreach (var check in state.LeftChecks)
            Add(FindingKind.AttachCheck, FindingLevel.Critical, $"The check '{check}' on '{state.Default!.Name}' refuses rows; {(state.Set.InProgress is null ? "the next maintenance drops it" : "drop it")}.");
        if (state.Set is { AutomaticMaintenance: true, LastMaintenance: { } last } && state.Now - last > Idle)
            Add(FindingKind.Maintenance, FindingLevel.Warning, $"The last maintenance of '{state.Table}' was at '{PartitionBound.Of(last)}'{(state.Set.InProgress is { } work ? $": {work} is under way" : "")}.");
        // An undo makes no partitions ahead, leaves rows in the default and tables behind: that is what it does.
        if (state.Set.InProgress != SetRow.Undoing && !isHalfMade)
            await MaintainedAsync(session, state, Add).ConfigureAwait(false);
        foreach (var index in await InvalidAsync(session, state).ConfigureAwait(false))
            Add(FindingKind.InvalidIndex, FindingLevel.Warning, $"The index '{index}' is invalid.");
        return findings;
    }

    private static async Task MaintainedAsync(PgSession session, SetState state, Action<FindingKind, FindingLevel, string> add)
    {
        var current = state.Set.Basis == PremakeBasis.Clock && state.Key.IsTime ? state.Clock : state.Newest;
        if (current is { } now && state is { Highest: not { IsMax: true }, IsFull: false })
        {
            var ahead = state.Partitions.Count(p => p.Lower > now);
            if (ahead < state.Set.Premake)
                add(FindingKind.TooFewAhead, ahead == 0 ? FindingLevel.Critical : FindingLevel.Warning, $"'{state.Table}' has {ahead} of {state.Set.Premake} partitions ahead of '{now}'.");
        }
        for (var i = 1; i < state.Partitions.Count; i++)
        {
            if (state.Partitions[i - 1].Upper < state.Partitions[i].Lower)
                add(FindingKind.Gap, FindingLevel.Warning, $"'{state.Table}' has no partition from '{state.Partitions[i - 1].Upper}' up to '{state.Partitions[i].Lower}'.");
        }
        foreach (var partition in Expiry.Expired(await Expiry.MeasuredAsync(session, state).ConfigureAwait(false), out _).Where(p => !p.DetachPending))
            add(FindingKind.Expired, FindingLevel.Warning, $"'{partition.Name}' is expired since '{partition.Upper}' and still there.");
        if (state.Set is { LastMaintenance: null, LastFailure: { } failure })
            add(FindingKind.Maintenance, FindingLevel.Warning, $"The last maintenance of '{state.Table}' failed at '{PartitionBound.Of(failure)}'.");
        if (state.Default is { } rest && await session.ScalarAsync($"SELECT EXISTS (SELECT FROM ONLY {rest.Name.Quoted})").ConfigureAwait(false) is true)
            add(FindingKind.DefaultRows, FindingLevel.Warning, $"The default partition '{rest.Name}' holds rows.");
        var loose = await session.RowsAsync(
            """
            SELECT c.relname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND pg_catalog.starts_with(c.relname::text, $2) ORDER BY 1
            """,
            row => PgIdentifier.Create(row.GetString(0)), PgParameter.Text(state.Table.Schema!.Value.Value),
            PgParameter.Text(PartitionName.Fit(state.Table.Name.Value, state.Set.NamePrefix + "00000000_000000").Value[..^15])).ConfigureAwait(false);
        foreach (var table in loose.Where(t => PartitionName.IsLike(t, state.Table.Name, state.Set.NamePrefix, state.Key.IsTime)))
            add(FindingKind.Unattached, FindingLevel.Warning, $"'{new QualifiedName(state.Table.Schema, table)}' is named like a partition of '{state.Table}' and is none.");
    }

    private static Task<IReadOnlyList<string>> InvalidAsync(PgSession session, SetState state) => session.RowsAsync(
        """
        SELECT format('%I.%I', n.nspname, x.relname) FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = x.relnamespace
        WHERE i.indrelid = ANY ($1) AND NOT i.indisvalid ORDER BY 1
        """,
        row => row.GetString(0), PgParameter.Of(state.Partitions.Select(p => p.Oid).Append(state.Oid).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Oid));
}
