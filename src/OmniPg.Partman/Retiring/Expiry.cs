namespace OmniPg.Partman;

/// <summary>Which partitions of a set are too old, too many or too large, whatever becomes of them then.</summary>
internal static class Expiry
{
    /// <summary>Partitions that are expired, the oldest first, and never all of them: the last one stays.</summary>
    /// <param name="state">The set, measured where it is limited in size.</param>
    /// <param name="isLastKept">Whether the last one would be expired as well.</param>
    public static IReadOnlyList<Partition> Expired(SetState state, out bool isLastKept)
    {
        var surplus = Surplus(state);
        var expired = state.Partitions.Where(p => IsTooOld(state, p) || surplus.Contains(p.Oid)).OrderBy(p => p.Upper).ToList();
        isLastKept = expired.Count > 0 && expired.Count == state.Partitions.Count;
        if (isLastKept)
            expired.RemoveAt(expired.Count - 1);
        return expired;
    }

    /// <summary>Whether a partition is past the age that its set keeps, by its real upper bound, whatever its name says.</summary>
    public static bool IsTooOld(SetState state, Partition partition) => state switch
    {
        { Cutoff: { } cutoff } => partition.Upper < cutoff,
        { Set.IdRetention: { } keep, Newest.Id: { } newest } when partition.Upper.Id is { } upper => keep <= (Int128)newest - upper,
        _ => false,
    };

    // What is too many or too large: from the newest partition down, the first one that has no room any more, and all before it.
    private static HashSet<uint> Surplus(SetState state)
    {
        var surplus = new HashSet<uint>();
        if (state.Set is { RetentionCount: null, RetentionBytes: null } || Reached(state) is not { } current)
            return surplus;
        var (count, bytes) = (state.Set.RetentionCount ?? int.MaxValue, (Int128)(state.Set.RetentionBytes ?? long.MaxValue));
        foreach (var partition in state.Partitions.OrderByDescending(p => p.Upper))
        {
            var size = partition.DetachPending ? 0 : partition.TotalBytes;
            if (partition.Upper <= current && (surplus.Count > 0 || count <= 0 || size > bytes))
            {
                surplus.Add(partition.Oid);
                continue;
            }
            bytes -= size;
            // One that is being detached is none of those that stay.
            count -= partition.Lower <= current && !partition.DetachPending ? 1 : 0;
        }
        return surplus;
    }

    /// <summary>
    /// How far a set has got: partitions that end there get no new rows any more. One that goes by its rows may be idle for long, and then what the clock has passed is
    /// all it has; a row ahead of the clock makes nothing old. Null where no row tells.
    /// </summary>
    public static PartitionBound? Reached(SetState state) => !state.Key.IsTime ? state.Newest
        : state.Set.Basis == PremakeBasis.Clock ? state.Clock
        : state.Newest is not { } newest || newest > state.Clock ? state.Newest is null ? null : state.Clock : newest;

    /// <summary>A set that is limited in size, with the sizes of its partitions; any other as it is.</summary>
    public static async Task<SetState> MeasuredAsync(PgSession session, SetState state)
    {
        if (state.Set.RetentionBytes is null)
            return state;
        var sizes = (await session.RowsAsync(
            "SELECT i.inhrelid, COALESCE((SELECT sum(pg_catalog.pg_total_relation_size(t.relid)) FROM pg_catalog.pg_partition_tree(i.inhrelid) t), 0)::bigint FROM pg_catalog.pg_inherits i WHERE i.inhparent = $1",
            row => (Oid: row.GetFieldValue<uint>(0), Bytes: row.GetInt64(1)), PgParameter.Of(state.Oid, NpgsqlTypes.NpgsqlDbType.Oid)).ConfigureAwait(false)).ToDictionary(s => s.Oid, s => s.Bytes);
        return state with { Partitions = [.. state.Partitions.Select(p => p with { TotalBytes = sizes.GetValueOrDefault(p.Oid) })] };
    }

    /// <summary>Why a partition is expired, behind "which is".</summary>
    /// <remarks>Nothing that moves with the clock or with new rows: a plan is compared with what it would be by now.</remarks>
    public static string Reason(SetState state, Partition partition) =>
        state.Cutoff is { } cutoff && partition.Upper < cutoff ? $"more than '{state.Set.Retention}' ago"
        : state.Set.IdRetention is { } keep && IsTooOld(state, partition) ? $"{keep} or more below the newest id"
        : state.Set is { RetentionCount: { } count, RetentionBytes: null } ? $"before the {count} partitions that stay"
        : state.Set is { RetentionBytes: { } bytes } ? $"before the partitions that stay within {(state.Set.RetentionCount is { } most ? $"{most} partitions and " : "")}{bytes} bytes"
        : "what its retention says";
}
