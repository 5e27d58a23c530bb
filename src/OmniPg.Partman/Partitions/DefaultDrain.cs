namespace OmniPg.Partman;

/// <summary>Moves rows out of the default partition of a set, range by range.</summary>
internal static class DefaultDrain
{
    /// <summary>The unit that moves the rows of the lowest range in the default partition; null when there are none.</summary>
    /// <exception cref="PartmanException">They cannot move.</exception>
    public static async Task<PlanUnit?> LowestAsync(PgSession session, PartmanServer server, SetState state, int most)
    {
        if (state.Default is not { } rest)
            return null;
        var column = "p." + state.Key.Column.Quoted;
        var finite = state.Key.Kind == PartitionKeyKind.Time ? $" AND {column} > '-infinity'::{state.Key.Type} AND {column} < 'infinity'::{state.Key.Type}" : "";
        if (await session.ScalarAsync($"SELECT {column}::text FROM ONLY {rest.Name.Quoted} AS p WHERE {column} IS NOT NULL{finite} ORDER BY {column} LIMIT 1").ConfigureAwait(false) is not string lowest)
            return null;
        if (await WhyNotAsync(session, state).ConfigureAwait(false) is { } why)
            throw why;
        var range = await NewRanges.AroundAsync(session, state, SetReader.KeyOf(state, lowest)).ConfigureAwait(false);
        var shape = await ParentShape.ReadAsync(session, state.Table, state.Oid, state.Set.Template).ConfigureAwait(false);
        try
        {
            var below = await SubPartitioner.OfAsync(session, server, state, most).ConfigureAwait(false);
            return PartitionDdl.Create(state, shape, range, drain: true, branch: below is null ? null : await below.BranchAsync(shape, range).ConfigureAwait(false));
        }
        catch (OverflowException error)
        {
            throw new PartitionSetConfigurationException(state.Table, $"The range of '{lowest}' in the default partition of '{state.Table}' cannot be a partition: {error.Message}", null, error);
        }
    }

    /// <summary>Why rows cannot move out of the default partition; null when they can.</summary>
    public static async Task<PartmanException?> WhyNotAsync(PgSession session, SetState state)
    {
        var reasons = await session.RowsAsync($"{RowMoves.WhyNotOut(state.Oid, state.Default!.Oid)} LIMIT 1", row => row.GetString(1)).ConfigureAwait(false);
        return reasons.Count == 0 ? null : new PartitionSetConfigurationException(state.Table, $"Rows cannot move out of the default partition of '{state.Table}': {reasons[0]}");
    }
}
